/* SPDX-License-Identifier: MIT */
/* The first line of a report: which terms it has, and that they add up. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_session.h"
#include "userspace/view/report/report.h"

static void the_example_of_the_manual(void **state)
{
	(void)state;
	struct session *s = sample_server(1);
	assert_string_equal(report_equation(s, 0), "ready in 456 ms = exec 1 + link 23 + init 2 + "
						   "main 30 + connect tcp 127.0.0.1:5432 400");
	session_free(s);
}

static void small_waits_belong_to_their_phase(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	struct run *run = &s->runs[0];
	(void)sample_segment(s, run, 90 * MS, PHASE_MAIN, CAUSE_CPU, "");
	(void)sample_segment(s, run, 4 * MS, PHASE_MAIN, CAUSE_SLEEP, "nanosleep");
	(void)sample_segment(s, run, 6 * MS, PHASE_CHILD, CAUSE_LOCK, "futex");
	assert_string_equal(report_equation(s, 0), "done in 100 ms = main 94 + lock futex 6");
	session_free(s);
}

static void the_waits_for_one_thing_are_summed(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	struct run *run = &s->runs[0];
	for (int i = 0; i < 4; i++) {
		(void)sample_segment(s, run, 20 * MS, PHASE_MAIN, CAUSE_CPU, "");
		(void)sample_segment(s, run, 2 * MS, PHASE_MAIN, CAUSE_DISK, "/a");
		(void)sample_segment(s, run, 2 * MS, PHASE_LINK, CAUSE_DISK, "/b");
		(void)sample_segment(s, run, MS, PHASE_MAIN, CAUSE_RUNQUEUE, "");
	}
	/* 4 % of run queue stays in main. */
	assert_string_equal(report_equation(s, 0),
			    "done in 100 ms = main 84 + disk /a 8 + disk /b 8");
	session_free(s);
}

static void unknown_is_a_term_like_any_other(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	(void)sample_segment(s, &s->runs[0], 3 * MS, PHASE_MAIN, CAUSE_UNKNOWN, "");
	(void)sample_segment(s, &s->runs[0], 7 * MS, PHASE_MAIN, CAUSE_CPU, "");
	assert_string_equal(report_equation(s, 0), "done in 10.0 ms = main 7.0 + unknown 3.0");
	session_free(s);
}

static void terms_that_round_to_nothing_are_left_out(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	(void)sample_segment(s, &s->runs[0], 1000, PHASE_EXEC, CAUSE_CPU, "");
	(void)sample_segment(s, &s->runs[0], 700 * MS, PHASE_MAIN, CAUSE_CPU, "");
	assert_string_equal(report_equation(s, 0), "done in 700 ms = main 700");
	session_free(s);
}

static void the_unit_is_chosen_once(void **state)
{
	(void)state;
	static const struct {
		int64_t ns;
		const char *line;
	} cases[] = {
		{ 0, "done in 0 ns" },
		{ 7, "done in 7 ns = main 7" },
		{ 998, "done in 998 ns = main 998" },
		{ 1230, "done in 1.23 us = main 1.23" },
		{ 999499, "done in 999 us = main 999" },
		{ 999500, "done in 1.00 ms = main 1.00" },
		{ 9994999, "done in 9.99 ms = main 9.99" },
		{ 9995001, "done in 10.0 ms = main 10.0" },
		{ 456 * MS, "done in 456 ms = main 456" },
		{ 1400 * MS, "done in 1.40 s = main 1.40" },
		{ 7200000 * MS, "done in 7200 s = main 7200" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct session *s = sample_new(1);
		(void)sample_segment(s, &s->runs[0], cases[i].ns, PHASE_MAIN, CAUSE_CPU, "");
		assert_string_equal(report_equation(s, 0), cases[i].line);
		session_free(s);
	}
}

/* Reads "12.3" as 123 and the like: places must be the same in all numbers of a line. */
static long units_of(const char *number, const char **ret_end, long *places)
{
	long value = 0;
	long n_places = 0;
	int is_fraction = 0;
	for (; (*number >= '0' && *number <= '9') || *number == '.'; number++) {
		if (*number == '.') {
			is_fraction = 1;
			continue;
		}
		value = value * 10 + (*number - '0');
		n_places += is_fraction;
	}
	if (*places < 0)
		*places = n_places;
	assert_int_equal(n_places, *places);
	*ret_end = number;
	return value;
}

static void check_sum(const char *line)
{
	long places = -1;
	const char *end = NULL;
	const long total = units_of(line + strlen("done in "), &end, &places);
	long sum = 0;
	for (const char *term = strstr(end, " = "); term != NULL; term = strstr(term + 1, " + ")) {
		const char *number = strstr(term + 1, " + ");
		number = number == NULL ? line + strlen(line) : number;
		while (number[-1] != ' ')
			number--;
		const long units = units_of(number, &end, &places);
		assert_true(units > 0);
		sum += units;
	}
	if (sum != total)
		print_error("%s: adds up to %ld\n", line, sum);
	assert_int_equal(sum, total);
}

static void printed_terms_always_add_up(void **state)
{
	(void)state;
	static const char *const details[] = { "", "/a", "/b", "tcp 1" };
	srand(23);
	for (int round = 0; round < 3000; round++) {
		struct session *s = sample_new(1);
		const int64_t scale = (int64_t[]){ 7, 997, 1000003, 41000000 }[rand() % 4];
		for (int i = rand() % 40; i >= 0; i--)
			(void)sample_segment(s, &s->runs[0], rand() % 997 * scale / 3,
					     (enum phase)(rand() % PHASE_COUNT),
					     (enum cause)(rand() % CAUSE_COUNT),
					     details[rand() % 4]);
		const char *line = report_equation(s, 0);
		if (s->runs[0].startup_total_ns > 0)
			check_sum(line);
		session_free(s);
	}
}

static void a_document_that_does_not_add_up_is_told_apart(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	(void)sample_segment(s, &s->runs[0], 60 * MS, PHASE_MAIN, CAUSE_CPU, "");
	s->runs[0].startup_total_ns = 100 * MS;
	assert_string_equal(report_equation(s, 0), "done in 100 ms = main 60 + unknown 40");
	s->runs[0].startup_total_ns = 10 * MS;
	assert_string_equal(report_equation(s, 0), "done in 60.0 ms = main 60.0");
	s->runs[0].segments[0].duration_ns = INT64_MAX;
	assert_non_null(strstr(report_equation(s, 0), "main"));
	session_free(s);
}

static void the_verb_says_how_it_ended(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	struct run *run = &s->runs[0];
	const char *accept = "accept";
	run->has_segments = false;
	run->startup_total_ns = 60000 * MS;
	assert_string_equal(report_equation(s, 0),
			    "done in 60.0 s (no breakdown: no scheduler events)");
	run->exit_reason = "timeout";
	assert_memory_equal(report_equation(s, 0), "still running at the --timeout: 60.0 s", 38);
	s->design.ready = (struct text_list){ &accept, 1 };
	assert_memory_equal(report_equation(s, 0), "not ready at the --timeout: 60.0 s", 34);
	run->exit_reason = "exit";
	assert_memory_equal(report_equation(s, 0), "ended before it was ready, after 60.0 s", 39);
	run->has_ready = true;
	assert_memory_equal(report_equation(s, 0), "ready in 60.0 s", 15);
	run->startup_total_ns = UNKNOWN;
	assert_string_equal(report_equation(s, 0), "ready in an unknown time");
	assert_string_equal(report_equation(s, 1), "nothing was recorded");
	session_free(s);
}

static void long_objects_are_cut(void **state)
{
	(void)state;
	char detail[1000];
	struct session *s = sample_new(1);
	memset(detail, 'x', sizeof(detail) - 1);
	detail[sizeof(detail) - 1] = '\0';
	(void)sample_segment(s, &s->runs[0], 9 * MS, PHASE_MAIN, CAUSE_FILE_READ, detail);
	assert_string_equal(
		report_equation(s, 0),
		"done in 9.00 ms = file_read "
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 9.00");
	session_free(s);
}

static void the_median_run_stands_for_all(void **state)
{
	(void)state;
	struct session *s = sample_new(5);
	const int64_t totals[] = { 50, 10, 40, 20, 30 };
	for (size_t i = 0; i < 5; i++)
		s->runs[i].startup_total_ns = totals[i];
	assert_int_equal(report_run(s), 4);
	/* Runs that became ready stand for a session in which most did. */
	s->runs[0].has_ready = s->runs[1].has_ready = s->runs[2].has_ready = true;
	assert_int_equal(report_run(s), 2);
	s->runs[0].has_ready = s->runs[1].has_ready = false;
	assert_int_equal(report_run(s), 3);
	session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_manual),
		cmocka_unit_test(small_waits_belong_to_their_phase),
		cmocka_unit_test(the_waits_for_one_thing_are_summed),
		cmocka_unit_test(unknown_is_a_term_like_any_other),
		cmocka_unit_test(terms_that_round_to_nothing_are_left_out),
		cmocka_unit_test(the_unit_is_chosen_once),
		cmocka_unit_test(printed_terms_always_add_up),
		cmocka_unit_test(a_document_that_does_not_add_up_is_told_apart),
		cmocka_unit_test(the_verb_says_how_it_ended),
		cmocka_unit_test(long_objects_are_cut),
		cmocka_unit_test(the_median_run_stands_for_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
