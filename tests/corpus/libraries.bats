#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Libraries whose search, relocations and constructors are known, and the loader's own account.

load ../e2e/helpers

setup() {
	setup_workdir
	require_bpf
	mkdir -p lib
}

# library NAME SYMBOLS [SLEEP_MS]: lib/libNAME.so with so many relocations by name, each to a function of
# its own, and a constructor that uses a CPU for so long.
library() {
	{
		echo '#include <time.h>'
		seq "$2" | sed "s/.*/int $1_&(void) { return &; }/"
		echo "int (*$1_all[])(void) = {"
		seq "$2" | sed "s/.*/$1_&,/"
		echo "};"
		cat <<-END
		__attribute__((constructor)) static void work(void)
		{
			struct timespec a, b;
			clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
			do
				clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
			while ((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1e6 < ${3:-0});
		}
		END
	} >"$1.c"
	gcc -O0 -shared -fPIC -Wl,-soname,"lib$1.so" -o "lib/lib$1.so" "$1.c"
}

# program NAME [flags...]: links it with all of lib/.
program() {
	name=$1
	shift
	echo 'int main(void) { return 0; }' >"$name.c"
	gcc -o "$name" "$name.c" -Wl,--no-as-needed lib/*.so "$@"
}

# of LIBRARY KEY: a fact of the library of that name.
of() {
	q "[.runs[0].libraries[] | select(.path | test(\"(^|/)$1\$\")) | .$2] | first"
}

@test "each library has its relocations, and each constructor its time" {
	library small 3
	library many 20000
	library slow 3 50
	program x -Wl,-rpath,"$PWD/lib"
	session --probes bpf,shim -- ./x
	[ "$status" -eq 0 ]
	q '.runs[0].libraries[] | [.path, .relocate_ns, .init_ns] | @tsv'
	[ "$(of libmany.so relocate_ns)" -gt $((20 * $(of libsmall.so relocate_ns))) ]
	[ "$(of libslow.so init_ns)" -ge 50000000 ]
	[ "$(of libsmall.so init_ns)" -lt 25000000 ]
	[ "$(of libmany.so init_ns)" -lt 25000000 ]
	[ "$(of x init_ns)" -lt 25000000 ]
	# They are named on the critical path, which still adds up.
	[ "$(q '[.runs[0].startup.segments[] | select(.phase == "init" and (.detail | endswith("libslow.so"))) | .duration_ns] | add')" -ge 40000000 ]
	[ "$(q '.runs[0].startup | .total_ns - ([.segments[].duration_ns] | add)')" -eq 0 ]
	[ "$(of libslow.so path_ns)" -ge 48000000 ]
	q '.runs[0].libraries[].path' | grep libstartline && return 1
	"$STARTLINE" report --view libraries session.json >view
	cat view
	grep -A 1 search view | grep -q libslow.so
}

@test "the constructor that took the time is named: in a library, in the program, and waiting" {
	cat >slow.c <<-'END'
	#include <time.h>
	static void burn(double ms)
	{
		struct timespec a, b;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
		do
			clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
		while ((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1e6 < ms);
	}
	static void tables(void) { burn(60); }
	__attribute__((constructor)) static void light(void) { burn(10); }
	__attribute__((constructor)) static void heavy(void) { tables(); }
	__attribute__((destructor)) static void after(void) { burn(70); }
	END
	gcc -O0 -shared -fPIC -o lib/libslow.so slow.c
	printf '#include <unistd.h>\n__attribute__((constructor)) static void own(void) { usleep(30000); }\nint main(void) { return 0; }\n' >x.c
	gcc -o x x.c -Wl,--no-as-needed -Llib -lslow -Wl,-rpath,"$PWD/lib"
	session -- ./x
	[ "$status" -eq 0 ]
	[ "$(of libslow.so constructor)" = heavy ]
	[ "$(of libslow.so constructor_ns)" -ge 40000000 ]
	[ "$(of libslow.so constructor_ns)" -le "$(of libslow.so init_ns)" ]
	[ "$(of x constructor)" = own ]
	[ "$(of x constructor_ns)" -ge 29000000 ]
	[ "$(of libc.so.6 constructor)" = null ]
	q '.runs[0].findings[] | select(.id == "slow-constructor") | .evidence' | grep -q 'libslow.so: .* of it in heavy$'
	"$STARTLINE" report --view libraries session.json | tr -s '\n ' ' ' >view
	grep -q 'libslow.so: [0-9.]* ms of the [0-9.]* ms of init are in heavy' view
	session --stacks off --wait-stacks 1h -- ./x
	[ "$(of libslow.so constructor)" = null ]
}

@test "a search names the places where a library was not" {
	library far 3
	program x
	far=
	for i in 1 2 3 4 5 6 7; do
		mkdir "d$i"
		far=$far$PWD/d$i:
	done
	mv lib found
	LD_LIBRARY_PATH=$far$PWD/found LD_DEBUG=libs LD_DEBUG_OUTPUT=$PWD/said ./x
	expected=$(grep -h 'trying file=.*libfar' said.* | sed '$d' | wc -l)
	[ "$expected" -ge 7 ]
	session -- env LD_LIBRARY_PATH="$far$PWD/found" ./x
	[ "$status" -eq 0 ]
	[ "$(of libfar.so misses)" -eq "$expected" ]
	[ "$(of libfar.so 'missed | map(split("/")[-1]) | join(" ")')" = "d1 d2 d3 d4 d5 d6 d7" ]
	"$STARTLINE" report --view libraries session.json >view
	cat view
	tr -s '\n ' ' ' <view | grep -q 'found/libfar.so: [0-9]* opens failed before it was found'
	# RUNPATH is another way to the same.
	gcc -o y x.c -Wl,--no-as-needed,--enable-new-dtags,-rpath,"$far$PWD/found" -Lfound -lfar
	session -- ./y
	[ "$status" -eq 0 ]
	[ "$(of libfar.so misses)" -ge 7 ]
}

@test "what is loaded after main is told as such" {
	library late 3 50
	library small 3
	session -- "$WORKLOADS/late_library" "$PWD/lib/libsmall.so" "$PWD/lib/liblate.so"
	[ "$status" -eq 0 ]
	[ "$(of liblate.so late)" = true ]
	[ "$(of libc.so.6 late)" = false ]
	[ "$(of liblate.so relocate_ns)" -gt 0 ]
	# Found by its name: the loader drops its cache when it is done.
	session -- env LD_LIBRARY_PATH=/nothing "$WORKLOADS/late_library" libdl.so.2
	[ "$status" -eq 0 ]
	[ "$(of libdl.so.2 init_ns)" != null ]
}

@test "a static program loads nothing, and musl's loader is seen" {
	[ -x "$WORKLOADS/late_library.musl" ] || skip "no musl-gcc"
	session -- "$WORKLOADS/late_library.static"
	[ "$status" -eq 0 ]
	[ "$(q '.runs[0].libraries | length')" -eq 0 ]
	"$STARTLINE" report --view libraries session.json | tr -s '\n ' ' ' | grep -q 'static: 1 programs load nothing'
	cat >m.c <<-END
	static int x;
	int *p[1000] = { &x, &x };
	__attribute__((constructor)) static void work(void) { for (volatile int i = 0; i < 30000000; i++) ; }
	END
	musl-gcc -shared -fPIC -o lib/libm1.so m.c
	session -- "$WORKLOADS/late_library.musl" "$PWD/lib/libm1.so"
	[ "$status" -eq 0 ]
	[ "$(of libm1.so late)" = true ]
	[ "$(of libm1.so relocate_ns)" -gt 0 ]
	echo 'int main(void) { return 0; }' >x.c
	musl-gcc -o x x.c -Wl,--no-as-needed -Llib -lm1 -Wl,-rpath,/nothing:"$PWD/lib"
	session -- ./x
	[ "$status" -eq 0 ]
	[ "$(of libm1.so misses)" -eq 1 ]
	[ "$(of libm1.so init_ns)" -gt "$(of libm1.so relocate_ns)" ]
}

@test "a comparison names the library that is new" {
	library small 3
	program x -Wl,-rpath,"$PWD/lib"
	library slow 3 100
	program y -Wl,-rpath,"$PWD/lib"
	session -n 3 -- ./x
	mv session.json base.json
	session -n 3 -- ./y
	q '.runs[0].findings[] | select(.id == "slow-constructor") | .evidence' |
		grep -q '^libslow.so: .* of it in work$'
	[ "$(q '.metrics[] | select(.id == "startup.library[libslow.so]") | .n')" -eq 3 ]
	"$STARTLINE" compare base.json session.json --format json >comparison.json
	# Who works longer waits longer for a CPU, too, where others are busy.
	jq -r '[.contributions.rows[] | select(.cause == "cpu")][0] | [.phase, .cause, .detail] | @tsv' comparison.json >first
	jq -r '.files.rows[] | [.metric, .path] | @tsv' comparison.json >files
	cat first files
	grep -q 'init.cpu.*libslow.so' first
	grep -q 'files.opens.*libslow.so' files
}

# account COMMAND: the loader's own account of its time beside ours, of the same process.
account() {
	rm -f said.*
	session --probes bpf -- env LD_DEBUG=statistics LD_DEBUG_OUTPUT="$PWD/said" "$@"
	[ "$status" -eq 0 ] || return 1
	python3 - "$(./rate)" <<-'END'
	import glob, json, re, sys
	text = open(sorted(glob.glob("said.*"))[0]).read()
	run = json.load(open("session.json"))["runs"][0]
	began = run["processes"][0]["execs"][1]["time_ns"]
	ours = [l for l in run["libraries"] if l["start_ns"] > began and not l["late"]]
	def told(what):
	    return int(re.search(what + r": (\d+) cycles", text).group(1)) / float(sys.argv[1])
	def seen(*keys):
	    return sum(l[key] or 0 for l in ours for key in keys)
	def ratio(seen, told):
	    while seen / told > 5:  # glibc 2.36 cuts the last digit off
	        told *= 10
	    return seen / told
	relocate = ratio(seen("relocate_ns"), told("relocation"))
	whole = ratio(seen("relocate_ns", "search_ns", "map_ns"), told("relocation") + told("load objects"))
	print(f"relocation {relocate:.3f}, whole {whole:.3f}", file=sys.stderr)
	sys.exit(not (0.95 < relocate < 1.05 and 0.95 < whole < 1.05))
	END
}

@test "times are those of the loader's own account" {
	cat >rate.c <<-END
	#include <stdio.h>
	#include <time.h>
	#include <x86intrin.h>
	int main(void)
	{
		struct timespec a, b;
		clock_gettime(CLOCK_MONOTONIC, &a);
		const unsigned long long t = __rdtsc();
		do
			clock_gettime(CLOCK_MONOTONIC, &b);
		while ((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1e6 < 100);
		printf("%.6f\n", (__rdtsc() - t) / ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)));
		return 0;
	}
	END
	gcc -O1 -o rate rate.c
	library many 20000
	library more 7000
	program x -Wl,-rpath,"$PWD/lib"
	for command in ./x "$(gcc -print-prog-name=cc1) --version"; do
		# shellcheck disable=SC2086 # words
		attempts account $command
	done
}
