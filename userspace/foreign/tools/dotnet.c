/* SPDX-License-Identifier: MIT */
/* BenchmarkDotNet's JSON exporters, brief and full: nanoseconds an operation, a value an iteration. */

#include <math.h>

#include "userspace/foreign/internal.h"

bool dotnet_sniff(const char *text, size_t length)
{
	return foreign_json_sniff(text, length, "Benchmarks", '[') &&
	       foreign_json_sniff(text, length, "HostEnvironmentInfo", '{');
}

static void add_statistics(struct gathering *g, const char *id, const cJSON *statistics)
{
	struct summary *s = gather_summary(g, id, &like_time);
	if (s == NULL)
		return;
	s->n = foreign_count(foreign_json_number(statistics, "N"));
	s->min = foreign_json_number(statistics, "Min");
	s->q1 = foreign_json_number(statistics, "Q1");
	s->median = foreign_json_number(statistics, "Median");
	s->mean = foreign_json_number(statistics, "Mean");
	s->q3 = foreign_json_number(statistics, "Q3");
	s->max = foreign_json_number(statistics, "Max");
	s->stddev = foreign_json_number(statistics, "StandardDeviation");
}

/* Of the same benchmark in several jobs only this tells them apart: "Type.Method: Job-ABC(...)". */
static const char *name_of(struct gathering *g, const cJSON *benchmark)
{
	const char *name = foreign_json_text(benchmark, "FullName");
	const char *shown = foreign_json_text(benchmark, "DisplayInfo");
	if (shown == NULL || name == NULL || !gather_has(g, gather_id(g, "bench", name)))
		return name;
	return shown;
}

static void add_benchmark(struct gathering *g, const cJSON *benchmark, size_t index)
{
	const char *name = name_of(g, benchmark);
	const cJSON *statistics = foreign_json_get(benchmark, "Statistics");
	const cJSON *values = foreign_json_get(statistics, "OriginalValues");
	const double bytes = foreign_json_number(foreign_json_get(benchmark, "Memory"),
						 "BytesAllocatedPerOperation");
	if (name == NULL) {
		gather_fail(g, "Benchmarks[%zu]: it has no FullName", index);
		return;
	}
	if (!cJSON_IsObject(statistics)) {
		gather_note(g, "%.200s: failed", name);
		return;
	}
	const char *id = gather_once(g, gather_id(g, "bench", name));
	if (cJSON_GetArraySize(values) == 0)
		add_statistics(g, id, statistics);
	gather_values(g, id, &like_time, values, 1);
	if (!isnan(bytes))
		gather_value(g, gather_id(g, "bench.bytes", name), &like_size, bytes);
}

void dotnet_read(struct gathering *g, const cJSON *json)
{
	const cJSON *host = foreign_json_get(json, "HostEnvironmentInfo");
	const char *version = foreign_json_text(host, "BenchmarkDotNetVersion");
	const cJSON *benchmark = NULL;
	size_t index = 0;
	gather_note(g, "results of BenchmarkDotNet %.40s", version != NULL ? version : "");
	g->session->host.cpu = gather_text(g, foreign_json_text(host, "ProcessorName"));
	gather_cpus(g, foreign_json_number(host, "LogicalCoreCount"));
	cJSON_ArrayForEach(benchmark, foreign_json_get(json, "Benchmarks"))
		add_benchmark(g, benchmark, index++);
}
