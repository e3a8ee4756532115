#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs that bring their own allocator along: nothing is counted, but what it says of itself is told.
bats_require_minimum_version 1.5.0

load ../e2e/helpers

LIVE=$((1009 * 1024 + 101 * 5120))
ALL=$((LIVE + 5003 * 768))

setup() {
	setup_workdir
	command -v cc >/dev/null || skip "no C compiler"
}

# build NAME LIBRARY-OPTIONS...
build() {
	local name=$1
	shift
	cc -O1 -fno-builtin -o "$name" "$ROOT/tests/workloads/own_allocator.c" "$@" 2>messages ||
		skip "cannot be linked with $*: $(head -1 messages)"
}

jemalloc() {
	build "$1" -l:libjemalloc.a -lm -lpthread -ldl -Wl,--as-needed -lstdc++ "${@:2}"
}

# figure LOOK KEY
figure() {
	q ".runs[0].processes[0].allocator.at_$1.$2"
}

# at_least VALUE TRUTH MORE: no less, and no more than that above it.
at_least() {
	echo "$1: $2 and at most $3 more"
	[ "$1" -ge "$2" ] && [ "$1" -le $(($2 + $3)) ]
}

record() {
	rm -f ready
	session --ready file:ready --until exit "${@:2}" -- "./$1" threads ready
	[ "$status" = 0 ]
	[ "$(cat stdout)" = "$(./"$1" threads ready)" ]
	[ "$(q '.runs[0].processes[0].heap')" = null ]
	[ "$(q '.runs[0].metrics."heap.ready"')" = null ]
}

# What the C library needs for a thread and a file are a few hundred bytes.
@test "jemalloc: its threads' counters when ready, its sums at the end" {
	jemalloc je
	for probes in bpf,shim shim; do
		[ "$probes" = shim ] || have_bpf || continue
		record je --probes "$probes"
		"$BATS_TEST_DIRNAME/../e2e/validate" session.json
		[ "$(q '.runs[0].processes[0] | .allocator.name + .coverage.heap')" = "jemallocown allocator: jemalloc" ]
		at_least "$(figure ready live_bytes)" "$LIVE" 8192
		at_least "$(figure ready allocated_bytes)" "$ALL" 8192
		at_least "$(figure end live_bytes)" "$LIVE" "$(($(figure end error_bytes) + 1024))"
		q '.runs[0].processes[0].rss.at_ready.parts[] | "\(.part) \(.name) \(.rss_bytes)"' >parts
		cat parts
		[ "$(awk '/^runtime jemalloc / { print $3 }' parts)" -ge "$LIVE" ]
		[ "$(figure end error_bytes)" -le $((2 * 32768)) ]
		[ "$(figure end held_bytes)" -gt "$LIVE" ]
		"$STARTLINE" report session.json --view memory >out
		tr -s '\n ' ' ' <out | grep -qF 'je: by its own jemalloc 5.'
	done
	! have_bpf || {
		record je
		[ "$(figure ready error_bytes)" = 0 ]
		[ "$(figure ready threads_ended)" = 0 ]
	}
}

@test "jemalloc that the program exports, without a symbol table; and one that tells nobody" {
	jemalloc exported -rdynamic -s
	record exported
	at_least "$(figure ready live_bytes)" "$LIVE" 8192
	jemalloc hidden -s
	record hidden
	[ "$(q '.runs[0].processes[0] | "\(.allocator.name) \(.coverage.heap)"')" = "null own allocator" ]
}

@test "tcmalloc is asked at the end" {
	build tc -Wl,--whole-archive -l:libtcmalloc_minimal.a -Wl,--no-whole-archive -lstdc++ -lm -lpthread
	record tc
	# libstdc++ keeps 72,704 bytes for exceptions.
	at_least "$(figure end live_bytes)" "$LIVE" 81920
	[ "$(figure ready live_bytes)" = null ]
	[ "$(q '.runs[0].processes[0].allocator.name')" = tcmalloc ]
}

@test "mimalloc says what it holds" {
	cat >mi.c <<-END
		#include <stddef.h>
		void *mi_malloc(size_t), *mi_calloc(size_t, size_t), *mi_realloc(void *, size_t), mi_free(void *);
		void *malloc(size_t n) { return mi_malloc(n); }
		void *calloc(size_t n, size_t size) { return mi_calloc(n, size); }
		void *realloc(void *p, size_t n) { return mi_realloc(p, n); }
		void free(void *p) { mi_free(p); }
	END
	build mi mi.c -lmimalloc -lpthread
	record mi
	[ "$(q '.runs[0].processes[0].allocator | "\(.name) \(.at_end.live_bytes)"')" = "mimalloc null" ]
	[ "$(figure end held_bytes)" -ge "$LIVE" ]
	q '.runs[0].processes[0].allocator.version' | grep -qE '^[23]\.[0-9]+\.[0-9]+$'
}

@test "exit in a handler, and children of fork, are asked nothing" {
	jemalloc je
	for _ in $(seq 6); do
		rm -f session.json
		session --timeout 20 -- ./je handler ready
		[ "$status" = 0 ]
		# The counters of its thread are read where they lie; the allocator is not called.
		[ "$(figure end held_bytes)" = null ]
	done
	rm -f ready
	session --ready file:ready --until exit -- ./je forks ready
	[ "$status" = 0 ]
	[ "$(q '.runs[0].processes[1].allocator.name')" = null ]
	at_least "$(figure ready live_bytes)" "$LIVE" 8192
}

# Each is there without the other function of its library.
@test "a function that is only named like that is not called" {
	cat >fake.c <<-END
		#include <stdlib.h>
		int mallctl(void) { abort(); }
		void tc_version(void) { abort(); }
		void mi_process_info(void) { abort(); }
		static char memory[1 << 26] __attribute__((aligned(16)));
		static size_t used;
		void *malloc(size_t n) { return memory + __atomic_fetch_add(&used, (n + 15) & ~(size_t)15, __ATOMIC_RELAXED); }
		void *calloc(size_t n, size_t size) { return malloc(n * size); }
		void free(void *p) { (void)p; }
	END
	build fake fake.c -lpthread -rdynamic
	record fake
	[ "$(q '.runs[0].processes[0] | "\(.allocator.name) \(.coverage.heap)"')" = "null own allocator" ]
}
