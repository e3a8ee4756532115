/* SPDX-License-Identifier: MIT */
/* JSON of Google Benchmark: one file was written by it. */

#include "tests/unit/foreign_files.h"

static void repetitions_are_values(void **state)
{
	(void)state;
	struct session *s = must_read("gbench.json");
	const struct series *series = must_find(s, "bench[BM_copy/8/repeats:5]");
	assert_false(series->is_summary);
	assert_int_equal(series->n_values, 5);
	check_metric(s, series->id, UNIT_NS, BETTER_LOWER, CLASS_TIME);
	assert_int_equal(must_find(s, "bench.cpu[BM_copy/8/repeats:5]")->n_values, 5);
	check_metric(s, "bench.bytes_per_second[BM_copy/8/repeats:5]", UNIT_BYTES, BETTER_HIGHER,
		     CLASS_SIZE);
	check_metric(s, "bench.hits[BM_copy/8/repeats:5]", UNIT_COUNT, BETTER_NEITHER, CLASS_SIZE);
	/* In milliseconds there. */
	const double slow = must_find(s, "bench[BM_sleep/iterations:3]")->values[0];
	assert_true(slow > 1e6 && slow < 1e9);
	assert_int_equal(s->host.cpus, 2);
	assert_int_equal(s->command.n, 1);
	assert_string_equal(s->notes[1], "BM_broken: nothing to read");
	(void)session_free(s);
}

static void aggregates_are_the_statistics(void **state)
{
	(void)state;
	struct session *s = must_read("gbench-aggregates.json");
	const struct series *series = must_find(s, "bench[BM_copy/8]");
	assert_true(series->is_summary);
	assert_int_equal(series->summary.n, 5);
	check_value(series->summary.mean, 23e3);
	check_value(series->summary.median, 22e3);
	check_value(series->summary.stddev, 1500);
	check_value(series->summary.min, NAN);
	check_value(must_find(s, "bench.cpu[BM_copy/8]")->summary.median, 20e3);
	assert_int_equal(s->n_series, 2);
	assert_string_equal(s->notes[1], "BM_broken: no such file");
	(void)session_free(s);
}

static void damage_is_named_with_its_place(void **state)
{
	(void)state;
	check_refused("{\"context\":{},\"benchmarks\":[{\"real_time\":1}]}",
		      "'x': benchmarks[0]: it has no name");
	check_refused("{\"context\":{},\"benchmarks\":[{\"name\":\"a\",\"real_time\":1,"
		      "\"time_unit\":\"apples\"}]}",
		      "'x': a: 'apples' is no unit of time");
	check_refused("{\"context\":{},\"benchmarks\":[]}", "'x': there is no result in it");
	check_refused("{\"context\":{\"num_cpus\":2}}", "'x': it has no array of benchmarks");
	check_not_recognised("{\"context\":{}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repetitions_are_values),
		cmocka_unit_test(aggregates_are_the_statistics),
		cmocka_unit_test(damage_is_named_with_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
