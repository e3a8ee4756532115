/* SPDX-License-Identifier: MIT */
/* A long critical path in a few rows: what is joined, what is kept, and that nothing is lost. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/sample_session.h"
#include "userspace/view/stretch.h"

enum { MAX_ROWS = 18 };

static struct stretch_list must_join(const struct run *run)
{
	struct stretch_list list = { 0 };
	assert_int_equal(stretches_of(run, MAX_ROWS, &list), 0);
	assert_true(list.n <= MAX_ROWS);
	return list;
}

static void equal_neighbours_are_one(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	for (int i = 0; i < 500; i++)
		(void)sample_segment(s, &s->runs[0], MS, PHASE_MAIN, CAUSE_CPU, "x");
	struct stretch_list list = must_join(&s->runs[0]);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.items[0].n_segments, 500);
	assert_true(list.items[0].is_one_detail);
	vec_done(&list);
	session_free(s);
}

static void a_short_phase_keeps_its_row(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	(void)sample_segment(s, &s->runs[0], 1000, PHASE_EXEC, CAUSE_CPU, "");
	(void)sample_segment(s, &s->runs[0], 1000, PHASE_LINK, CAUSE_CPU, "");
	(void)sample_segment(s, &s->runs[0], 1000, PHASE_LINK, CAUSE_DISK, "");
	(void)sample_segment(s, &s->runs[0], 900 * MS, PHASE_MAIN, CAUSE_CPU, "");
	struct stretch_list list = must_join(&s->runs[0]);
	assert_int_equal(list.n, 3);
	assert_int_equal(stretch_phase(&list.items[1]), PHASE_LINK);
	vec_done(&list);
	session_free(s);
}

static void causes_are_told_apart(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	(void)sample_segment(s, &s->runs[0], 400 * MS, PHASE_MAIN, CAUSE_CPU, "");
	(void)sample_segment(s, &s->runs[0], 100 * MS, PHASE_MAIN, CAUSE_DISK, "");
	struct stretch_list list = must_join(&s->runs[0]);
	assert_int_equal(list.n, 2);
	vec_done(&list);
	session_free(s);
}

static void what_took_long_is_not_swallowed(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	for (int i = 0; i < 2000; i++) {
		(void)sample_segment(s, &s->runs[0], 100000, PHASE_MAIN, CAUSE_CPU, "");
		(void)sample_segment(s, &s->runs[0], 20000, PHASE_MAIN, CAUSE_DISK, "/data");
		if (i == 1000)
			(void)sample_segment(s, &s->runs[0], 50 * MS, PHASE_MAIN, CAUSE_CONNECT,
					     "tcp 127.0.0.1:5432");
	}
	struct stretch_list list = must_join(&s->runs[0]);
	assert_int_equal(list.n, 3);
	assert_int_equal(stretch_cause(&list.items[0]), CAUSE_CPU);
	assert_true(list.items[0].causes_ns[CAUSE_DISK] == 1001LL * 20000);
	assert_int_equal(list.items[1].n_segments, 1);
	assert_int_equal(stretch_cause(&list.items[1]), CAUSE_CONNECT);
	vec_done(&list);
	session_free(s);
}

/* Whatever the path is like, the rows follow each other and hold all of it. */
static void rows_add_up(void **state)
{
	(void)state;
	srand(41);
	for (int round = 0; round < 60; round++) {
		struct session *s = sample_new(1);
		struct run *run = &s->runs[0];
		const int n = 1 + rand() % 1200;
		struct segment *segments =
			arena_alloc_array(s->arena, (size_t)n, sizeof(*segments));
		for (int i = 0; i < n; i++) {
			const int64_t ns = rand() % 9 == 0 ? rand() % 1000000 : rand() % 5000;
			segments[i] = (struct segment){ .start_ns = run->startup_total_ns,
							.duration_ns = ns,
							.process = rand() % (1 + round),
							.phase = (enum phase)(rand() % PHASE_COUNT),
							.cause = (enum cause)(rand() % CAUSE_COUNT),
							.detail = "" };
			run->startup_total_ns += ns;
		}
		run->segments = segments;
		run->n_segments = (size_t)n;
		struct stretch_list list = must_join(run);
		int64_t end_ns = 0;
		for (size_t i = 0; i < list.n; i++) {
			const struct stretch *row = &list.items[i];
			int64_t causes_ns = 0;
			int64_t phases_ns = 0;
			for (int c = 0; c < CAUSE_COUNT; c++)
				causes_ns += row->causes_ns[c];
			for (int p = 0; p < PHASE_COUNT; p++)
				phases_ns += row->phases_ns[p];
			assert_true(row->start_ns == end_ns);
			assert_true(causes_ns == row->duration_ns);
			assert_true(phases_ns == row->duration_ns);
			assert_true(row->process_ns <= row->duration_ns);
			end_ns += row->duration_ns;
		}
		assert_true(end_ns == run->startup_total_ns);
		vec_done(&list);
		session_free(s);
	}
}

static void no_path_is_no_row(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	struct stretch_list list = must_join(&s->runs[0]);
	assert_int_equal(list.n, 0);
	vec_done(&list);
	session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_neighbours_are_one),
		cmocka_unit_test(a_short_phase_keeps_its_row),
		cmocka_unit_test(causes_are_told_apart),
		cmocka_unit_test(what_took_long_is_not_swallowed),
		cmocka_unit_test(rows_add_up),
		cmocka_unit_test(no_path_is_no_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
