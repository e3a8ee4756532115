# SPDX-License-Identifier: MIT
# The malloc family is counted exactly, however a program ends and whatever it is linked with.
load helpers

setup() {
	setup_workdir
}

# The counts of the process whose executable is heap_counts; the last one, when it forked.
counts() {
	q '[.runs[0].processes[] | select(.heap != null)] | last | .heap
	   | "\(.allocs) \(.frees) \(.bytes)"'
}

# 23 + 41 mallocs of 41 and 5 reallocs to 97; 7 frees and 5 reallocated.
ALL="69 12 3109"
# Without the constructor's part.
CHILD="46 12 2166"

expect() { # expected counts, exit status, program and arguments
	expected=$1
	wanted=$2
	shift 2
	session --probes shim -- "$@"
	[ "$status" = "$wanted" ]
	[ "$(counts)" = "$expected" ]
}

@test "a program that returns from main" {
	expect "$ALL" 3 "$WORKLOADS/heap_counts" return
}

@test "a program that ends by _exit, SIGKILL or SIGSEGV" {
	expect "$ALL" 3 "$WORKLOADS/heap_counts" _exit
	expect "$ALL" 137 "$WORKLOADS/heap_counts" kill
	expect "$ALL" 139 "$WORKLOADS/heap_counts" segv
}

@test "a program that is not position-independent" {
	expect "$ALL" 3 "$WORKLOADS/heap_counts.nopie" _exit
}

@test "a musl program" {
	[ -x "$WORKLOADS/heap_counts.musl" ] || skip "no musl-gcc"
	expect "$ALL" 3 "$WORKLOADS/heap_counts.musl" _exit
	expect "$CHILD" 3 "$WORKLOADS/heap_counts.musl" clone
}

@test "a program started through the loader" {
	expect "$ALL" 3 /lib64/ld-linux-x86-64.so.2 "$WORKLOADS/heap_counts" _exit
}

@test "a forked child has counts of its own, also when forked by a raw system call" {
	expect "$CHILD" 3 "$WORKLOADS/heap_counts" fork
	expect "$CHILD" 3 "$WORKLOADS/heap_counts" clone
	# … and the parent's are not touched: 23 before main.
	[ "$(q '.runs[0].processes[0].heap | "\(.allocs) \(.frees) \(.bytes)"')" = "23 0 943" ]
}

@test "a forked child that allocates just seven times is counted as itself" {
	expect "7 0 91" 3 "$WORKLOADS/heap_counts" few
	[ "$(q '.runs[0].processes[0].heap.allocs')" = 23 ]
}

@test "vfork and exec: the child has its counts, the parent keeps its own" {
	expect "$ALL" 3 "$WORKLOADS/heap_counts" vfork "$WORKLOADS/heap_counts" _exit
	[ "$(q '[.runs[0].processes[] | .heap.allocs] | @csv')" = "69,69" ]
}

@test "eight threads lose nothing" {
	session --probes shim -- "$WORKLOADS/heap_counts" threads
	[ "$status" = 3 ]
	# Starting threads allocates too (their stacks' bookkeeping), so mallocs of 41 bytes, which
	# are in the bucket of 32 to 63, and reallocs to 97, in that of 64 to 127, are compared.
	[ "$(q '.runs[0].processes[0].heap.calls.realloc')" = 40 ]
	[ "$(q '.runs[0].processes[0].heap.frees >= 96')" = true ]
	[ "$(q '.runs[0].processes[0].heap.allocs >= 23 + 8 * 46')" = true ]
}

@test "exec of something else: both images are counted, under one process" {
	session --probes shim -- "$WORKLOADS/heap_counts" exec "$WORKLOADS/heap_counts" _exit
	[ "$status" = 3 ]
	[ "$(counts)" = "138 24 6218" ]
}

@test "the peak of a single thread is exact" {
	session --probes shim -- "$WORKLOADS/heap_counts" _exit
	# 64 blocks of 56 usable bytes; resizing frees first: 57 * 56 - 5 * 56 + 5 * 104 is less.
	[ "$(q '.runs[0].processes[0].heap.peak_bytes')" = 3584 ]
	[ "$(q '.runs[0].processes[0].heap.exit_bytes')" = 3432 ]
}

@test "seccomp in strict mode, closed descriptors, a small stack: the program does not notice" {
	session --probes shim -- "$WORKLOADS/heap_sealed" strict
	[ "$status" = 3 ]
	[ "$(q '.runs[0].processes[0].heap | "\(.allocs) \(.frees)"')" = "42 8" ]
	session --probes shim -- "$WORKLOADS/heap_sealed" closed
	[ "$status" = 3 ]
	[ "$(q '.runs[0].processes[0].heap | "\(.allocs) \(.frees)"')" = "41 7" ]
	session --probes shim -- "$WORKLOADS/heap_sealed" altstack
	[ "$status" = 3 ]
	[ "$(q '.runs[0].processes[0].heap | "\(.allocs) \(.frees)"')" = "41 7" ]
}

@test "a wrapped function called before anything was allocated" {
	env -i LD_PRELOAD="$(realpath "$WORKLOADS/heap_early.so")" "$STARTLINE" run --probes shim \
		-o report -- "$WORKLOADS/heap_counts" _exit || status=$?
	[ "$status" = 3 ]
}

@test "of several processes the peak is known to a bound, which is printed" {
	session -- timeout 0.1 sleep 5
	[ "$status" = 124 ]
	"$STARTLINE" report session.json >report
	grep -q '^heap  *peak .* (to within .*)' report
	# Both live at once until the first of them ends, and neither frees what it has left.
	[ "$(q '.runs[0] | ([.processes[].heap.exit_bytes] | add) <=
		([.processes[].heap.peak_bytes] | max) + .tree.heap_peak_error_bytes')" = true ]
}

@test "frees of blocks that a parent allocated are told apart" {
	cat >inherited.py <<-EOF
		import os
		blocks = [bytearray(100000) for _ in range(41)]
		if os.fork() == 0:
		    del blocks
		    os._exit(0)
		os.wait()
	EOF
	session -- python3 inherited.py
	"$STARTLINE" report session.json | tr -s ' \n' ' ' | grep -Eq '[0-9]+ frees \(at least [0-9]+ of inherited blocks\)'
}

@test "memory that a runtime takes past malloc is named, and how to have it counted" {
	session -- python3 -c pass
	q '.runs[0].processes[0].coverage.own_allocator' | grep -q 'PYTHONMALLOC=malloc'
	"$STARTLINE" report session.json | tr -s ' \n' ' ' >report
	grep -q 'memory outside the counted heap in 1 of 1 processes: .*PYTHONMALLOC' report
	grep -Eq 'heap peak [^,]*, [0-9]+ % of peak memory' report
	# It was heeded.
	PYTHONMALLOC=malloc session -- python3 -c pass
	[ "$(q '.runs[0].processes[0].coverage.own_allocator')" = null ]
	session -- env PYTHONMALLOC=malloc python3 -c pass
	[ "$(q '.runs[0].processes[0].coverage.own_allocator')" = null ]
	# A program whose name only begins like that.
	cp "$WORKLOADS/heap_counts" pythonic
	session -- ./pythonic return
	[ "$(q '.runs[0].processes[0].coverage.own_allocator')" = null ]
}

@test "that not all processes are wholly counted is said beside the counts" {
	[ -x "$WORKLOADS/heap_counts.static" ] || skip "no static libc"
	session -- sh -c "$WORKLOADS/heap_counts.static; exit 3"
	"$STARTLINE" report session.json | tr -s ' \n' ' ' | grep -q 'frees; 1 of 2 processes not wholly counted'
}

@test "the peak is not below what was never freed" {
	for mode in return threads fork; do
		session -- "$WORKLOADS/heap_counts" $mode
		[ "$(q '[.runs[0].processes[].heap | select(. != null) | .peak_bytes >= .exit_bytes] | all')" = true ]
		[ "$(q '[.metrics[] | select(.id == "heap.peak" or .id == "heap.exit").values[0]] | .[0] >= .[1]')" = true ]
	done
}

@test "what the loader allocates for the shim in each thread is not the program's" {
	gcc -pthread -x c -o threads - <<-'END'
		#include <pthread.h>
		static pthread_barrier_t all;
		static void *wait_for_all(void *unused) { pthread_barrier_wait(&all); return unused; }
		int main(void)
		{
			pthread_t t[23];
			pthread_barrier_init(&all, 0, 23);
			for (int i = 0; i < 23; i++)
				pthread_create(&t[i], 0, wait_for_all, 0);
			for (int i = 0; i < 23; i++)
				pthread_join(t[i], 0);
		}
	END
	# Another way to count, without thread storage.
	gcc -shared -fPIC -x c -o sums.so - <<-'END'
		#include <stddef.h>
		#include <stdio.h>
		#include <unistd.h>
		void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t);
		static size_t calls, bytes;
		void *malloc(size_t n) { calls++; bytes += n; return __libc_malloc(n); }
		void *calloc(size_t n, size_t size) { calls++; bytes += n * size; return __libc_calloc(n, size); }
		__attribute__((destructor)) static void say(void)
		{
			char text[99];
			write(1, text, (size_t)sprintf(text, "%zu %zu\n", calls, bytes));
		}
	END
	LD_PRELOAD=./sums.so ./threads >expected
	session --probes shim -- ./threads
	[ "$(q '.runs[0].processes[0].heap | "\(.allocs) \(.bytes)"')" = "$(cat expected)" ]
}

@test "the peak of memory is known of programs that no sample meets" {
	# Each leaves by another way: exit() or _exit(), forked or executed.
	for line in '/bin/true; exit 0' '(:); /bin/true'; do
		for shell in bash dash; do
			"$STARTLINE" run -q --probes shim -n 2 --trace short.slt -- "$shell" -c "$line"
			"$STARTLINE" report short.slt --format json >short.json
			jq -e 'all(.runs[]; .tree.peak_rss_bytes > 500000 and .tree.peak_rss_bytes < 50000000 and
				all(.processes[]; .peak_rss_bytes > 500000))' short.json
		done
	done
}

@test "30 MB more show in a program that no sample meets, whatever it calls itself" {
	cat >grow.c <<-'EOF'
		#include <stdlib.h>
		#include <string.h>
		#include <sys/prctl.h>
		#include <unistd.h>

		int main(int argc, char **argv)
		{
			const size_t n = (size_t)atoi(argv[1]) << 20;
			char *p = malloc(n);

			memset(p, argc, n);
			prctl(PR_SET_NAME, "VmHWM: 9 kB");
			_exit(p[n - 1] != argc);
		}
	EOF
	"${CC:-cc}" -O0 -o grow grow.c
	for mb in 1 31; do
		session --probes shim -- ./grow "$mb"
		q '.runs[0].tree.peak_rss_bytes' >"$mb"
	done
	[ "$(cat 1)" -gt 1500000 ]
	[ "$(($(cat 31) - $(cat 1)))" -gt 29000000 ]
	[ "$(($(cat 31) - $(cat 1)))" -lt 34000000 ]
	# It is that program which has grown, not the one that waits for it.
	session --probes shim -- bash -c './grow 31; exit 0'
	q '.runs[0].processes | .[0].peak_rss_bytes < 20000000 and .[1].peak_rss_bytes > 32000000' | grep -q true
	# Nobody else can tell.
	session --probes none -- ./grow 31
	q '.runs[0] | .processes[0].peak_rss_bytes > 32000000 and .tree.peak_rss_bytes > 32000000' | grep -q true
}
