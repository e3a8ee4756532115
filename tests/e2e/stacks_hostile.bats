#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs whose stacks, files and maps of names are made to mislead, or to take time and memory without
# end. They must run as ever, and no name may be wrong.

load helpers
load stacks_helpers

MEMORY_KIB=262144 # of startline at its peak, with its rings

setup() {
	setup_workdir
	map=
}

teardown() {
	remove_public_copy
	[ -z "$map" ] || rm -rf "$map"
}

# bounded NAME CMD...: runs it; its status, KiB at its peak and milliseconds are in ./NAME.
bounded() {
	python3 - "$@" <<-'END'
		import resource, subprocess, sys, time
		start = time.monotonic()
		with open("stdout", "w") as out:
		    status = subprocess.run(sys.argv[2:], stdout=out, timeout=60).returncode
		peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
		print(status, peak, int((time.monotonic() - start) * 1000), file=open(sys.argv[1], "w"))
	END
}

# Of what bounded left in ./ran, against ./plain without stacks.
assert_bounded() {
	read -r status kib ms <ran
	read -r plain_status _ plain_ms <plain
	echo "$1: status $status, $kib KiB, $ms ms; without stacks $plain_ms ms"
	[ "$status" = "$plain_status" ]
	[ "$kib" -le $MEMORY_KIB ]
	[ "$ms" -le $((3 * plain_ms + 20000)) ] # a busy machine takes seconds to attach the probes
}

# How many samples of the timer have PATTERN.
n_with() {
	grep -cE "^timer .*$1" samples || true
}

@test "stacks as nobody expects them end where they end, and are marked" {
	record --stacks 999 -- "$WORKLOADS/wild_stacks" 60
	[ "$status" = 41 ]
	[ "$(cat stdout)" = survived ]
	[ "$(n_with ';spin;on_an_island;above_the_island;\(cut\)$')" -gt 15 ]
	[ "$(n_with ';turn_at;\(cut\)$')" -gt 15 ]
	[ "$(n_with ';spin;handle;.*\(cut\)$')" -gt 15 ]
	[ "$(n_with ';spin;(dive;){99,}\(cut\)$')" -gt 15 ]
	# Each coroutine has its own frames up to its start, and none of who resumed it.
	[ "$(n_with ';spin;spin_one;coroutine_one;[^;]*;(\(cut\))?$')" -gt 15 ]
	[ "$(n_with ';spin;spin_other;coroutine_other;[^;]*;(\(cut\))?$')" -gt 15 ]
	fails grep -E '(on_an_island|handle|dive|coroutine_[a-z]*);.*;(main|run_coroutines|interrupted|under_many_frames|_start);' samples
	fails grep -E 'one;.*other;|other;.*one;' samples
	"$STARTLINE" report --format json r.slt | jq -e '.runs[0].complete' >complete
}

@test "files that lie cost a bounded time and memory, and have no wrong names" {
	cp "$WORKLOADS/stacks" .
	cp "$WORKLOADS/stacks_plugin.so" right.so
	cp right.so stacks_plugin.so
	bounded plain "$STARTLINE" run --stacks off -o report -- ./stacks library 100
	for kind in rows index registers symbols many-symbols many-names section-names sections notes debug packed; do
		python3 "$BATS_TEST_DIRNAME/hostile_elf.py" $kind right.so stacks_plugin.so
		bounded ran "$STARTLINE" run --stacks 999 --trace r.slt -o report -- ./stacks library 100
		assert_bounded $kind
		record_of r.slt
		grep '^timer .*;\(heavy\|light\|?\);' samples >inside
		[ "$(wc -l <inside)" -gt 20 ]
		case $kind in
		rows | index | registers) # by its code
			[ "$(n_with ';(heavy|light);.*;plugin_work;in_library;main;.*;_start;$')" -gt 20 ] ;;
		many-symbols | many-names) # the frames are there, and the other files' names
			[ "$(n_with ';(heavy|light|\?);.*;in_library;main;.*;_start;$')" -gt 20 ] ;;
		debug | packed)
			[ "$(n_with ';(heavy|light);.*;plugin_work;in_library;main;.*;_start;$')" -gt 20 ] ;;
		section-names | sections | notes)
			fails grep -E ';(heavy|light);' samples ;;
		esac
		# Nothing of it is taken for the functions of another file.
		fails grep -E ';(heavy|light|split_work);.*;(retry_connect|keep_secret|work);' samples
	done
}

@test "debug information in another file is opened only where root says so, and no FIFO ever" {
	mkfifo pipe
	cat >plugin.s <<-END
		.globl plugin_work
		.type plugin_work, @function
		plugin_work: imul \$100000, %rdi, %rdi
		1: dec %rdi
		jnz 1b
		ret
		.size plugin_work, .-plugin_work
		.Lend:
		.section .debug_abbrev
		.uleb128 1, 0x11
		.byte 1
		.uleb128 0x11, 1, 0x12, 7, 0, 0
		.uleb128 2, 0x2e
		.byte 0
		.uleb128 3, 0x1f21, 0x11, 1, 0x12, 7, 0, 0 # its name is in the other file
		.byte 0
		.section .debug_info
		.long .Lafter - .Lunit
		.Lunit: .short 4
		.long 0
		.byte 8
		.uleb128 1
		.quad plugin_work, .Lend - plugin_work
		.uleb128 2
		.long 0
		.quad plugin_work, .Lend - plugin_work
		.byte 0
		.Lafter:
		.section .gnu_debugaltlink
		.asciz "$PWD/pipe"
		.fill 20, 1, 23
		.section .note.GNU-stack, "", @progbits
	END
	cp "$WORKLOADS/stacks" .
	gcc -shared -o stacks_plugin.so plugin.s
	chmod o+w stacks_plugin.so # as one that others may change
	timeout 30 "$STARTLINE" run --stacks 999 --trace r.slt -o report -- ./stacks library 2000
	record_of r.slt
	[ "$(n_with ';plugin_work;in_library;main;.*;_start;$')" -gt 20 ]
}

# with_map WHAT: runs code made at run time; in the shell command WHAT, $map is to become its map of names.
with_map() {
	# shellcheck disable=SC2016 # for the inner shell
	bounded ran "$STARTLINE" run --stacks 999 --trace r.slt -o report -- \
		sh -c 'map=/tmp/perf-$$.map; echo "$map" >>maps; eval "$0"; exec "$1" 40 made' "$1" "$WORKLOADS/wild_stacks"
	map=$(tail -n 1 maps)
	rm -rf "$map" "$map.link"
	assert_bounded "$1"
	[ "$(cat stdout)" = survived ]
	record_of r.slt
	# It has made RBP, which its caller goes by, lead to itself.
	[ "$(n_with ';(made_code|\?);run_made_code;\(cut\)$')" -gt 15 ]
	n_named=$(n_with ';made_code;run_made_code;')
}

# shellcheck disable=SC2016 # for the shell in with_map
@test "a map of names is read if it is a file of the program's user, and not for long" {
	right='echo "0 7fffffffffff made_code" '
	bounded plain "$STARTLINE" run --stacks off -o report -- "$WORKLOADS/wild_stacks" 40 made
	with_map "$right >\$map"
	[ "$n_named" -gt 15 ]
	for what in 'mkfifo $map' 'mkdir $map' "$right >\$map.link; ln -s \$map.link \$map" 'ln -s /dev/zero $map' \
		'truncate -s 9G $map' 'yes "0 7fffffffffff made_code" | tr -d "\n" | head -c 20000000 >$map' 'head -c 5000000 /dev/urandom >$map'; do
		with_map "$what"
		[ "$n_named" = 0 ]
	done
	# Lines by the million that all say the same.
	with_map 'yes "0 7fffffffffff made_code" | head -n 10000000 >$map'
	[ "$n_named" -gt 15 ]
	[ "$(id -u)" = 0 ] || skip "not root: files are nobody else's"
	with_map "$right >\$map; chown 65534 \$map"
	[ "$n_named" = 0 ]
}

# What it says of its code lies in its own tables: two that go on through all of a map of some MiB, of entries
# whose names have no end, and a heap that begins where the code is.
@test "a libjvm.so that lies is read for a bounded time, and names nothing" {
	require_bpf
	cat >jvm.c <<-'END'
		#include <stdint.h>
		#include <string.h>
		#include <sys/mman.h>

		uint64_t *gHotSpotVMStructs, *gHotSpotVMTypes;

		void lie(void)
		{
			const size_t n = 8 << 20;
			uint64_t *all = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			char *text = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			memset(text, 'a', 4096);
			for (size_t i = 0; i < n / 8; i++)
				all[i] = (uint64_t)(text + i % 4096);
			gHotSpotVMStructs = gHotSpotVMTypes = all;
		}
	END
	cat >main.c <<-'END'
		#include <string.h>
		#include <sys/mman.h>
		#include <time.h>

		void lie(void);

		int main(void)
		{
			/* A loop of some ms: mov $10000000,%ecx; dec %ecx; jnz; ret */
			static const unsigned char code[] = { 0xb9, 0x80, 0x96, 0x98, 0, 0xff, 0xc9, 0x75, 0xfc, 0xc3 };
			void *made = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			memcpy(made, code, sizeof(code));
			lie();
			while (clock() < CLOCKS_PER_SEC / 5)
				((void (*)(void))made)();
			return 41;
		}
	END
	gcc -shared -fPIC -o libjvm.so jvm.c
	gcc -o main main.c -L. -ljvm -Wl,-rpath,"$PWD"
	bounded plain "$STARTLINE" run --stacks off -- ./main
	bounded ran "$STARTLINE" run --stacks 999 --trace r.slt -o report -- ./main
	assert_bounded libjvm.so
	record_of r.slt
	[ "$(n_with ' ;\?;')" -gt 15 ]
}
