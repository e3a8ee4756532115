/* SPDX-License-Identifier: MIT */
/* Files of pytest-benchmark (written by it, shortened), and the tree in which it keeps them. */

#include "tests/unit/foreign_files.h"

static void rounds_are_values(void **state)
{
	(void)state;
	struct session *s = must_read("pytest.json");
	const struct series *series = must_find(s, "bench[test_speed.py::test_odd]");
	assert_false(series->is_summary);
	assert_int_equal(series->n_values, 23);
	check_metric(s, series->id, UNIT_NS, BETTER_LOWER, CLASS_TIME);
	assert_int_equal(must_find(s, "bench[test_speed.py::test_even[4]]")->n_values, 12);
	assert_string_equal(s->host.cpu, "AMD EPYC");
	assert_string_equal(s->host.kernel, "6.1.0");
	assert_string_equal(s->notes[0], "results of pytest-benchmark 3.2.2 of commit "
					 "0123456789012345678901234567890123456789");
	(void)session_free(s);
}

static void check_close(double value, double expected)
{
	if (!(fabs(value - expected) <= 1e-9 * fabs(expected)))
		print_error("%.17g is not %.17g\n", value, expected);
	assert_true(fabs(value - expected) <= 1e-9 * fabs(expected));
}

/* Worked out from the rounds, they are what pytest-benchmark has worked out from them. */
static void statistics_are_those_of_the_file(void **state)
{
	(void)state;
	struct session *s = must_read("pytest.json");
	struct session *without = must_read("pytest-without-rounds.json");
	assert_int_equal(s->n_series, 4);
	assert_int_equal(without->n_series, s->n_series);
	for (size_t i = 0; i < s->n_series; i++) {
		const struct summary *ours = &s->series[i].summary;
		const struct series *given = must_find(without, s->series[i].id);
		const struct summary *theirs = &given->summary;
		assert_true(given->is_summary);
		assert_int_equal(ours->n, theirs->n);
		check_close(ours->min, theirs->min);
		check_close(ours->max, theirs->max);
		check_close(ours->mean, theirs->mean);
		check_close(ours->stddev, theirs->stddev);
		check_close(ours->median, theirs->median);
		check_close(ours->q1, theirs->q1);
		check_close(ours->q3, theirs->q3);
		assert_int_equal(ours->n_outliers, theirs->n_outliers);
		/* The interval is not that of the values, but around the same median. */
		assert_int_equal(theirs->n >= 6, theirs->ci95_low <= theirs->median &&
							 theirs->median <= theirs->ci95_high);
	}
	(void)session_free(without);
	(void)session_free(s);
}

static void check_tree(const char *path, double value)
{
	struct session *s = must_read(path);
	assert_string_equal(s->host.cpu, "AMD EPYC");
	assert_int_equal(s->host.cpus, 2);
	check_values(s, "bench[a]", value);
	(void)session_free(s);
}

static void the_newest_of_a_tree_is_read(void **state)
{
	(void)state;
	/* Numbers count per machine: of the highest ones the later file. */
	check_tree("pytest", 17e9);
	check_tree("pytest/Linux-CPython-3.9-64bit", 23e9);
	check_tree("pytest@0001", 13e9);
	check_tree("pytest@main", 13e9);
	check_tree("pytest@0002_pr", 17e9);
	struct session *s = NULL;
	assert_int_equal(foreign_read(NULL, 0, FOREIGN_DATA "pytest@mai", &s), 0);
	assert_null(s);
}

static void damage_is_named_with_its_place(void **state)
{
	(void)state;
	check_refused("{\"machine_info\":{},\"benchmarks\":[{\"stats\":{}}]}",
		      "'x': benchmarks[0]: it has no name");
	check_refused("{\"machine_info\":{},\"benchmarks\":[{\"name\":\"a\"}]}",
		      "'x': benchmarks[0]: it has no stats");
	check_refused("{\"machine_info\":{},\"benchmarks\":"
		      "[{\"name\":\"a\",\"stats\":{\"data\":[1,\"2\"]}}]}",
		      "'x': bench[a]: a value that is not a number");
	check_refused("{\"machine_info\":{},\"benchmarks\":[{\"name\":\"a\",\"stats\":{\"min\":1}},"
		      "{\"name\":\"a\",\"stats\":{\"min\":1}}]}",
		      "'x': 'bench[a]' is there twice");
	check_refused("{\"machine_info\":{},\"benchmarks\":7}",
		      "'x': it has no array of benchmarks");
	check_refused("{\"machine_info\":{},\"benchmarks\":[]}", "'x': there is no result in it");
	check_not_recognised("{\"benchmarks\":[]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds_are_values),
		cmocka_unit_test(statistics_are_those_of_the_file),
		cmocka_unit_test(the_newest_of_a_tree_is_read),
		cmocka_unit_test(damage_is_named_with_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
