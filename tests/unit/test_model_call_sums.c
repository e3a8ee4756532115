/* SPDX-License-Identifier: MIT */
/* CALLS become sums of processes, a metric and a finding. */

#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define BPF "0 meta source.bpf=ok\n"
#define RUN "0 mark 9 spawn\n0 exec 9 /x argv=x\n"
#define END "9ms usage 9 exit user=2ms system=20ms run=22ms\n9ms exit 9 code=0\n"

static const struct syscall *call_of(const struct session *s, size_t process, const char *name)
{
	const struct process *p = &s->runs[0].processes[process];
	for (size_t i = 0; i < p->n_syscalls; i++)
		if (strcmp(p->syscalls[i].name, name) == 0)
			return &p->syscalls[i];
	return NULL;
}

static void records_of_one_moment_add_up_and_later_ones_replace_them(void **state)
{
	(void)state;
	struct session *s = build(BPF RUN "2ms calls 9 read when=ready count=5 total=10us cpu=7us\n"
					  "4ms calls 9 read when=exit count=7 total=20us cpu=9us\n"
					  "9ms calls 9 read when=exit count=23 errors=1 total=40us "
					  "cpu=30us\n"
					  "9ms calls 9 read when=exit count=41 errors=2 total=2us "
					  "cpu=1us\n" END);
	const struct syscall *read = call_of(s, 0, "read");
	assert_non_null(read);
	assert_int_equal(read->calls, 64);
	assert_int_equal(read->errors, 3);
	assert_int_equal(read->total_ns, 42000);
	assert_int_equal(read->cpu_ns, 31000);
	assert_int_equal(read->ready_calls, 5);
	assert_true(value_of(s, "sys.calls[read]") == 64);
	assert_true(value_of(s, "sys.calls[re*]") == 64);
	(void)session_free(s);
}

static void nobody_made_it_is_0_and_no_such_call_is_not(void **state)
{
	(void)state;
	struct session *s = build(BPF RUN "9ms calls 9 read when=exit count=7\n" END);
	assert_true(value_of(s, "sys.calls[fsync]") == 0);
	assert_true(isnan(value_of(s, "sys.calls[fsnyc]")));
	(void)session_free(s);
}

static void without_calls_nothing_is_known(void **state)
{
	(void)state;
	struct session *s = build(BPF RUN END);
	assert_false(s->runs[0].processes[0].has_syscalls);
	assert_true(isnan(value_of(s, "sys.calls[read]")));
	(void)session_free(s);
	s = build(BPF "0 meta probe=system calls\n0 meta probe.metrics=sys.calls[]\n" RUN
		      "9ms calls 9 read when=exit count=7\n" END);
	assert_false(s->runs[0].processes[0].has_syscalls);
	(void)session_free(s);
}

static void made_up_numbers_are_passed_over(void **state)
{
	(void)state;
	struct session *s = build(BPF RUN "9ms calls 9 4000000000 when=exit count=7\n"
					  "9ms calls 9 read when=start count=7\n"
					  "9ms calls 9 65535 when=exit count=3\n" END);
	assert_int_equal(s->runs[0].processes[0].n_syscalls, 1);
	assert_int_equal(call_of(s, 0, "32-bit call")->calls, 3);
	(void)session_free(s);
}

static const struct finding *many_calls(const struct session *s)
{
	for (size_t i = 0; i < s->runs[0].n_findings; i++)
		if (strcmp(s->runs[0].findings[i].id, "many-calls") == 0)
			return &s->runs[0].findings[i];
	return NULL;
}

static void many_calls_that_fill_the_system_time_are_a_finding(void **state)
{
	(void)state;
	struct session *s = build(BPF RUN "9ms calls 9 318 when=exit count=70786 total=19ms "
					  "cpu=19ms\n" END);
	assert_non_null(many_calls(s));
	assert_int_equal(many_calls(s)->cost_ns, 19 * MS);
	assert_non_null(strstr(many_calls(s)->evidence,
			       "70786 getrandom calls were 95.0 % of the system time"));
	(void)session_free(s);
	/* Few that take long are what they are. */
	s = build(BPF RUN "9ms calls 9 318 when=exit count=900 total=19ms cpu=19ms\n" END);
	assert_null(many_calls(s));
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_of_one_moment_add_up_and_later_ones_replace_them),
		cmocka_unit_test(nobody_made_it_is_0_and_no_such_call_is_not),
		cmocka_unit_test(without_calls_nothing_is_known),
		cmocka_unit_test(made_up_numbers_are_passed_over),
		cmocka_unit_test(many_calls_that_fill_the_system_time_are_a_finding),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
