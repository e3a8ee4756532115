/* SPDX-License-Identifier: MIT */
/* BenchmarkDotNet's JSON exporters, brief and full: nanoseconds an operation, a value an iteration. */

#include <math.h>
#include <string.h>

#include "userspace/foreign/internal.h"

bool dotnet_sniff(const char *text, size_t length, const char *path)
{
	(void)path;
	return foreign_json_sniff(text, length, "Benchmarks", '[') &&
	       foreign_json_sniff(text, length, "HostEnvironmentInfo", '{');
}

static void add_statistics(struct gathering *g, const char *id, const cJSON *statistics)
{
	struct summary *s = gather_summary(g, id, &like_time);
	const double n = foreign_json_number(statistics, "N");
	if (s == NULL)
		return;
	s->n = n >= 0 && n <= 1e15 ? (size_t)n : 0;
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
	const cJSON *value = NULL;
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
	const char *id = gather_id(g, "bench", name);
	if (gather_has(g, id))
		gather_fail(g, "'%.200s' is there twice", name);
	else if (cJSON_GetArraySize(values) == 0)
		add_statistics(g, id, statistics);
	cJSON_ArrayForEach(value, values) gather_value(
		g, id, &like_time, cJSON_IsNumber(value) ? value->valuedouble : (double)NAN);
	if (!isnan(bytes))
		gather_value(g, gather_id(g, "bench.bytes", name), &like_size, bytes);
}

void dotnet_read(struct gathering *g, const cJSON *json)
{
	const cJSON *host = foreign_json_get(json, "HostEnvironmentInfo");
	const char *version = foreign_json_text(host, "BenchmarkDotNetVersion");
	const double n_cpus = foreign_json_number(host, "LogicalCoreCount");
	const cJSON *benchmark = NULL;
	size_t index = 0;
	gather_note(g, "results of BenchmarkDotNet %.40s", version != NULL ? version : "");
	g->session->host.cpu = gather_text(g, foreign_json_text(host, "ProcessorName"));
	if (n_cpus >= 1 && n_cpus <= 1e6)
		g->session->host.cpus = (int64_t)n_cpus;
	cJSON_ArrayForEach(benchmark, foreign_json_get(json, "Benchmarks"))
		add_benchmark(g, benchmark, index++);
}
