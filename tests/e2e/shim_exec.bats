# SPDX-License-Identifier: MIT
# The shim goes along with programs that are executed, and leaves alone those it must not touch. The
# program never sees it.
load helpers

setup() {
	setup_workdir
}

counted() { # number of processes or images with exactly the known counts
	q '[.runs[0].processes[] | select(.heap.allocs == 69 and .heap.frees == 12)] | length'
}

@test "every way to execute takes the shim along, with a hand-made environment too" {
	for libc in "" .musl; do
		[ -x "$WORKLOADS/heap_exec$libc" ] || continue
		for way in execve execv execvp execvpe execl execlp execle fexecve posix_spawn \
			posix_spawnp system popen; do
			session --probes shim -- "$WORKLOADS/heap_exec$libc" "$way" "$WORKLOADS/heap_counts"
			[ "$status" = 3 ] || { echo "$libc $way: status $status"; return 1; }
			[ "$(counted)" = 1 ] || { echo "$libc $way: not counted"; return 1; }
		done
	done
}

@test "env prints what env prints" {
	# The shell's own _ would differ: it names the program the shell starts.
	env -i A=1 PATH="$PATH" LC_ALL=C /usr/bin/env >bare
	env -i A=1 PATH="$PATH" LC_ALL=C "$STARTLINE" run --probes shim -o report -- /usr/bin/env >seen
	cmp bare seen
	env -i A=1 LD_PRELOAD= PATH="$PATH" /usr/bin/env >bare
	env -i A=1 LD_PRELOAD= PATH="$PATH" "$STARTLINE" run --probes shim -o report -- /usr/bin/env >seen
	cmp bare seen
}

@test "the user's own LD_PRELOAD stays, and is seen as it was" {
	library=$(ls /lib/x86_64-linux-gnu/libm.so.6)
	env -i LD_PRELOAD="$library" B=2 /usr/bin/env >bare
	env -i LD_PRELOAD="$library" B=2 "$STARTLINE" run --probes shim -o report -- /usr/bin/env >seen
	cmp bare seen
	env -i LD_PRELOAD="$library" "$STARTLINE" run --probes shim -o report -- \
		/bin/sh -c 'grep -c libm.so.6 /proc/self/maps' >seen
	[ "$(cat seen)" -gt 0 ]
	# Through a shell and an exec as well.
	env -i LD_PRELOAD="$library" "$STARTLINE" run --probes shim -o report -- \
		/bin/sh -c '/usr/bin/env; :' | grep -v '^_=\|^PWD=' >seen
	[ "$(grep LD_PRELOAD seen)" = "LD_PRELOAD=$library" ]
	! grep -q STARTLINE seen
}

@test "static, 32-bit and sanitizer-built programs run unharmed and print nothing extra" {
	for variant in static m32 asan; do
		program="$WORKLOADS/heap_counts.$variant"
		[ -x "$program" ] || continue
		session --probes shim -- "$program" _exit
		[ "$status" = 3 ] && [ ! -s stdout ] && [ ! -s messages ]
		# As a child, through a shell, which executes it without fork or after fork.
		session --probes shim -- /bin/sh -c "'$program' _exit; exit \$?"
		[ "$status" = 3 ] && [ ! -s stdout ] && [ ! -s messages ]
		# By vfork and exec.
		session --probes shim -- "$WORKLOADS/heap_counts" vfork "$program" _exit
		[ "$status" = 3 ] && [ ! -s stdout ] && [ ! -s messages ]
	done
	# A sanitizer that is preloaded itself, which is the user's to do.
	export LD_PRELOAD
	LD_PRELOAD=$(gcc -print-file-name=libasan.so.8)
	session --probes shim -- /bin/true
	[ "$status" = 0 ] && [ ! -s messages ]
	[ "$(q '.runs[0].processes[0].coverage.heap')" = sanitizer ]
	asan=$LD_PRELOAD
	unset LD_PRELOAD
	session --probes shim -- /bin/sh -c "LD_PRELOAD='$asan' /bin/true"
	[ "$status" = 0 ] && [ ! -s messages ]
}

@test "ldd lists what it lists" {
	ldd /bin/true | sed 's/ (0x.*//' >bare
	"$STARTLINE" run --probes shim -o report -- ldd /bin/true | sed 's/ (0x.*//' >seen
	cmp bare seen
}

@test "where programs cannot be mapped, as in containers, nothing is preloaded from" {
	[ "$(id -u)" = 0 ] || skip "mounting needs root"
	# From a path that LD_PRELOAD cannot name, a copy is preloaded.
	mkdir 'a directory'
	cp "$ROOT/build/startline" "$ROOT/build/libstartline.so" 'a directory'
	export STARTLINE="$PWD/a directory/startline"
	unshare -m sh -c 'mount -t tmpfs -o noexec none /dev/shm
		exec "$STARTLINE" run --format json -o session.json --probes shim -- \
			sh -c "/bin/true; exit 23"' >stdout 2>messages || status=$?
	[ "$status" = 23 ]
	[ ! -s messages ]
	[ "$(q '[.runs[0].processes[].coverage.heap] | unique | join(" ")')" = counted ]
}

@test "a chrooted child prints nothing extra" {
	[ "$(id -u)" = 0 ] || skip "chroot needs root"
	mkdir -p jail/bin jail/lib64 jail/lib/x86_64-linux-gnu
	cp /bin/true jail/bin/
	cp /lib64/ld-linux-x86-64.so.2 jail/lib64/
	cp /lib/x86_64-linux-gnu/libc.so.6 jail/lib/x86_64-linux-gnu/
	session --probes shim -- chroot jail /bin/true
	[ "$status" = 0 ]
	[ ! -s messages ]
}

@test "a program that drops its privileges goes on, without counts" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	session --probes shim -- setpriv --reuid=65534 --clear-groups /bin/sh -c 'echo ran'
	[ "$status" = 0 ]
	[ "$(cat stdout)" = ran ]
	[ ! -s messages ]
}

@test "a full tmpfs switches the shim off and nothing else" {
	[ "$(id -u)" = 0 ] || skip "mounting needs root"
	cat >script <<-EOF
		mount -t tmpfs -o size=8k none /dev/shm || exit 77
		"$STARTLINE" run --probes shim -o report -- "$WORKLOADS/heap_counts" _exit
	EOF
	run unshare -m sh script
	[ "$status" = 3 ]
}

@test "a file size limit does not kill the program" {
	session --probes shim -- sh -c "ulimit -f 2; exec '$WORKLOADS/heap_counts' _exit"
	[ "$status" = 3 ]
	[ ! -s messages ]
}

@test "nothing is left in shared memory, and what a killed startline left is removed later" {
	session --probes shim -- /bin/true
	# Others may be running: what is looked for is the directory this one named.
	session --probes shim -- /bin/sh -c 'grep -o "/[^ ]*/startline-[^/]*" /proc/$$/maps | head -1'
	directory=$(cat stdout)
	[ -n "$directory" ] && [ ! -e "$directory" ]
	mkdir -p -m 700 /dev/shm/startline-stale1 /dev/shm/startline-other1
	touch /dev/shm/startline-stale1/123-456 /dev/shm/startline-other1/123-456
	{ printf 'slt-tree'; head -c 4088 /dev/zero; } >/dev/shm/startline-stale1/tree
	# Older than the grace given to a startline that is just starting.
	sleep 6
	session --probes shim -- /bin/true
	[ ! -e /dev/shm/startline-stale1 ]
	[ -e /dev/shm/startline-other1/123-456 ] # somebody else's
	rm -r /dev/shm/startline-other1
}

@test "the library needs nothing, leaves nothing undefined, and has 40 bytes of TLS" {
	shim="$(dirname "$STARTLINE")/libstartline.so"
	! readelf -d "$shim" | grep NEEDED
	[ "$(readelf -W --dyn-syms "$shim" | grep -c ' UND ')" = 1 ] # symbol 0
	[ "$(readelf -W -l "$shim" | awk '$1 == "TLS" { print ($6 == "0x000028") }')" = 1 ]
	! readelf -W -r "$shim" | grep -E 'IRELATIV|JUMP_SLOT|GLOB_DAT'
}

@test "what every start writes is in the one page that the loader writes anyway" {
	shim="$(dirname "$STARTLINE")/libstartline.so"
	nm "$shim" | awk '$3 ~ /^(_DYNAMIC|tree|real|found|list|shim|facts)$/ { print substr($1, 1, 13) }' >pages
	[ "$(wc -l <pages)" = 7 ]
	[ "$(sort -u pages | wc -l)" = 1 ]
}

@test "a program without any environment can still use system and popen" {
	session --probes shim -- "$WORKLOADS/env_cleared"
	[ "$status" = 3 ]
	[ "$(tr '\n' ' ' <stdout)" = "here here " ]
}

@test "a hundred static children fill nobody's lane" {
	gcc -static -O1 -x c -o quiet - <<<'int main(void) { return 4; }' || skip "no static libc"
	cat >many.py <<-EOF
		import os, subprocess
		for i in range(107):
		    assert subprocess.run(["./quiet", str(i)]).returncode == 4
		for i in range(107):
		    os.waitpid(os.posix_spawn("./quiet", ["./quiet"], os.environ), 0)
	EOF
	session -- python3 many.py
	[ "$status" = 0 ]
	[ "$(q '.runs[0].losses.shim')" = 0 ]
	! have_bpf || [ "$(q '[.runs[0].processes[] | select(.coverage.heap == "static")] | length')" = 214 ]
	session --probes shim -- python3 many.py
	[ "$(q '.runs[0] | "\(.complete) \(.losses.shim)"')" = "true 0" ]
}

@test "what is executed under a new filter of system calls is not entered, and the report says why" {
	gcc -x c -o filtered - <<-'END'
		#include <linux/filter.h>
		#include <linux/seccomp.h>
		#include <sys/prctl.h>
		#include <unistd.h>
		int main(int argc, char **argv)
		{
			struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
			struct sock_fprog program = { 1, all };
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
			return execvp(argv[1], argv + 1);
		}
	END
	session -- ./filtered sh -c 'exit 23'
	[ "$status" = 23 ]
	[ "$(q '.runs[0].processes[0].coverage.heap')" = 'switched off: a seccomp filter was installed' ]
	# Where startline is under a filter itself, that there is one says nothing.
	status=0
	./filtered "$STARTLINE" run --format json -o session.json --probes shim -- \
		sh -c 'ls / >/dev/null; exit 23' || status=$?
	[ "$status" = 23 ]
	[ "$(q '[.runs[0].processes[].coverage.heap] | unique | join(" ")')" = counted ]
}
