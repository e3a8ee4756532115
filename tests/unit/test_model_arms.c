/* SPDX-License-Identifier: MIT */
/* Recordings whose runs are interleaved: which runs count, and for whom. */

#include <errno.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

/* Four runs of two arms; of the second pair it is said afterwards that it does not count. */
#define TWO_PAIRS                                                                         \
	"0 meta source.bpf=ok\n"                                                          \
	"0 mark 9 spawn value=0\n0 meta run.arm=base\n1ms exec 9 /x argv=one\n"           \
	"2ms exit 9 code=0\n2ms mark 9 reaped code=0\n2ms mark 0 gone\n"                  \
	"3ms mark 10 spawn value=1\n3ms meta run.arm=head\n4ms exec 10 /x argv=two\n"     \
	"6ms exit 10 code=0\n6ms mark 10 reaped code=0\n6ms mark 0 gone\n"                \
	"7ms mark 11 spawn value=2\n7ms meta run.arm=head\n8ms exec 11 /x argv=three\n"   \
	"9ms exit 11 code=0\n9ms mark 11 reaped code=0\n9ms mark 0 gone\n"                \
	"10ms mark 12 spawn value=3\n10ms meta run.arm=base\n11ms exec 12 /x argv=four\n" \
	"12ms exit 12 code=0\n12ms mark 12 reaped code=0\n12ms mark 0 gone\n"

static void runs_of_a_repeated_pair_do_not_count(void **state)
{
	(void)state;
	struct session *s = build(TWO_PAIRS);
	assert_int_equal(s->n_runs, 4);
	(void)session_free(s);

	s = build(TWO_PAIRS "13ms meta run.dropped=2\n13ms meta run.dropped=3\n");
	assert_int_equal(s->n_runs, 2);
	assert_string_equal(s->runs[0].processes[0].argv.items[0], "one");
	assert_string_equal(s->runs[1].processes[0].argv.items[0], "two");
	(void)session_free(s);

	/* What is no number of a run says nothing. */
	s = build(TWO_PAIRS
		  "13ms meta run.dropped=\n13ms meta run.dropped=4\n"
		  "13ms meta run.dropped=-1\n13ms meta run.dropped=18446744073709551618\n");
	assert_int_equal(s->n_runs, 4);
	(void)session_free(s);
}

static void an_arm_has_its_own_runs_and_command(void **state)
{
	(void)state;
	struct trace *t = events_trace(TWO_PAIRS "13ms meta run.dropped=3\n");
	struct session *s = NULL;
	assert_int_equal(session_build_arm(t, "base", &s), 0);
	assert_int_equal(s->n_runs, 1);
	assert_string_equal(s->command.items[0], "one");
	s = session_free(s);
	assert_int_equal(session_build_arm(t, "head", &s), 0);
	assert_int_equal(s->n_runs, 2);
	assert_string_equal(s->command.items[0], "two");
	(void)session_free(s);
	assert_int_equal(session_build_arm(t, "control", &s), -ENODATA);
	(void)trace_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_of_a_repeated_pair_do_not_count),
		cmocka_unit_test(an_arm_has_its_own_runs_and_command),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
