/* SPDX-License-Identifier: MIT */
/* asv 0.6.6 wrote the file, without what is longer than it need be. Bencher's metric format: made after what
 * its manual says. */

#include "tests/unit/foreign_files.h"

static void each_combination_is_a_benchmark(void **state)
{
	(void)state;
	struct session *s = must_read("asv.json");
	check_values(s, "bench[benchmarks.Suite.time_sleep(10, 'up')]", 0.010160364006878808e9,
		     0.01019062199338805e9, 0.010148511006264016e9);
	/* Failed, and skipped. */
	check_values(s, "bench[benchmarks.Suite.time_sleep(10, 'down')]", NAN);
	check_values(s, "bench[benchmarks.Suite.time_sleep(20, 'up')]", NAN);
	check_values(s, "bench[benchmarks.Suite.time_sleep(20, 'down')]", 0.020170407005934976e9,
		     0.020146233990089968e9, 0.020330555009422824e9);
	assert_int_equal(must_find(s, "bench[benchmarks.Same.time_sleep(1 (1))]")->n_values, 4);
	/* Without --record-samples. */
	const struct summary *once = &must_find(s, "bench[benchmarks.time_once]")->summary;
	assert_int_equal(once->n, 6);
	check_value(once->median, 0.01031714000419015e9);
	check_value(once->q1, 0.0066681e9);
	check_value(once->q3, 0.012226e9);
	check_values(s, "bench[benchmarks.peakmem_list]", 25927680);
	check_metric(s, "bench[benchmarks.peakmem_list]", UNIT_BYTES, BETTER_LOWER, CLASS_SIZE);
	check_metric(s, "bench[benchmarks.track_nodes]", UNIT_COUNT, BETTER_LOWER, CLASS_SIZE);
	assert_string_equal(s->notes[1], "benchmarks.time_broken: failed");
	assert_int_equal(s->n_series, 9);
	(void)session_free(s);
}

/* With @n parameters of one value each, the last of two. */
static const char *asv_of(struct buf *text, size_t n)
{
	buf_clear(text);
	(void)buf_adds(text, "{\"commit_hash\":\"0\",\"result_columns\":[\"result\",\"params\"],"
			     "\"results\":{\"b.time_a\":[[1,2],[");
	for (size_t i = 1; i < n; i++)
		(void)buf_adds(text, "[\"x\"],");
	(void)buf_adds(text, "[\"y\",\"z\"]]]}}");
	return buf_str(text);
}

static void many_parameters_are_refused_and_not_mixed_up(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf text = { .limit = 1 << 16 };
	struct session *s = NULL;
	assert_int_equal(read_text(asv_of(&text, 64), &s), 0);
	assert_int_equal(s->n_series, 2);
	assert_int_equal(s->series[0].n_values, 1);
	(void)session_free(s);
	check_refused(asv_of(&text, 65), "'x': b.time_a: more than 64 parameters");
	/* More results than combinations. */
	check_refused("{\"commit_hash\":\"0\",\"result_columns\":[\"result\",\"params\"],"
		      "\"results\":{\"b.time_a\":[[1,2],[[\"x\"]]]}}",
		      "'x': 'bench[b.time_a(x)]' is there twice");
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
	check_refused("{\"a\":{\"b\":{\"value\":1}},\"c\":[{\"value\":2}]}",
		      "'x': c: it has no measures");
	check_refused(
		"{\"results\":[[1]],\"commit_hash\":\"0\",\"result_columns\":[],\"results\":{}}",
		"'x': there is no result in it");
	check_not_recognised("{\"a\":{\"latency\":{\"valued\":1}}}");
	check_not_recognised("{\"a\":{\"value\":1}}");
	check_not_recognised("{\"a\":{\"b\":{");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_combination_is_a_benchmark),
		cmocka_unit_test(many_parameters_are_refused_and_not_mixed_up),
		cmocka_unit_test(measures_have_the_units_of_bencher),
		cmocka_unit_test(damage_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
