/* SPDX-License-Identifier: MIT */
/* From sampled stacks to parts of the time on a CPU: whose they are, and that they add up. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"
#include "userspace/base/buf.h"

#define BEGIN "0 meta source.bpf=ok\n0 meta source.stacks=ok\n0 mark 1 spawn\n"
/* main calls f and g, and f has h inlined: stacks 1 main, 2 main f, 3 main g, 4 main f h. */
#define CODE                                                                    \
	"0 module /bin/x id=1 type=file\n0 frame id=1 module=1 offset=16\n"     \
	"0 frame id=2 module=1 offset=32\n0 frame id=3 module=1 offset=48\n"    \
	"0 frame id=4 module=1 offset=40\n0 frame id=5\n0 stack id=1 frame=1\n" \
	"0 stack id=2 caller=1 frame=2\n0 stack id=3 caller=1 frame=3\n"        \
	"0 stack id=4 caller=1 frame=4\n0 stack id=5 caller=1 frame=5 unfinished\n"
#define NAMES                                                                \
	"90ms function main frame=1\n90ms function f\\0a.c frame=2 line=7\n" \
	"90ms function g frame=3\n90ms function f frame=4\n90ms function h frame=4 depth=1\n"

static const char *stack_text(const struct session *s, int64_t place, struct buf *out)
{
	const struct stack *stack = session_stack(s, place);
	buf_clear(out);
	for (size_t i = stack != NULL ? stack->n_frames : 0; i > 0; i--) {
		const struct frame *f = session_frame(s, stack->frames[i - 1]);
		(void)buf_addf(out, "%s%s", out->len > 0 ? ">" : "",
			       f->function != NULL ? f->function : "?");
	}
	return stack != NULL ? buf_str(out) : "-";
}

/* "p1 main 0+2 main>f" per row, in ms; '*' is on the critical path, '~' open. */
static void assert_rows(const struct session *s, const char *const *expected)
{
	const struct run *run = &s->runs[0];
	struct buf stack = { .limit = 4096 };
	int64_t critical_ns = 0, path_ns = 0;
	assert_true(run->has_samples);
	for (size_t i = 0; i < run->n_samples; i++) {
		const struct cpu_sample *r = &run->samples[i];
		char text[512];
		(void)snprintf(text, sizeof(text), "p%d %s %g+%g%s %s%s", r->process,
			       phase_name(r->phase), (double)r->start_ns / MS,
			       (double)r->weight_ns / MS, r->is_critical ? "*" : "",
			       stack_text(s, r->stack, &stack), r->is_open ? "~" : "");
		if (expected[i] == NULL)
			fail_msg("one too many: %s", text);
		assert_string_equal(text, expected[i]);
		critical_ns += r->is_critical ? r->weight_ns : 0;
	}
	assert_null(expected[run->n_samples]);
	for (size_t i = 0; i < run->n_segments; i++)
		if (run->segments[i].state == ACTIVITY_RUNNING)
			path_ns += run->segments[i].duration_ns;
	assert_int_equal(critical_ns, path_ns);
	buf_done(&stack);
}
#define ROWS(s, ...) assert_rows(s, (const char *const[]){ __VA_ARGS__, NULL })

static void each_moment_has_its_part_of_the_time_on_a_cpu(void **state)
{
	(void)state;
	/* On the CPU 0 to 4, 6 to 10: there it is looked at after 2 and 6 ms. */
	struct session *s =
		build(BEGIN CODE "0 exec 1 /bin/x argv=x\n2ms sample 1 timer stack=2\n"
				 "6ms offcpu 1 out=4ms wake=6ms syscall=nanosleep\n"
				 "8ms sample 1 timer stack=3\n10ms exit 1 code=0\n" NAMES);
	ROWS(s, "p1 main 0+4* main>f", "p1 main 6+4* main>g");
	assert_int_equal(s->runs[0].samples_timer, 2);
	(void)session_free(s);
}

static void what_was_inlined_is_a_frame_of_its_own(void **state)
{
	(void)state;
	struct session *s = build(BEGIN CODE "0 exec 1 /bin/x argv=x\n2ms sample 1 timer stack=4\n"
					     "4ms sample 1 timer stack=5\n"
					     "6ms exit 1 code=0\n" NAMES);
	ROWS(s, "p1 main 0+3* main>f>h", "p1 main 3+3* main>?");
	assert_false(s->stacks[0].is_cut);
	assert_true(session_frame(s, s->stacks[1].frames[0])->module == NULL);
	(void)session_free(s);
}

static void names_come_with_file_and_line(void **state)
{
	(void)state;
	struct session *s = build(BEGIN CODE "0 exec 1 /bin/x argv=x\n2ms sample 1 timer stack=2\n"
					     "6ms exit 1 code=0\n" NAMES);
	const struct frame *f = session_frame(s, session_stack(s, 0)->frames[0]);
	assert_string_equal(f->function, "f");
	assert_string_equal(f->module, "/bin/x");
	assert_string_equal(f->file, "a.c");
	assert_int_equal(f->line, 7);
	assert_int_equal(f->offset, 32);
	assert_true(session_frame(s, session_stack(s, 0)->frames[1])->line == UNKNOWN);
	(void)session_free(s);
}

static void parts_are_cut_by_phase(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN CODE "1ms exec 1 /bin/x argv=x enter=0\n3ms mark 1 linked\n4ms mark 1 main\n"
			   "3500us sample 1 timer stack=2\n6ms exit 1 code=0\n" NAMES);
	ROWS(s, "p1 exec 0+1* -", "p1 link 1+2* main>f", "p1 init 1+1* main>f",
	     "p1 main 1+2* main>f");
	(void)session_free(s);
}

static void what_is_not_on_the_critical_path_is_told_apart(void **state)
{
	(void)state;
	/* 2 computes while 1 does; 1 waits for it from 4 on. */
	struct session *s = build(
		BEGIN CODE
		"0 exec 1 /bin/x argv=x\n0 task 1/2 parent=1 thread\n1ms sample 1 timer stack=2\n"
		"3ms sample 1/2 timer stack=3\n7ms offcpu 1 out=4ms wake=7ms waker=1/2 syscall=futex\n"
		"7ms exit 1/2 thread\n8ms exit 1 code=0\n" NAMES);
	ROWS(s, "p1 main 0+5* main>f", "p1 main 0+3* main>g", "p1 main 0+4 main>g");
	(void)session_free(s);
}

static void between_two_calls_out_of_one_function_it_was_in_that(void **state)
{
	(void)state;
	struct session *s = build(BEGIN CODE "0 exec 1 /bin/x argv=x\n"
					     "50us sample 1 call syscall=read since=10us stack=2\n"
					     "2ms sample 1 call syscall=read since=80us stack=3\n"
					     "3ms exit 1 code=0\n" NAMES);
	ROWS(s, "p1 main 0+0.08* main>f", "p1 main 0.08+1.92* main~", "p1 main 2+1* main>g");
	assert_int_equal(s->runs[0].samples_call, 2);
	(void)session_free(s);
}

static void one_program_says_nothing_of_the_next(void **state)
{
	(void)state;
	struct session *s = build(BEGIN CODE "0 exec 1 /bin/x argv=x\n1ms sample 1 timer stack=2\n"
					     "4ms exec 1 /bin/y argv=y enter=4ms\n"
					     "6ms exit 1 code=0\n" NAMES);
	ROWS(s, "p1 main 0+4* main>f", "p1 main 4+2* -");
	(void)session_free(s);
}

static void a_long_wait_has_the_stack_that_waited(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN CODE
		      "0 exec 1 /bin/x argv=x\n6ms offcpu 1 out=4ms wake=6ms syscall=nanosleep\n"
		      "6ms sample 1 wait syscall=nanosleep since=4ms stack=2\n"
		      "7ms exit 1 code=0\n" NAMES);
	struct buf text = { .limit = 4096 };
	const struct segment *wait = &s->runs[0].segments[1];
	assert_int_equal(wait->state, ACTIVITY_BLOCKED);
	assert_string_equal(stack_text(s, wait->stack, &text), "main>f");
	assert_true(s->runs[0].segments[0].stack == UNKNOWN);
	ROWS(s, "p1 main 0+5* -");
	buf_done(&text);
	(void)session_free(s);
}

static void without_the_scheduler_a_moment_weighs_its_period(void **state)
{
	(void)state;
	struct session *s =
		build("0 meta source.bpf=not root\n0 meta source.stacks=ok\n0 mark 1 spawn\n" CODE
		      "0 exec 1 /bin/x argv=x\n"
		      "3ms sample 1 timer stack=2 period=2ms\n9ms mark 1 reaped code=0\n" NAMES);
	assert_int_equal(s->runs[0].n_samples, 1);
	assert_int_equal(s->runs[0].samples[0].weight_ns, 2 * MS);
	assert_false(s->runs[0].samples[0].is_critical);
	assert_int_equal(s->runs[0].sample_period_ns, 2 * MS);
	(void)session_free(s);
}

static void none_recorded_is_not_none_taken(void **state)
{
	(void)state;
	struct session *s = build("0 meta source.bpf=ok\n0 meta source.stacks=no perf events\n"
				  "0 meta source.stacks.remedy=be root\n0 mark 1 spawn\n"
				  "0 exec 1 /bin/x argv=x\n9ms exit 1 code=0\n");
	assert_false(s->runs[0].has_samples);
	assert_string_equal(s->no_stacks, "no perf events");
	assert_string_equal(s->no_stacks_remedy, "be root");
	(void)session_free(s);
}

static void time_in_a_function_is_a_metric(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN CODE "0 exec 1 /bin/x argv=x\n2ms sample 1 timer stack=4\n"
				 "4ms sample 1 timer stack=3\n8ms sample 1 timer stack=2\n"
				 "9ms exit 1 code=0\n" NAMES);
	assert_true(value_of(s, "cpu.function[main]") == 9 * MS);
	assert_true(value_of(s, "cpu.function[f]") == 6 * MS);
	assert_true(value_of(s, "cpu.function[[fg]]") == 9 * MS);
	assert_true(value_of(s, "cpu.function[x!h]") == 3 * MS);
	assert_true(isnan(value_of(s, "cpu.function[y!h]")));
	assert_true(isnan(value_of(s, "cpu.function[typo]")));
	/* Listed unasked: those with time of their own. */
	size_t n = 0;
	for (size_t i = 0; i < s->n_series; i++)
		n += strncmp(s->series[i].id, "cpu.function[", 13) == 0;
	assert_int_equal(n, 3);
	(void)session_free(s);

	s = build(BEGIN CODE "0 exec 1 /bin/x argv=x\n9ms exit 1 code=0\n" NAMES);
	assert_true(isnan(value_of(s, "cpu.function[main]")));
	(void)session_free(s);
}

static void half_of_a_startup_in_one_function_is_a_finding(void **state)
{
	(void)state;
	static const char story[] =
		BEGIN CODE "0 exec 1 /bin/%s argv=x\n5ms sample 1 timer stack=3\n"
			   "10ms sample 1 timer stack=%d\n20ms sample 1 timer stack=2\n"
			   "30ms sample 1 timer stack=2\n40ms sample 1 timer stack=2\n"
			   "50ms sample 1 timer stack=2\n55ms sample 1 timer stack=3\n"
			   "60ms exit 1 code=0\n" NAMES;
	char text[2048];
	for (int stack = 2; stack <= 3; stack++) {
		(void)snprintf(text, sizeof(text), story, "x", stack);
		struct session *s = build(text);
		const struct run *run = &s->runs[0];
		assert_int_equal(run->n_findings, stack == 2 ? 1 : 0);
		if (stack == 2)
			assert_string_equal(run->findings[0].evidence,
					    "f (a.c:7) of x ran for 45.0 of 60.0 ms, in 5 samples");
		(void)session_free(s);
	}
}

/* Of many more samples than are kept the time is kept. */
static void what_is_cut_leaves_its_time_to_a_neighbour(void **state)
{
	(void)state;
	struct buf story = { .limit = 16 << 20 };
	(void)buf_adds(&story, BEGIN CODE "0 exec 1 /bin/x argv=x\n");
	for (int i = 1; i < 40000; i++)
		(void)buf_addf(&story, "%dus sample 1 timer stack=%d\n", i * 10, 2 + i % 4 / 2);
	(void)buf_adds(&story, "400ms exit 1 code=0\n");
	struct session *s = build(buf_str(&story));
	const struct run *run = &s->runs[0];
	int64_t sum_ns = 0;
	for (size_t i = 0; i < run->n_samples; i++)
		sum_ns += run->samples[i].weight_ns;
	assert_int_equal(sum_ns, 400 * MS);
	assert_true(run->n_samples < 16384 && run->n_samples > 8000);
	assert_int_equal(run->samples_cut + (int64_t)run->n_samples, 39999);
	assert_int_equal(run->samples_timer, 39999);
	buf_done(&story);
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_moment_has_its_part_of_the_time_on_a_cpu),
		cmocka_unit_test(what_was_inlined_is_a_frame_of_its_own),
		cmocka_unit_test(names_come_with_file_and_line),
		cmocka_unit_test(parts_are_cut_by_phase),
		cmocka_unit_test(what_is_not_on_the_critical_path_is_told_apart),
		cmocka_unit_test(between_two_calls_out_of_one_function_it_was_in_that),
		cmocka_unit_test(one_program_says_nothing_of_the_next),
		cmocka_unit_test(a_long_wait_has_the_stack_that_waited),
		cmocka_unit_test(without_the_scheduler_a_moment_weighs_its_period),
		cmocka_unit_test(none_recorded_is_not_none_taken),
		cmocka_unit_test(time_in_a_function_is_a_metric),
		cmocka_unit_test(half_of_a_startup_in_one_function_is_a_finding),
		cmocka_unit_test(what_is_cut_leaves_its_time_to_a_neighbour),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
