/* SPDX-License-Identifier: MIT */
/* Which samples stand for a stretch of the critical path: together they weigh what it ran. */

#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/model/path_samples.h"

static struct segment segment(int64_t start_ns, int64_t duration_ns, int64_t thread,
			      enum activity state)
{
	return (struct segment){ .start_ns = start_ns,
				 .duration_ns = duration_ns,
				 .process = 1,
				 .thread = thread,
				 .state = state };
}

static struct cpu_sample since(int64_t start_ns, int64_t thread, int64_t stack)
{
	return (struct cpu_sample){
		.process = 1, .thread = thread, .start_ns = start_ns, .stack = stack
	};
}

static void a_segment_is_cut_where_the_next_sample_begins(void **state)
{
	(void)state;
	struct segment segments[] = { segment(0, 10, 7, ACTIVITY_RUNNING),
				      segment(10, 5, 7, ACTIVITY_BLOCKED),
				      segment(15, 5, 8, ACTIVITY_RUNNING),
				      segment(20, 10, 7, ACTIVITY_RUNNING) };
	/* A row more for each phase or side of the path changes nothing. */
	struct cpu_sample samples[] = { since(2, 7, 1), since(2, 7, 1), since(8, 7, 2),
					since(25, 7, 3) };
	const struct run run = {
		.segments = segments, .n_segments = 4, .samples = samples, .n_samples = 4
	};
	static const struct {
		int64_t thread, weight_ns, stack;
	} expected[] = { { 7, 2, UNKNOWN }, { 7, 6, 1 }, { 7, 2, 2 },
			 { 7, 5, 2 },	    { 7, 5, 3 }, { 8, 5, UNKNOWN } };
	struct sample_index index = { 0 };
	struct sample_rows rows = { 0 };
	assert_int_equal(sample_index_of(&run, &index), 0);
	assert_int_equal(path_samples(&run, &index, 0, 4, &rows), 0);
	assert_int_equal(rows.n, 6);
	for (size_t i = 0; i < rows.n; i++) {
		assert_int_equal(rows.items[i].thread, expected[i].thread);
		assert_int_equal(rows.items[i].weight_ns, expected[i].weight_ns);
		assert_int_equal(rows.items[i].stack, expected[i].stack);
	}
	vec_done(&index);
	vec_done(&rows);
}

/* What a document may say of times. */
static void odd_times_do_no_harm(void **state)
{
	(void)state;
	struct segment segments[] = { segment(UNKNOWN, 10, 7, ACTIVITY_RUNNING),
				      segment(5, INT64_MAX, 7, ACTIVITY_RUNNING),
				      segment(0, UNKNOWN, 7, ACTIVITY_RUNNING) };
	struct cpu_sample samples[] = { since(UNKNOWN, 7, 1), since(INT64_MAX, 7, 2),
					since(9, 7, 99) };
	const struct run run = {
		.segments = segments, .n_segments = 3, .samples = samples, .n_samples = 3
	};
	struct sample_index index = { 0 };
	struct sample_rows rows = { 0 };
	assert_int_equal(sample_index_of(&run, &index), 0);
	assert_int_equal(path_samples(&run, &index, 0, 3, &rows), 0);
	assert_int_equal(rows.n, 2);
	assert_int_equal(rows.items[0].weight_ns, 4);
	vec_done(&index);
	vec_done(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_is_cut_where_the_next_sample_begins),
		cmocka_unit_test(odd_times_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
