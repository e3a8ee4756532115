/* SPDX-License-Identifier: MIT */
/* asv and Bencher's metric format: made after what their manuals say. */

#include "tests/unit/foreign_files.h"

static void each_combination_is_a_benchmark(void **state)
{
	(void)state;
	struct session *s = must_read("asv.json");
	check_values(s, "bench[benchmarks.Suite.time_sort(10, 'up')]", 1.9e6, 2.1e6);
	/* Failed, and skipped. */
	check_values(s, "bench[benchmarks.Suite.time_sort(10, 'down')]", NAN);
	check_values(s, "bench[benchmarks.Suite.time_sort(20, 'up')]", NAN);
	check_values(s, "bench[benchmarks.Suite.time_sort(20, 'down')]", 3.9e6, 4.1e6);
	const struct summary *import = &must_find(s, "bench[benchmarks.time_import]")->summary;
	assert_int_equal(import->n, 10);
	check_value(import->median, 0.5e9);
	check_value(import->q1, 0.45e9);
	check_values(s, "bench[benchmarks.peakmem_load]", 52428800);
	check_metric(s, "bench[benchmarks.peakmem_load]", UNIT_BYTES, BETTER_LOWER, CLASS_SIZE);
	check_metric(s, "bench[benchmarks.track_nodes]", UNIT_COUNT, BETTER_LOWER, CLASS_SIZE);
	assert_string_equal(s->notes[1], "benchmarks.time_gone: failed");
	assert_int_equal(s->n_series, 7);
	(void)session_free(s);
}

static void measures_have_the_units_of_bencher(void **state)
{
	(void)state;
	struct session *s = must_read("bmf.json");
	check_values(s, "bench[sort/64]", 88.5);
	check_metric(s, "bench[sort/64]", UNIT_NS, BETTER_LOWER, CLASS_TIME);
	check_values(s, "bench.ops_per_second[sort/64]", 5.5);
	check_metric(s, "bench.ops_per_second[sort/64]", UNIT_COUNT, BETTER_HIGHER, CLASS_SIZE);
	check_values(s, "bench.build_time[/bin/sh -c ./build]", 87e9);
	check_metric(s, "bench.file_size[binary]", UNIT_BYTES, BETTER_LOWER, CLASS_SIZE);
	check_values(s, "bench.sections[binary]", 7);
	check_metric(s, "bench.sections[binary]", UNIT_COUNT, BETTER_LOWER, CLASS_SIZE);
	(void)session_free(s);
}

static void damage_is_named(void **state)
{
	(void)state;
	check_refused("{\"commit_hash\":\"0\",\"results\":{\"time_a\":1},\"version\":1}",
		      "'x': it has no result_columns: only version 2 of asv's files is read");
	check_refused("{\"a\":{\"latency\":{\"value\":\"1\"}}}", "'x': a: latency has no value");
	check_refused("{\"a\" : {\"b\\\"c\":{ \"value\":1}, \"d\":3}}", "'x': a: d has no value");
	check_not_recognised("{\"a\":{\"latency\":{\"valued\":1}}}");
	check_not_recognised("{\"a\":{\"value\":1}}");
	check_not_recognised("{\"a\":{\"b\":{");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_combination_is_a_benchmark),
		cmocka_unit_test(measures_have_the_units_of_bencher),
		cmocka_unit_test(damage_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
