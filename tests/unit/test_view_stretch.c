/* SPDX-License-Identifier: MIT */
/* A long critical path in a few rows: what is joined, what is kept, and that nothing is lost. */

#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_session.h"
#include "userspace/view/report/stretch.h"

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
	assert_int_equal(list.items[0].to - list.items[0].from, 500);
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
	assert_int_equal(list.items[1].to - list.items[1].from, 1);
	assert_int_equal(stretch_cause(&list.items[1]), CAUSE_CONNECT);
	vec_done(&list);
	session_free(s);
}

/* A process that began with an exec; others may be added that were forked. */
static struct process process_of(struct session *s, int id, int parent, int64_t start_ns,
				 const char *name)
{
	struct process p = sample_process(s, id, name, "x");
	p.parent = parent;
	p.start_ns = start_ns;
	p.images[0].time_ns = start_ns;
	return p;
}

/* Parents, starts and images are anything: documents come from outside. */
static void add_random_processes(struct session *s, struct run *run, size_t n)
{
	struct process *processes = arena_alloc_array(s->arena, n + 1, sizeof(*processes));
	for (size_t i = 0; i < n; i++) {
		processes[i] =
			process_of(s, (int)i + 1, rand() % (int)(n + 2) - 1, rand() % 1000000, "x");
		if (rand() % 2 == 0)
			processes[i].n_images = 0;
		else
			processes[i].start_ns -= rand() % 1000;
	}
	run->processes = processes;
	run->n_processes = n;
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
		add_random_processes(s, run, (size_t)(rand() % (2 + round)));
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
			end_ns += row->duration_ns;
		}
		assert_true(end_ns == run->startup_total_ns);
		vec_done(&list);
		session_free(s);
	}
}

/* make, and below it the compilers one after the other, each with a child that does the work. */
static struct session *make_session(int n_compilers, int64_t work_ns, int64_t make_ns)
{
	struct session *s = sample_new(1);
	struct run *run = &s->runs[0];
	const size_t n = 1 + 2 * (size_t)n_compilers;
	run->processes = arena_alloc_array(s->arena, n, sizeof(*run->processes));
	run->n_processes = n;
	run->segments =
		arena_alloc_array(s->arena, 4 * (size_t)n_compilers, sizeof(*run->segments));
	run->processes[0] = process_of(s, 1, 0, 0, "/bin/make");
	for (int i = 0; i < n_compilers; i++) {
		const int gcc = 2 + 2 * i;
		const struct {
			int process;
			int64_t ns;
		} turns[] = { { 1, make_ns }, { gcc, MS }, { gcc + 1, work_ns }, { gcc, MS } };
		for (size_t t = 0; t < sizeof(turns) / sizeof(turns[0]); t++) {
			const int64_t now_ns = run->startup_total_ns;
			if (t == 1)
				run->processes[gcc - 1] = process_of(s, gcc, 1, now_ns, "/bin/gcc");
			if (t == 2)
				run->processes[gcc] =
					process_of(s, gcc + 1, gcc, now_ns, "/bin/cc1");
			run->segments[run->n_segments++] =
				(struct segment){ .start_ns = now_ns,
						  .duration_ns = turns[t].ns,
						  .process = turns[t].process,
						  .phase = PHASE_CHILD,
						  .detail = "" };
			run->startup_total_ns += turns[t].ns;
		}
	}
	return s;
}

static void check_turns(int64_t work_ns, int64_t make_ns)
{
	struct session *s = make_session(5, work_ns, make_ns);
	struct stretch_list list = must_join(&s->runs[0]);
	assert_int_equal(list.n, 10);
	for (size_t i = 0; i < list.n; i++) {
		const struct stretch *row = &list.items[i];
		const bool is_make = i % 2 == 0;
		assert_int_equal(row->process, is_make ? 1 : 2 + (int)i - 1);
		assert_int_equal(row->n_others, is_make ? 0 : 1);
		assert_true(row->duration_ns == (is_make ? make_ns : work_ns + 2 * MS));
	}
	vec_done(&list);
	session_free(s);
}

static void a_program_and_its_children_are_a_row(void **state)
{
	(void)state;
	check_turns(8 * MS, 5 * MS);
}

/* Short as they are, the turns of make would make "make" of everything. */
static void nobody_loses_its_name_to_the_whole(void **state)
{
	(void)state;
	check_turns(17 * MS, 2500000);
}

/* Nor little by little. */
static void a_name_is_not_worn_away(void **state)
{
	(void)state;
	for (int64_t make_ns = MS; make_ns < 4 * MS; make_ns += MS / 10) {
		struct session *s = make_session(5, 18 * MS, make_ns);
		struct stretch_list list = must_join(&s->runs[0]);
		for (size_t i = 0; i < list.n; i++)
			assert_true(list.items[i].process != 1 ||
				    list.items[i].duration_ns < 10 * MS);
		vec_done(&list);
		session_free(s);
	}
}

/* What the parent does in between is too little for a row, and for another name. */
static void little_between_goes_unnamed(void **state)
{
	(void)state;
	struct session *s = make_session(5, 28 * MS, MS / 5);
	struct stretch_list list = must_join(&s->runs[0]);
	assert_int_equal(list.n, 5);
	for (size_t i = 0; i < list.n; i++)
		assert_int_equal(list.items[i].process, 3 + 2 * (int)i);
	vec_done(&list);
	session_free(s);
}

static void the_images_of_a_process_are_told_apart(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	struct run *run = &s->runs[0];
	struct process p = process_of(s, 1, 0, 0, "/bin/sh");
	struct image images[] = { p.images[0], p.images[0], p.images[0] };
	images[1].time_ns = 10 * MS;
	images[1].result = "ENOENT";
	images[2].time_ns = 20 * MS;
	SAMPLE(s, p.images, p.n_images, images);
	run->processes = &p;
	run->n_processes = 1;
	for (int i = 0; i < 6; i++)
		(void)sample_segment(s, run, 10 * MS, PHASE_MAIN, CAUSE_CPU, "");
	struct stretch_list list = must_join(run);
	assert_int_equal(list.n, 2);
	assert_ptr_equal(list.items[0].image, &p.images[0]);
	assert_ptr_equal(list.items[1].image, &p.images[2]);
	assert_true(list.items[1].start_ns == 20 * MS);
	vec_done(&list);
	session_free(s);
}

/* A row of its own, whoever it was and however many rows there would be. */
static void a_big_wait_is_never_joined(void **state)
{
	(void)state;
	struct session *s = make_session(400, 8 * MS, MS);
	struct run *run = &s->runs[0];
	struct segment *wait = &run->segments[4 * 200 + 2];
	const int64_t longer_ns = run->startup_total_ns / 15;
	wait->cause = CAUSE_CONNECT;
	wait->state = ACTIVITY_BLOCKED;
	wait->detail = "tcp 127.0.0.1:5432";
	wait->duration_ns += longer_ns;
	for (struct segment *later = wait + 1; later < run->segments + run->n_segments; later++)
		later->start_ns += longer_ns;
	run->startup_total_ns += longer_ns;
	struct stretch_list list = must_join(run);
	size_t n_found = 0;
	for (size_t i = 0; i < list.n; i++) {
		if (list.items[i].longest != wait)
			continue;
		n_found++;
		assert_int_equal(stretch_cause(&list.items[i]), CAUSE_CONNECT);
		assert_true(list.items[i].causes_ns[CAUSE_CONNECT] * 10 >=
			    list.items[i].duration_ns * 9);
	}
	assert_int_equal(n_found, 1);
	vec_done(&list);
	session_free(s);
}

/* More than a minute if the cost grew with the square. */
static void a_million_segments_are_no_trouble(void **state)
{
	(void)state;
	struct session *s = make_session(250000, 3 * MS, MS);
	assert_int_equal(s->runs[0].n_segments, 1000000);
	struct stretch_list list = must_join(&s->runs[0]);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.items[0].process, 1);
	assert_int_equal(list.items[0].n_others, 500000);
	vec_done(&list);
	session_free(s);
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
		cmocka_unit_test(a_program_and_its_children_are_a_row),
		cmocka_unit_test(nobody_loses_its_name_to_the_whole),
		cmocka_unit_test(a_name_is_not_worn_away),
		cmocka_unit_test(little_between_goes_unnamed),
		cmocka_unit_test(the_images_of_a_process_are_told_apart),
		cmocka_unit_test(a_big_wait_is_never_joined),
		cmocka_unit_test(a_million_segments_are_no_trouble),
		cmocka_unit_test(no_path_is_no_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
