/* SPDX-License-Identifier: MIT */
/* JMH and BenchmarkDotNet: made after what their exporters write. */

#include "tests/unit/foreign_files.h"

static void jmh_forks_and_modes(void **state)
{
	(void)state;
	struct session *s = must_read("jmh.json");
	const char *sum = "bench[com.example.Lists.sum (size = 64, kind = array)]";
	check_values(s, sum, 12e3, 12.5e3, 13e3, 12.25e3, 12.5e3, 12.75e3);
	check_metric(s, sum, UNIT_NS, BETTER_LOWER, CLASS_TIME);
	check_values(s, "bench.gc.alloc.rate.norm[com.example.Lists.sum (size = 64, kind = array)]",
		     48, 48, 48);
	check_metric(s, "bench.gc.alloc.rate[com.example.Lists.sum (size = 64, kind = array)]",
		     UNIT_BYTES, BETTER_NEITHER, CLASS_SIZE);
	check_values(s, "bench.ops_per_second[com.example.Lists.get]", 240e3, 260e3);
	check_metric(s, "bench.ops_per_second[com.example.Lists.get]", UNIT_COUNT, BETTER_HIGHER,
		     CLASS_SIZE);
	/* Of a histogram the statistics. */
	const struct summary *sample =
		&must_find(s, "bench.sample[com.example.Lists.get]")->summary;
	check_value(sample->mean, 3.5);
	check_value(sample->median, 3);
	check_value(sample->p99, 9);
	assert_string_equal(s->notes[0], "results of JMH 1.37");
	(void)session_free(s);
}

static void dotnet_jobs_are_told_apart(void **state)
{
	(void)state;
	struct session *s = must_read("dotnet.json");
	check_values(s, "bench[Example.Sort.Numbers(N: 10)]", 41.5, 42, 43.5);
	check_values(s, "bench.bytes[Example.Sort.Numbers(N: 10)]", 64);
	const struct summary *other =
		&must_find(s, "bench[Sort.Numbers: Job-B(Runtime=.NET 9.0) [N=10]]")->summary;
	assert_int_equal(other->n, 15);
	check_value(other->median, 32);
	check_value(other->stddev, 1.5);
	assert_string_equal(s->notes[1], "Example.Sort.Broken: failed");
	assert_string_equal(s->host.cpu, "Example CPU");
	assert_int_equal(s->host.cpus, 4);
	(void)session_free(s);
}

static void damage_is_named(void **state)
{
	(void)state;
	check_refused("[{\"benchmark\":\"a\",\"primaryMetric\":{}}]",
		      "'x': [0]: it has no primaryMetric with a scoreUnit");
	check_refused("[{\"primaryMetric\":{\"scoreUnit\":\"s/op\"},\"benchmark\":1}]",
		      "'x': [0]: it has no benchmark");
	check_refused("{\"HostEnvironmentInfo\":{},\"Benchmarks\":[{}]}",
		      "'x': Benchmarks[0]: it has no FullName");
	check_refused("{\"HostEnvironmentInfo\":{},\"Benchmarks\":[]}",
		      "'x': there is no result in it");
	check_not_recognised("{\"Benchmarks\":[]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jmh_forks_and_modes),
		cmocka_unit_test(dotnet_jobs_are_told_apart),
		cmocka_unit_test(damage_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
