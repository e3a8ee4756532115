/* SPDX-License-Identifier: MIT */
/* vitest 2.1.9 and tinybench 6.2.5 wrote the files (Node.js 20). */

#include "tests/unit/foreign_files.h"

static void vitest_has_statistics(void **state)
{
	(void)state;
	struct session *s = must_read("vitest.json");
	const struct summary *numbers =
		&must_find(s, "bench[a.bench.js > sort > numbers]")->summary;
	assert_int_equal(numbers->n, 6);
	check_value(numbers->median, 453.00000004999674);
	check_value(numbers->mean, 576.1666667088624);
	check_value(numbers->stddev, 406.12727889433584);
	check_value(numbers->max, 1388.0000000199288);
	check_metric(s, "bench[a.bench.js > sort > copy]", UNIT_NS, BETTER_LOWER, CLASS_TIME);
	assert_int_equal(s->n_series, 2);
	(void)session_free(s);
}

static void tinybench_keeps_samples(void **state)
{
	(void)state;
	struct session *s = must_read("tinybench.json");
	check_values(s, "bench[numbers]", 602.0000000148684, 649.9999999789452, 1334.0000000141572,
		     3352.000000006683, 4656.000000011318, 8281.000000010863);
	assert_int_equal(must_find(s, "bench[copy]")->n_values, 6);
	assert_string_equal(s->notes[1], "broken: failed");
	assert_int_equal(s->n_series, 2);
	(void)session_free(s);
	s = must_read("tinybench-table.json");
	check_value(must_find(s, "bench[numbers]")->summary.median, 618);
	check_value(must_find(s, "bench[copy]")->summary.mean, 112826);
	assert_int_equal(must_find(s, "bench[copy]")->summary.n, 13);
	assert_string_equal(s->notes[1], "broken: no such file");
	(void)session_free(s);
	/* Version 2: no latency of its own. */
	assert_int_equal(read_text("[{\"name\":\"a\",\"result\":{\"hz\":1,\"mean\":2,\"sd\":0.5,"
				   "\"p75\":3,\"samples\":[1.5,2.5]}}]",
				   &s),
			 0);
	check_values(s, "bench[a]", 1.5e6, 2.5e6);
	(void)session_free(s);
}

static void damage_is_named(void **state)
{
	(void)state;
	check_refused("[{\"result\":{\"hz\":1},\"name\":3}]", "'x': [0]: it has no name");
	check_refused("[{\"name\":\"a\",\"result\":{\"hz\":1,\"mean\":2,\"samples\":[\"x\"]}}]",
		      "'x': bench[a]: a value that is not a number");
	check_refused("{\"files\":[{\"groups\":[{\"benchmarks\":[{\"mean\":1}]}]}]}",
		      "'x': a benchmark without a name");
	check_not_recognised("{\"files\":[]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vitest_has_statistics),
		cmocka_unit_test(tinybench_keeps_samples),
		cmocka_unit_test(damage_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
