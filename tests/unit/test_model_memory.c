/* SPDX-License-Identifier: MIT */
/* Heap counters over images and processes, resident memory, coverage and contention. */

#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define BOTH  "0 meta source.bpf=ok\n0 meta source.shim=ok\n"
#define BEGIN BOTH "0 mark 9 spawn\n1ms exec 9 /x argv=x\n"

static void images_of_a_process_add_up(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN
		"2ms heap 9 ready since=1ms malloc=23 live=100 peak=700 tree_peak=700\n"
		"3ms exec 9 /y argv=y\n"
		"3ms heap 9 exec since=1ms malloc=41 calloc=2 realloc=5 realloc_free=3 free=7 "
		"failed=1 requested=1000 live=50 peak=900 tree_peak=900 b3=41\n"
		"9ms heap 9 exit since=3ms malloc=11 free=5 requested=70 live=30 peak=60 "
		"tree_peak=900 tree_error=8 b3=2\n9ms exit 9 signal=9\n");
	const struct heap *heap = &s->runs[0].processes[0].heap;

	assert_true(heap->is_known);
	assert_int_equal(heap->allocs, 41 + 2 + 5 - 1 + 11);
	assert_int_equal(heap->frees, 7 + 3 + 5);
	assert_int_equal(heap->bytes, 1070);
	assert_int_equal(heap->peak_bytes, 900);
	assert_int_equal(heap->ready_bytes, 100);
	assert_int_equal(heap->exit_bytes, 30);
	assert_int_equal(heap->buckets[3], 43);
	assert_int_equal(value_of(s, "heap.allocs"), 58);
	assert_int_equal(value_of(s, "heap.peak"), 900);
	(void)session_free(s);
}

/* A forked child that executes leaves two lanes, which are folded in any order. */
static void the_last_image_is_the_one_that_began_last(void **state)
{
	(void)state;
	struct session *s = build(BEGIN "2ms task 10 parent=9\n3ms exec 10 /y argv=y\n"
					"8ms heap 10 ready since=3ms malloc=7 live=200\n"
					"8ms heap 10 ready since=2ms malloc=1 live=5\n"
					"9ms exit 10 code=0\n9ms exit 9 code=0\n"
					"10ms heap 10 exit since=3ms malloc=23 live=300 peak=900\n"
					"10ms heap 10 exit since=2ms malloc=1 live=0 peak=16\n");
	const struct heap *heap = &s->runs[0].processes[1].heap;

	assert_int_equal(heap->allocs, 24);
	assert_int_equal(heap->peak_bytes, 900);
	assert_int_equal(heap->ready_bytes, 200);
	assert_int_equal(heap->exit_bytes, 300);
	(void)session_free(s);
}

static void uncounted_processes_say_why(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN "2ms cover 9 counted\n2ms task 10 parent=9\n2ms task 11 parent=9\n"
		      "2ms task 12 parent=9\n2ms task 13 parent=9\n2ms cover 11 sanitizer next\n"
		      "3ms exec 10 /static argv=static static\n3ms exec 11 /san argv=san\n"
		      "3ms exec 12 /own argv=own\n3ms cover 12 own\n3ms exec 13 /bare argv=bare\n"
		      "4ms heap 9 exit since=1ms malloc=1\n5ms exit 9 code=0\n");
	const struct process *p = s->runs[0].processes;

	assert_string_equal(p[0].coverage_heap, "counted");
	assert_string_equal(p[1].coverage_heap, "static");
	assert_string_equal(p[2].coverage_heap, "sanitizer");
	assert_string_equal(p[3].coverage_heap, "own allocator");
	assert_string_equal(p[4].coverage_heap, "unknown");
	assert_string_equal(p[4].coverage_kernel, "bpf");
	assert_int_equal(value_of(s, "heap.allocs"), 1);
	(void)session_free(s);
}

/* A program that has become another user executes one that becomes root again. */
static void what_the_kernel_says_of_an_image_counts_more_than_what_was_before(void **state)
{
	(void)state;
	struct session *s = build(BEGIN "2ms cover 9 user next\n3ms exec 9 /x argv=x\n"
					"4ms exec 9 /su argv=su secure\n5ms exit 9 code=0\n");
	assert_string_equal(s->runs[0].processes[0].coverage_heap, "secure-exec");
	(void)session_free(s);
}

/* Killed there, or a library is missing. */
static void who_never_leaves_the_loader_is_told(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN "0 meta source.shim.path=/lib/shim.so\n2ms cover 9 counted\n"
			    "2ms open 9 /lib/shim.so result=3\n3ms task 10 parent=9\n"
			    "4ms exec 10 /x argv=x\n5ms open 10 /lib/shim.so result=3\n"
			    "6ms exit 10 code=127\n7ms heap 9 exit since=1ms malloc=1\n"
			    "8ms exit 9 code=0\n");

	assert_string_equal(s->runs[0].processes[0].coverage_heap, "counted");
	assert_string_equal(s->runs[0].processes[1].coverage_heap, "never left the loader");
	(void)session_free(s);
}

/* What the common sum says is too high when processes were killed; who was there at once bounds it. */
static void the_peak_of_the_tree_is_of_those_that_were_there_at_once(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN
		"2ms task 10 parent=9\n3ms exit 10 signal=9\n4ms task 11 parent=9\n"
		"4ms heap 10 exit since=2ms live=1000 peak=1000 tree_peak=2100 tree_error=90 tree_excess=1500\n"
		"5ms exit 11 signal=9\n"
		"6ms heap 11 exit since=4ms live=1000 peak=1000 tree_peak=2100 tree_error=90 tree_excess=1500\n"
		"9ms exit 9 code=0\n"
		"9ms heap 9 exit since=1ms live=100 peak=100 peak_error=7 tree_peak=2100 tree_error=90 tree_excess=1500\n");

	/* At least a child's, at most that and the parent's. */
	assert_int_equal(value_of(s, "heap.peak"), 1100);
	assert_int_equal(s->runs[0].heap_peak_error_bytes, 100);
	(void)session_free(s);
}

static void the_peak_of_the_tree_is_what_was_measured_within_its_bounds(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN
		"2ms task 10 parent=9\n"
		"8ms exit 10 code=0\n9ms exit 9 code=0\n"
		"9ms heap 10 exit since=2ms live=10 peak=1000 tree_peak=1500 tree_error=40 tree_excess=30\n"
		"9ms heap 9 exit since=1ms live=20 peak=1000 tree_peak=1500 tree_error=40 tree_excess=30\n");

	assert_int_equal(value_of(s, "heap.peak"), 1500);
	assert_int_equal(s->runs[0].heap_peak_error_bytes, 40);
	(void)session_free(s);
}

/* A look at the threads of a process found more than these tell of their peak at the end. */
static void a_peak_is_not_below_what_was_live(void **state)
{
	(void)state;
	struct session *s = build(BEGIN "3ms heap 9 ready since=1ms malloc=2 live=900 peak=900\n"
					"4ms heap 9 exit since=1ms malloc=2 live=800 peak=850\n"
					"5ms exit 9 code=0\n");

	assert_int_equal(s->runs[0].processes[0].heap.peak_bytes, 900);
	(void)session_free(s);
}

static void resident_peak_is_of_the_tree(void **state)
{
	(void)state;
	struct session *s = build(BEGIN "2ms task 10 parent=9\n"
					"3ms usage 9 exec peak=5M rss=1M\n"
					"4ms usage 9 exit peak=3M user=1ms no_io\n"
					"4ms usage 10 exit peak=2M user=2ms read=7\n"
					"5ms memory exit now=0 peak=6M at=3ms error=64K cgroup=9M\n"
					"5ms exit 9 code=0\n");

	assert_int_equal(s->runs[0].processes[0].peak_rss_bytes, 5 << 20);
	assert_int_equal(value_of(s, "mem.peak_rss"), 6 << 20);
	assert_int_equal(s->runs[0].peak_rss_error_bytes, 64 << 10);
	assert_int_equal(value_of(s, "mem.peak_cgroup"), 9 << 20);
	assert_int_equal(value_of(s, "cpu.user"), 3000000);
	assert_int_equal(s->runs[0].processes[0].read_bytes, UNKNOWN);
	assert_int_equal(value_of(s, "io.read"), 7);
	(void)session_free(s);
}

#define SHORT_ONES                                                                                  \
	"0 meta source.bpf=not root\n0 meta source.shim=ok\n0 mark 9 spawn\n1ms exec 9 /x argv=x\n" \
	"2ms task 10 parent=9\n3ms usage 10 exit peak=2M rss=~0 no_io no_net no_cpu\n3ms exit 10 code=0\n"

/* Without kernel events: what programs say as they end, and no sample met. */
static void peaks_that_no_sample_met_bound_the_trees(void **state)
{
	(void)state;
	struct session *s = build(SHORT_ONES "4ms usage 9 exit user=3ms no_rss\n"
					     "4ms usage 9 exit peak=1M rss=~0 no_io no_net no_cpu\n"
					     "5ms exit 9 code=0\n");
	assert_int_equal(s->runs[0].processes[1].peak_rss_bytes, 2 << 20);
	assert_int_equal(value_of(s, "mem.peak_rss"), 2 << 20);
	assert_int_equal(s->runs[0].peak_rss_error_bytes, 1 << 20);
	/* It takes nothing else away. */
	assert_int_equal(s->runs[0].processes[0].user_ns, 3000000);
	(void)session_free(s);

	/* A higher sum that was sampled stays; without the word of one, nothing is known. */
	s = build(SHORT_ONES "4ms usage 9 exit peak=1M rss=~0 no_io no_net no_cpu\n"
			     "5ms memory exit now=0 peak=7M at=3ms\n5ms exit 9 code=0\n");
	assert_int_equal(value_of(s, "mem.peak_rss"), 7 << 20);
	(void)session_free(s);
	/* What the tree had is what its only process had. */
	s = build("0 meta source.bpf=not root\n0 mark 9 spawn\n1ms exec 9 /x argv=x\n"
		  "4ms usage 9 exit peak=1M no_io no_net no_cpu\n"
		  "5ms memory exit now=0 peak=7M at=3ms\n5ms exit 9 code=0\n");
	assert_int_equal(s->runs[0].processes[0].peak_rss_bytes, 7 << 20);
	(void)session_free(s);
	s = build(SHORT_ONES "5ms exit 9 code=0\n");
	assert_int_equal(s->runs[0].peak_rss_bytes, UNKNOWN);
	(void)session_free(s);
}

static void launchers_peak_is_not_the_runs(void **state)
{
	(void)state;
	struct session *s =
		build(BOTH "0 mark 9 spawn\n2ms exec 9 /x argv=x\n3ms task 10 parent=9\n"
			   "5ms memory exit peak=80M at=1ms\n5ms exit 9 code=0\n");
	assert_int_equal(s->runs[0].peak_rss_bytes, UNKNOWN);
	(void)session_free(s);
}

static void contention_taints(void **state)
{
	(void)state;
	struct session *s = build("0 meta host.cpus=2\n" BOTH
				  "0 host start cpu_pressure=5ms steal=0\n0 mark 9 spawn\n"
				  "1ms exec 9 /x argv=x\n99ms exit 9 code=0\n"
				  "100ms host exit cpu_pressure=25ms steal=1ms\n");
	assert_string_equal(s->runs[0].tainted,
			    "tasks waited for a CPU during 20 % of the run (PSI)");
	(void)session_free(s);

	s = build(BOTH "0 host start cpu_pressure=5ms steal=~0\n0 mark 9 spawn\n"
		       "1ms exec 9 /x argv=x\n99ms exit 9 code=0\n"
		       "100ms host exit cpu_pressure=8ms steal=~0\n");
	assert_null(s->runs[0].tainted);
	(void)session_free(s);
}

static void losses_stay_with_the_run_they_happened_in(void **state)
{
	(void)state;
	struct session *s = build(
		"0 meta source.bpf=ok\n0 mark 9 spawn\n1ms exec 9 /x argv=x\n2ms exit 9 code=0\n"
		"3ms mark 0 gone\n4ms mark 8 spawn value=1\n5ms exec 8 /x argv=x seq=9\n"
		"6ms exit 8 code=0 seq=10\n7ms mark 0 gone\n8ms tally bpf producer=0 count=11\n"
		"8ms drops bpf kind=any count=7\n");

	/* argv makes two records of an exec: 0, 1, 2 in the first run; 9, 3 (ARGS), 10 then. */
	assert_true(s->runs[0].is_complete);
	assert_int_equal(s->runs[0].lost_bpf, 0);
	assert_false(s->runs[1].is_complete);
	assert_true(s->runs[1].lost_bpf > 0);
	(void)session_free(s);
}

static void kinds_are_of_the_highest_moment_that_was_seen(void **state)
{
	(void)state;
	/* Of an image before, at readiness, and of the peak that the kernel's probes saw. */
	struct session *s = build(
		BEGIN
		"3ms usage 9 exec peak=5M rss=5M anonymous=1M file=2M\n"
		"4ms usage 9 ready peak=8M rss=7M anonymous=4M file=2M shared=1M\n"
		"5ms usage 9 exit peak=9M peak_anonymous=6M peak_file=3M\n5ms exit 9 code=0\n");
	const struct process *p = &s->runs[0].processes[0];
	assert_true(p->peak_kinds.is_known && p->ready_kinds.is_known);
	assert_int_equal(p->peak_kinds.anonymous_bytes, 6 << 20);
	assert_int_equal(p->peak_kinds.file_bytes, 3 << 20);
	assert_int_equal(p->peak_kinds.shared_bytes, 0);
	assert_int_equal(p->ready_kinds.anonymous_bytes, 4 << 20);
	assert_int_equal(p->ready_kinds.shared_bytes, 1 << 20);
	(void)session_free(s);

	s = build(BEGIN "3ms usage 9 exit peak=5M\n5ms exit 9 code=0\n");
	assert_false(s->runs[0].processes[0].peak_kinds.is_known);
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_of_a_process_add_up),
		cmocka_unit_test(the_last_image_is_the_one_that_began_last),
		cmocka_unit_test(uncounted_processes_say_why),
		cmocka_unit_test(what_the_kernel_says_of_an_image_counts_more_than_what_was_before),
		cmocka_unit_test(who_never_leaves_the_loader_is_told),
		cmocka_unit_test(a_peak_is_not_below_what_was_live),
		cmocka_unit_test(the_peak_of_the_tree_is_of_those_that_were_there_at_once),
		cmocka_unit_test(the_peak_of_the_tree_is_what_was_measured_within_its_bounds),
		cmocka_unit_test(resident_peak_is_of_the_tree),
		cmocka_unit_test(kinds_are_of_the_highest_moment_that_was_seen),
		cmocka_unit_test(peaks_that_no_sample_met_bound_the_trees),
		cmocka_unit_test(launchers_peak_is_not_the_runs),
		cmocka_unit_test(contention_taints),
		cmocka_unit_test(losses_stay_with_the_run_they_happened_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
