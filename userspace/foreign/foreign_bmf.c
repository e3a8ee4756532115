/* SPDX-License-Identifier: MIT */
/* Bencher Metric Format: benchmarks with measures, each a value and maybe bounds, of which nobody says
 * what they are. What the measures that Bencher knows are measured in is in its manual. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "userspace/foreign/internal.h"

#define MAX_STEM 128

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

static size_t skip_blanks(const char *text, size_t n, size_t i)
{
	while (i < n && strchr(" \t\r\n", text[i]) != NULL && text[i] != '\0')
		i++;
	return i;
}

/* Past a brace, a string and a colon; 0: something else is there. */
static size_t skip_member(const char *text, size_t n, size_t i)
{
	i = skip_blanks(text, n, i);
	if (i >= n || text[i] != '{')
		return 0;
	i = skip_blanks(text, n, i + 1);
	if (i >= n || text[i] != '"')
		return 0;
	for (i++; i < n && text[i] != '"'; i++)
		i += text[i] == '\\';
	i = skip_blanks(text, n, i + 1);
	return i < n && text[i] == ':' ? i + 1 : 0;
}

/* {"NAME": {"MEASURE": {"value": ...}}} and nothing else says what it is. */
bool bmf_sniff(const char *text, size_t length, const char *path)
{
	static const char *const keys[] = { "{\"value\"", "{\"lower_value\"", "{\"upper_value\"" };
	const size_t n = length < FOREIGN_SNIFF_LENGTH ? length : FOREIGN_SNIFF_LENGTH;
	const size_t benchmark = skip_member(text, n, 0);
	const size_t measure = benchmark > 0 ? skip_member(text, n, benchmark) : 0;
	const size_t end = measure > 0 ? skip_member(text, n, measure) : 0;
	char key[32] = "";
	size_t n_key = 0;
	(void)path;
	for (size_t i = measure; i < end && n_key < sizeof(key) - 1; i++) {
		if (strchr(" \t\r\n:", text[i]) == NULL)
			key[n_key++] = text[i];
	}
	for (size_t i = 0; end > 0 && i < sizeof(keys) / sizeof(*keys); i++) {
		if (strcmp(key, keys[i]) == 0)
			return true;
	}
	return false;
}

static void add_measure(struct gathering *g, const char *name, const cJSON *measure)
{
	const char *unit = "";
	char stem[MAX_STEM];
	bool fits = snprintf(stem, sizeof(stem), "bench.%s", measure->string) < (int)sizeof(stem);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(known[i].measure, measure->string) != 0)
			continue;
		fits = snprintf(stem, sizeof(stem), "%s", known[i].stem) < (int)sizeof(stem);
		unit = known[i].unit;
	}
	const struct foreign_unit u = foreign_unit(unit);
	const double value = foreign_json_number(measure, "value");
	if (!fits)
		gather_fail(g, "'%.40s...' is too long a name", measure->string);
	else if (!cJSON_IsObject(measure) || isnan(value))
		gather_fail(g, "%.200s: %.40s has no value", name, measure->string);
	else
		gather_value(g, gather_id(g, stem, name), &u.like, value * u.scale);
}

void bmf_read(struct gathering *g, const cJSON *json)
{
	const cJSON *benchmark = NULL, *measure = NULL;
	gather_note(g, "results in Bencher's metric format");
	cJSON_ArrayForEach(benchmark, json)
	{
		cJSON_ArrayForEach(measure, benchmark) add_measure(g, benchmark->string, measure);
	}
}
