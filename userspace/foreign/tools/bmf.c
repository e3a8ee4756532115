/* SPDX-License-Identifier: MIT */
/* Bencher Metric Format: benchmarks with measures, each a value and maybe bounds, of which nobody says
 * what they are. What the measures that Bencher knows are measured in is in its manual. */

#include <math.h>
#include <string.h>

#include "userspace/foreign/internal.h"

/* clang-format off */
static const struct {
	const char *measure, *stem, *unit;
} known[] = {
	{ "latency", "bench", "ns" },
	{ "throughput", "bench.ops_per_second", "ops/s" },
	{ "file-size", "bench.file_size", "bytes" },
	{ "build-time", "bench.build_time", "s" },
};
/* clang-format on */

/* {"NAME": {"MEASURE": {"value": ...}}} and nothing else says what it is. */
bool bmf_sniff(const char *text, size_t length)
{
	static const char *const keys[] = { "value", "lower_value", "upper_value" };
	bool is_it = false;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		is_it |= foreign_json_begins(text, length, 3, keys[i]);
	return is_it;
}

static void add_measure(struct gathering *g, const char *name, const cJSON *measure)
{
	const double value = foreign_json_number(measure, "value");
	const char *id = NULL, *unit = "";
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(known[i].measure, measure->string) != 0)
			continue;
		id = gather_id(g, known[i].stem, name);
		unit = known[i].unit;
	}
	if (id == NULL)
		id = gather_id_below(g, "bench", measure->string, name);
	const struct foreign_unit u = foreign_unit(unit);
	if (!cJSON_IsObject(measure) || isnan(value))
		gather_fail(g, "%.200s: %.40s has no value", name, measure->string);
	else
		gather_value(g, id, &u.like, value * u.scale);
}

static void add_benchmark(struct gathering *g, const cJSON *benchmark)
{
	const cJSON *measure = NULL;
	if (!cJSON_IsObject(benchmark)) {
		gather_fail(g, "%.200s: it has no measures", benchmark->string);
		return;
	}
	cJSON_ArrayForEach(measure, benchmark) add_measure(g, benchmark->string, measure);
}

void bmf_read(struct gathering *g, const cJSON *json)
{
	const cJSON *benchmark = NULL;
	gather_note(g, "results in Bencher's metric format");
	cJSON_ArrayForEach(benchmark, json) add_benchmark(g, benchmark);
}
