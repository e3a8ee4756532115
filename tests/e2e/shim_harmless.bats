# SPDX-License-Identifier: MIT
# Programs that do unusual things behave under startline as without it, in both tiers: what they print,
# how they end, and what they see of themselves.
load helpers

setup() {
	setup_workdir
	# The shell leaves a name in it, another each time.
	unset _
}

# same WORKLOAD: all its cases, in one run a tier.
same() {
	env -u _ "$WORKLOADS/$1" all >bare 2>&1 </dev/null
	[ "$(grep -c '^--- ' bare)" -gt 5 ]
	for probes in bpf,shim shim; do
		if [ "$probes" != shim ] && ! have_bpf; then
			continue
		fi
		env -u _ "$STARTLINE" run -q -o /dev/null --probes "$probes" -- \
			"$WORKLOADS/$1" all >seen 2>&1 </dev/null
		diff bare seen
	done
}

@test "pointers that cannot be read are refused by the kernel, and crash nobody" {
	same hard_pointers
}

@test "every way to execute works on the smallest stacks, with thousands of variables" {
	same hard_stacks
}

@test "a program finds its variables, descriptors and signals as they were, at every moment" {
	same hard_seen
}

@test "filters that no hook saw, Landlock, small limits, another user or root" {
	same hard_filters
}

@test "unusual ways to start, stop and signal processes" {
	same hard_programs
}

@test "system and popen in every situation" {
	same hard_shells
}

@test "a musl program, whose libc does some things in another way" {
	command -v musl-gcc >/dev/null || skip "no musl-gcc"
	musl-gcc -x c -o program - <<-'END'
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#include <sys/auxv.h>
		extern char **environ;
		static int n_early;
		__attribute__((constructor)) static void early(void)
		{
			for (char **e = environ; *e; e++)
				n_early += !strncmp(*e, "STARTLINE", 9) || !strncmp(*e, "LD_PRELOAD", 10);
		}
		int main(void)
		{
			printf("%d before main, %lu\n", n_early, getauxval(AT_PAGESZ));
			for (char **e = environ; *e; e++)
				puts(*e);
			printf("%d\n", system("exit 3"));
			printf("%d\n", pclose(popen("exit 4", "r")));
			printf("%d\n", fclose(popen("exit 5", "r")));
		}
	END
	for variables in "A=1" "A=1 LD_PRELOAD= B=2"; do
		# shellcheck disable=SC2086 # a list
		env -i $variables ./program >bare
		# shellcheck disable=SC2086
		env -i $variables "$STARTLINE" run --format json -o session.json --probes shim -- ./program >seen
		diff bare seen
		[ "$(q '.runs[0].processes[0].coverage.heap')" = counted ]
	done
}

@test "the loader lists what it lists" {
	loader=/lib64/ld-linux-x86-64.so.2
	for option in --list --verify --help --version --list-tunables; do
		bare=0 seen=0
		"$loader" "$option" /bin/true >bare 2>&1 || bare=$?
		"$STARTLINE" run -q -o /dev/null --probes shim -- "$loader" "$option" /bin/true >seen 2>&1 || seen=$?
		diff <(sed 's/(0x.*//' bare) <(sed 's/(0x.*//' seen)
		[ "$bare" = "$seen" ]
		"$STARTLINE" run -q -o /dev/null --probes shim -- sh -c "$loader $option /bin/true; :" >seen 2>&1
		diff <(sed 's/(0x.*//' bare) <(sed 's/(0x.*//' seen)
	done
}

@test "a path that the loader would expand is not handed to it" {
	mkdir -p 'a$LIB' 'b$ORIGIN'
	for place in 'a$LIB' 'b$ORIGIN'; do
		cp "$ROOT/build/startline" "$ROOT/build/libstartline.so" "$place"
		STARTLINE="$PWD/$place/startline" session --probes shim -- /bin/sh -c '/bin/true; exit 23'
		[ "$status" = 23 ]
		[ ! -s messages ]
		[ "$(q '[.runs[0].processes[].coverage.heap] | unique | join(" ")')" = counted ]
	done
}

@test "where the shim may not be mapped any more, nothing is preloaded and nothing is said" {
	[ "$(id -u)" = 0 ] || skip "mounting needs root"
	mkdir place
	cat >script <<-END
		mount -t tmpfs none place
		cp "$ROOT/build/startline" "$ROOT/build/libstartline.so" place
		exec place/startline run --format json -o session.json --probes shim -- \
			sh -c 'mount -o remount,noexec place; /bin/true; exit 23'
	END
	status=0
	unshare -m sh script >stdout 2>messages || status=$?
	[ "$status" = 23 ]
	[ ! -s messages ] || { cat messages; false; }
}
