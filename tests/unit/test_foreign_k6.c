/* SPDX-License-Identifier: MIT */
/* k6's summary in both of its forms. */

#include "tests/unit/foreign_files.h"

static void a_trend_has_statistics(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct session *s = must_read(i == 0 ? "k6-export.json" : "k6-summary.json");
		const struct series *trend = must_find(s, "k6[http_req_duration]");
		assert_true(trend->is_summary);
		check_value(trend->summary.mean, 12.5e6);
		check_value(trend->summary.min, 3e6);
		check_value(trend->summary.median, 11e6);
		check_value(trend->summary.max, 41e6);
		check_value(trend->summary.p95, 29e6);
		check_value(trend->summary.p99, i == 0 ? NAN : 37e6);
		assert_int_equal(trend->summary.n, i == 0 ? 0 : 64);
		check_metric(s, trend->id, UNIT_NS, BETTER_LOWER, CLASS_TIME);
		check_values(s, "k6[checks]", 0.640625);
		check_metric(s, "k6[checks]", UNIT_RATIO, BETTER_HIGHER, CLASS_RATIO);
		(void)session_free(s);
	}
}

static void what_is_no_time_is_none(void **state)
{
	(void)state;
	struct session *s = must_read("k6-export.json");
	check_value(must_find(s, "k6[my_size]")->summary.median, 7);
	check_metric(s, "k6[my_size]", UNIT_COUNT, BETTER_LOWER, CLASS_SIZE);
	(void)session_free(s);
	s = must_read("k6-summary.json");
	check_value(must_find(s, "k6[my_wait]")->summary.median, 1e6);
	(void)session_free(s);
}

static void counters_rates_and_gauges_are_values(void **state)
{
	(void)state;
	struct session *s = must_read("k6-export.json");
	check_values(s, "k6[data_received]", 23000);
	check_metric(s, "k6[data_received]", UNIT_BYTES, BETTER_NEITHER, CLASS_SIZE);
	check_values(s, "k6.rate[data_received]", 4100.5);
	check_values(s, "k6[http_req_failed]", 0.25);
	check_metric(s, "k6[http_req_failed]", UNIT_RATIO, BETTER_LOWER, CLASS_RATIO);
	check_values(s, "k6.rate[http_reqs]", 12.8);
	check_metric(s, "k6.rate[http_reqs]", UNIT_COUNT, BETTER_HIGHER, CLASS_SIZE);
	check_values(s, "k6[vus]", 3);
	(void)session_free(s);
	s = must_read("k6-summary.json");
	check_values(s, "k6[iterations]", 64);
	check_values(s, "k6[vus_max]", 5);
	(void)session_free(s);
}

static void damage_is_named(void **state)
{
	(void)state;
	check_refused("{\"metrics\":{\"iterations\":7}}",
		      "'x': metrics.iterations: expected an object");
	check_refused("{\"metrics\":{\"iterations\":{}},\"root_group\":{}}",
		      "'x': there is no result in it");
	check_not_recognised("{\"metrics\":{}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trend_has_statistics),
		cmocka_unit_test(what_is_no_time_is_none),
		cmocka_unit_test(counters_rates_and_gauges_are_values),
		cmocka_unit_test(damage_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
