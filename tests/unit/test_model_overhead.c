/* SPDX-License-Identifier: MIT */
/* What startline itself cost: which parts there are, and which of them lie on the path. */

#include <stdio.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define BPF   "0 meta source.bpf=ok\n0 meta overhead.call_ps=100000\n0 meta overhead.hit_ps=40000\n"
#define SHIM  "0 meta source.shim=ok\n0 meta overhead.image_ns=70000\n0 meta overhead.hook_ps=1000\n"
#define BEGIN "0 mark 9 spawn\n0 exec 9 /x argv=x enter=0\n1ms mark 9 linked\n"

static void parts_of_one_process_add_up(void **state)
{
	(void)state;
	struct session *s =
		build(BPF SHIM BEGIN "8ms heap 9 exit since=0 malloc=3000 free=2000\n"
				     "8ms mark 9 overhead value=5000 detail=1\n"
				     "9ms usage 9 exit run=9ms probe_ns=30000 probe_calls=23 "
				     "probe_hits=41\n9ms exit 9 code=0\n");
	const struct run *run = &s->runs[0];

	assert_int_equal(run->overhead_probes_ns, 30000 + 23 * 100 + 41 * 40);
	assert_int_equal(run->overhead_shim_ns, 70000 + 5000 * 1 + 5000);
	assert_int_equal(run->overhead_ns, run->overhead_probes_ns + run->overhead_shim_ns);
	(void)session_free(s);
}

/* Each by the timer, until startup ended, and with its own error. */
static void samples_cost_what_one_was_measured_to(void **state)
{
	(void)state;
	struct session *s = build(
		BPF
		"0 meta source.shim=not asked for\n0 meta source.stacks=ok\n0 meta stacks.sample_ns=50000\n"
		"0 meta stacks.sample_error_ns=20000\n0 meta overhead.call_error_ps=0\n"
		"0 meta overhead.hit_error_ps=0\n" BEGIN
		"2ms sample 9 timer stack=0 period=2ms\n4ms sample 9 timer stack=0 period=2ms\n"
		"5ms sample 9 call stack=0\n6ms sample 9 timer stack=0 period=2ms\n"
		"9ms usage 9 exit run=9ms probe_ns=0\n9ms exit 9 code=0\n");
	const struct run *run = &s->runs[0];

	assert_int_equal(run->overhead_stacks_ns, 3 * 50000);
	assert_int_equal(run->overhead_ns, run->overhead_probes_ns + run->overhead_stacks_ns);
	assert_int_equal(run->overhead_error_ns, 3 * 20000);
	(void)session_free(s);
	s = build(BPF "0 meta source.shim=none\n" BEGIN
		      "9ms usage 9 exit run=9ms probe_ns=0\n9ms exit 9 code=0\n");
	assert_int_equal(s->runs[0].overhead_stacks_ns, UNKNOWN);
	(void)session_free(s);
}

/* 17 runs of probes are one sample. */
static void errors_of_the_parts_give_that_of_the_sum(void **state)
{
	(void)state;
	static const char errors[] =
		"0 meta overhead.call_error_ps=10000\n0 meta overhead.hit_error_ps=10000\n"
		"0 meta overhead.image_error_ns=3000\n0 meta overhead.hook_error_ps=0\n";
	char story[2048];
	(void)snprintf(
		story, sizeof(story),
		"%s%s%s%s9ms usage 9 exit run=9ms probe_ns=0 probe_calls=300 probe_hits=100\n"
		"9ms exit 9 code=0\n",
		BPF, SHIM, errors, BEGIN);
	struct session *s = build(story);
	assert_int_equal(s->runs[0].overhead_error_ns, 5000); /* 3-4-5 */
	(void)session_free(s);
	(void)snprintf(
		story, sizeof(story),
		"%s%s%s%s9ms usage 9 exit run=9ms probe_ns=30000 probe_calls=60 probe_hits=8\n"
		"9ms exit 9 code=0\n",
		BPF, SHIM, errors, BEGIN);
	s = build(story);
	assert_in_range(s->runs[0].overhead_error_ns, 30000, 30800); /* of four samples */
	(void)session_free(s);
	s = build(BPF SHIM BEGIN "9ms usage 9 exit run=9ms\n9ms exit 9 code=0\n");
	assert_int_equal(s->runs[0].overhead_error_ns, UNKNOWN);
	(void)session_free(s);
}

/* 10 ran as long as 9 on the path, and nobody knows what it cost. */
static void who_left_no_counters_cost_what_others_did(void **state)
{
	(void)state;
	struct session *s =
		build(BPF "0 meta source.shim=not asked for\n"
			  "0 meta overhead.call_error_ps=0\n0 meta overhead.hit_error_ps=0\n"
			  "0 mark 9 spawn\n0 exec 9 /x argv=x enter=0\n1ms task 10 parent=9\n"
			  "6ms exit 10 code=0\n"
			  "6ms offcpu 9 out=1ms wake=6ms waker=10 state=S syscall=61\n"
			  "10ms usage 9 exit run=5ms probe_calls=100\n10ms exit 9 code=0\n");
	assert_int_equal(s->runs[0].overhead_ns, 20000);
	assert_int_equal(s->runs[0].overhead_error_ns, 10000);
	(void)session_free(s);
}

/* The child runs 4 ms, for 1 of which the command waits; another is never waited for. */
static void what_runs_beside_the_path_counts_by_its_share(void **state)
{
	(void)state;
	struct session *s = build(
		BPF
		"0 meta source.shim=not asked for\n"
		"0 mark 9 spawn\n0 exec 9 /x argv=x enter=0\n1ms task 10 parent=9\n1ms task 11 parent=9\n"
		"5ms usage 10 exit run=4ms probe_ns=40000\n5ms exit 10 code=0\n"
		"5ms offcpu 9 out=4ms wake=5ms waker=10 context=task state=S syscall=61\n"
		"8ms usage 11 exit run=7ms probe_ns=70000\n8ms exit 11 code=0\n"
		"9ms usage 9 exit run=8ms probe_ns=8000\n9ms exit 9 code=0\n");

	assert_int_equal(s->runs[0].overhead_ns, 8000 + 40000 / 4);
	assert_int_equal(s->runs[0].overhead_shim_ns, UNKNOWN);
	(void)session_free(s);
}

static void with_readiness_what_comes_later_does_not_count(void **state)
{
	(void)state;
	struct session *s = build(BPF SHIM "0 meta design.ready=accept\n" BEGIN
					   "2ms net 9 listen addr=127.0.0.1:80 sock=7 fd=3\n"
					   "3ms net 9 accept_ready addr=127.0.0.1:80 sock=7 fd=3\n"
					   "4ms usage 9 ready run=4ms probe_ns=40000\n"
					   "4ms mark 9 overhead value=5000 detail=2\n"
					   "9ms usage 9 exit run=9ms probe_ns=90000\n"
					   "9ms mark 9 overhead value=9000 detail=1\n"
					   "9ms exit 9 code=0\n");

	assert_int_equal(s->runs[0].ready_ns, 3000000);
	assert_int_equal(s->runs[0].overhead_probes_ns, 40000 * 3 / 4);
	assert_int_equal(s->runs[0].overhead_shim_ns, (70000 + 5000) * 3 / 4);
	(void)session_free(s);
}

static void a_part_that_nobody_measured_makes_it_unknown(void **state)
{
	(void)state;
	static const char *const stories[] = {
		"0 meta source.bpf=ok\n" BEGIN "9ms usage 9 exit run=9ms\n9ms exit 9 code=0\n",
		BPF "0 meta source.shim=ok\n" BEGIN "9ms usage 9 exit run=9ms\n9ms exit 9 code=0\n",
		BPF SHIM BEGIN "9ms exit 9 code=0\n",
		"0 meta source.bpf=not root\n0 meta source.shim=not asked for\n" BEGIN
		"9ms exit 9 code=0\n",
	};
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		struct session *s = build(stories[i]);
		assert_int_equal(s->runs[0].overhead_ns, UNKNOWN);
		(void)session_free(s);
	}
}

static void without_kernel_events_the_shim_alone_counts(void **state)
{
	(void)state;
	struct session *s = build("0 meta source.bpf=not root\n" SHIM
				  "0 mark 9 spawn\n1ms mark 9 linked\n2ms mark 9 main\n"
				  "9ms mark 9 reaped value=0\n9ms mark 0 gone\n");

	assert_int_equal(s->runs[0].overhead_ns, 70000);
	assert_int_equal(s->runs[0].overhead_probes_ns, UNKNOWN);
	(void)session_free(s);
}

static void lies_do_not_make_it_longer_than_startup(void **state)
{
	(void)state;
	struct session *s =
		build(BPF SHIM BEGIN "8ms mark 9 overhead value=18446744073709551615 detail=1\n"
				     "8ms mark 9 overhead value=18446744073709551615 detail=1\n"
				     "9ms usage 9 exit run=9ms\n9ms exit 9 code=0\n");

	assert_int_equal(s->runs[0].overhead_ns, s->runs[0].startup_total_ns);
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_one_process_add_up),
		cmocka_unit_test(samples_cost_what_one_was_measured_to),
		cmocka_unit_test(errors_of_the_parts_give_that_of_the_sum),
		cmocka_unit_test(who_left_no_counters_cost_what_others_did),
		cmocka_unit_test(what_runs_beside_the_path_counts_by_its_share),
		cmocka_unit_test(with_readiness_what_comes_later_does_not_count),
		cmocka_unit_test(a_part_that_nobody_measured_makes_it_unknown),
		cmocka_unit_test(without_kernel_events_the_shim_alone_counts),
		cmocka_unit_test(lies_do_not_make_it_longer_than_startup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
