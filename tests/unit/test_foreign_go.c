/* SPDX-License-Identifier: MIT */
/* What go test -bench prints. */

#include "tests/unit/foreign_files.h"

static void lines_of_one_name_are_samples(void **state)
{
	(void)state;
	struct session *s = must_read("go.txt");
	check_values(s, "bench[example.com/store.Get-2]", 23.5, 25.5);
	check_values(s, "bench.bytes_per_second[example.com/store.Get-2]", 130.43e6, 117.65e6);
	check_values(s, "bench.bytes[example.com/store.Get-2]", 64, 64);
	check_values(s, "bench.allocs[example.com/store.Get-2]", 3, 3);
	check_metric(s, "bench[example.com/store.Get-2]", UNIT_NS, BETTER_LOWER, CLASS_TIME);
	check_metric(s, "bench.bytes_per_second[example.com/store.Get-2]", UNIT_BYTES,
		     BETTER_HIGHER, CLASS_SIZE);
	check_metric(s, "bench.bytes[example.com/store.Get-2]", UNIT_BYTES, BETTER_LOWER,
		     CLASS_SIZE);
	check_metric(s, "bench.allocs[example.com/store.Get-2]", UNIT_COUNT, BETTER_LOWER,
		     CLASS_EXACT);
	assert_string_equal(s->host.cpu, "Some CPU @ 2.30GHz");
	assert_int_equal(s->n_series, 11);
	(void)session_free(s);
}

static void units_of_report_metric_are_understood(void **state)
{
	(void)state;
	struct session *s = must_read("go.txt");
	check_values(s, "bench[example.com/store.Put/size=4k-2]", 1e6);
	check_values(s, "bench.p99-ms[example.com/store.Put/size=4k-2]", 1.5e6);
	check_metric(s, "bench.p99-ms[example.com/store.Put/size=4k-2]", UNIT_NS, BETTER_LOWER,
		     CLASS_TIME);
	check_values(s, "bench.peak-RSS-bytes[example.com/store.Put/size=4k-2]", 4096);
	check_metric(s, "bench.peak-RSS-bytes[example.com/store.Put/size=4k-2]", UNIT_BYTES,
		     BETTER_LOWER, CLASS_SIZE);
	check_metric(s, "bench.hits[example.com/store.Put/size=4k-2]", UNIT_COUNT, BETTER_HIGHER,
		     CLASS_SIZE);
	(void)session_free(s);
}

static void a_package_holds_until_the_next_one(void **state)
{
	(void)state;
	struct session *s = must_read("go.txt");
	check_values(s, "bench[example.com/other.Get-2]", 17);
	check_values(s, "bench[Benchmark]", 19);
	check_values(s, "bench[Lost-2]", NAN);
	(void)session_free(s);
}

static void damage_is_named_with_its_line(void **state)
{
	(void)state;
	check_refused("BenchmarkA-2 1 2 ns/op\nBenchmarkA-2 1 2 ns/op 3\n",
		      "'x': line 2: expected pairs of value and unit");
	check_refused("BenchmarkA-2 1 2 ns/op\nBenchmarkA-2 1 2\n",
		      "'x': line 2: expected pairs of value and unit");
	check_refused("BenchmarkA-2 1 2,5 ns/op\n", "'x': line 1: '2,5' is not a number");
	check_not_recognised("BenchmarkA-2\nBenchmarking 1 2 ns/op\nPASS\n");
	check_not_recognised("Benchmark results: 1 2 3\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_one_name_are_samples),
		cmocka_unit_test(units_of_report_metric_are_understood),
		cmocka_unit_test(a_package_holds_until_the_next_one),
		cmocka_unit_test(damage_is_named_with_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
