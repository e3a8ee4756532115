/* SPDX-License-Identifier: MIT */
/* JMH 1.37 wrote jmh-modes.json (-prof gc), without what is not read. The others are made after what the
 * exporters of JMH and BenchmarkDotNet write. */

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

/* A sleep of 5 ms, on a machine that is not quiet: in each mode it takes that, or is done 200 times a second. */
static void jmh_modes_and_their_profilers_are_told_apart(void **state)
{
	(void)state;
	struct session *s = must_read("jmh-modes.json");
	const char *average = "bench[com.example.Sleep.sleep (ms = 5)]";
	const char *rate = "bench.ops_per_second[com.example.Sleep.sleep (ms = 5)]";
	const struct series *single =
		must_find(s, "bench.single[com.example.Sleep.sleep (ms = 5)]");
	const struct summary *sample =
		&must_find(s, "bench.sample[com.example.Sleep.sleep (ms = 5)]")->summary;
	for (size_t i = 0; i < 4; i++) {
		assert_true(fabs(must_find(s, average)->values[i] - 5.3e6) < 0.4e6);
		assert_true(fabs(must_find(s, rate)->values[i] - 190) < 10);
		assert_true(fabs(single->values[i] - 5.3e6) < 0.4e6);
	}
	check_values(s, rate, 189.90847266205815, 195.813721936369, 183.40592073116951,
		     194.01797945213786);
	check_value(sample->median, 5.111808e6);
	check_values(s, "bench.sample.p0.50[com.example.Sleep.sleep (ms = 5)]", 5.111808e6,
		     5.103616e6, 5.111808e6, 5.107711999999999e6);
	check_values(s, "bench.gc.alloc.rate.norm[com.example.Sleep.sleep (ms = 5)]",
		     303.57894736842104, 286, 291.6, 286);
	check_values(s, "bench.throughput.gc.alloc.rate.norm[com.example.Sleep.sleep (ms = 5)]",
		     291.6, 286, 306.94736842105266, 289.2);
	check_values(s, "bench.single.gc.alloc.rate.norm[com.example.Sleep.sleep (ms = 5)]", 5736,
		     5688, 5736, 5688);
	assert_int_equal(s->n_series, 13);
	/* Forks are processes. */
	assert_int_equal(must_find(s, average)->n_processes, 2);
	check_value(must_find(s, average)->processes[1], 2);
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
	check_refused(
		"[{\"benchmark\":\"a\",\"primaryMetric\":{\"scoreUnit\":\"s/op\",\"score\":1},"
		"\"params\":[\"b\"],\"secondaryMetrics\":[{\"score\":1}]},{}]",
		"'x': [1]: it has no primaryMetric with a scoreUnit");
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
		cmocka_unit_test(jmh_modes_and_their_profilers_are_told_apart),
		cmocka_unit_test(dotnet_jobs_are_told_apart),
		cmocka_unit_test(damage_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
