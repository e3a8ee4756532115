/* SPDX-License-Identifier: MIT */
/* vitest bench --outputJson, and what tinybench, which is below it, gives: its tasks with their results,
 * or the rows of bench.table(). Milliseconds a call. vitest writes no samples, tinybench only keeps
 * them with retainSamples. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/foreign/internal.h"

#define MS	   ((double)1e6)
#define TASK_NAME  "Task name"
#define TASK_TITLE "Task Name" /* before tinybench 3 */

bool vitest_sniff(const char *text, size_t length)
{
	return foreign_json_sniff(text, length, "files", '[') &&
	       foreign_holds(text, length, "\"groups\"") &&
	       foreign_holds(text, length, "\"benchmarks\"");
}

bool tinybench_sniff(const char *text, size_t length)
{
	return foreign_first_byte(text, length) == '[' &&
	       (foreign_holds(text, length, "\"" TASK_NAME "\"") ||
		foreign_holds(text, length, "\"" TASK_TITLE "\"") ||
		(foreign_holds(text, length, "\"name\"") &&
		 foreign_holds(text, length, "\"result\"") &&
		 (foreign_holds(text, length, "\"latency\"") ||
		  foreign_holds(text, length, "\"hz\""))));
}

/* --- one result ------------------------------------------------------------------------------- */

/* The first that is there: the words changed. */
static double either(const cJSON *result, const char *key, const char *other)
{
	const double value = foreign_json_number(result, key);
	return isnan(value) ? foreign_json_number(result, other) : value;
}

static void add_statistics(struct gathering *g, const char *id, const cJSON *result)
{
	struct summary *s = gather_summary(g, id, &like_time);
	if (s == NULL)
		return;
	s->n = foreign_count(either(result, "sampleCount", "samplesCount"));
	s->min = foreign_json_number(result, "min") * MS;
	s->max = foreign_json_number(result, "max") * MS;
	s->mean = foreign_json_number(result, "mean") * MS;
	s->stddev = foreign_json_number(result, "sd") * MS;
	s->median = either(result, "median", "p50") * MS;
	s->mad = foreign_json_number(result, "mad") * MS;
	s->q3 = foreign_json_number(result, "p75") * MS;
	s->p99 = foreign_json_number(result, "p99") * MS;
}

static void add_result(struct gathering *g, const char *name, const cJSON *result)
{
	const cJSON *samples = foreign_json_get(result, "samples");
	const char *id = gather_once(g, gather_id(g, "bench", name));
	if (isnan(foreign_json_number(result, "mean"))) {
		gather_note(g, "%.200s: failed", name);
		return;
	}
	if (cJSON_GetArraySize(samples) == 0)
		add_statistics(g, id, result);
	gather_values(g, id, &like_time, samples, MS);
}

/* --- vitest ------------------------------------------------------------------------------------ */

static void add_group(struct gathering *g, const cJSON *group)
{
	const char *of = foreign_json_text(group, "fullName");
	const cJSON *benchmark = NULL;
	cJSON_ArrayForEach(benchmark, foreign_json_get(group, "benchmarks"))
	{
		_cleanup_(buf_done) struct buf name = { .limit = FOREIGN_MAX_NAME };
		const char *own = foreign_json_text(benchmark, "name");
		if (own == NULL) {
			gather_fail(g, "a benchmark without a name");
			return;
		}
		(void)buf_addf(&name, "%s%s%s", of != NULL ? of : "", of != NULL ? " > " : "", own);
		add_result(g, gather_name(g, &name), benchmark);
	}
}

void vitest_read(struct gathering *g, const cJSON *json)
{
	const cJSON *file = NULL, *group = NULL;
	gather_note(g, "results of vitest bench");
	cJSON_ArrayForEach(file, foreign_json_get(json, "files"))
	{
		cJSON_ArrayForEach(group, foreign_json_get(file, "groups")) add_group(g, group);
	}
}

/* --- tinybench --------------------------------------------------------------------------------- */

/* "8253.9 ± 162.05%", or only the number; NAN: neither. */
static double number_in(const cJSON *row, const char *key)
{
	const char *text = foreign_json_text(row, key);
	char *end = NULL;
	if (text == NULL || strspn(text, "0123456789") == 0)
		return foreign_json_number(row, key);
	const double value = strtod(text, &end);
	return *end == '\0' || *end == ' ' ? value : (double)NAN;
}

static double first_number(const cJSON *row, const char *const *keys)
{
	double value = NAN;
	for (; *keys != NULL && isnan(value); keys++)
		value = number_in(row, *keys);
	return value;
}

/* A row of bench.table(): rounded for people, in ns. */
static void add_table_row(struct gathering *g, const char *name, const cJSON *row)
{
	static const char *const means[] = { "Latency avg (ns)", "Latency average (ns)",
					     "Average Time (ns)", NULL };
	static const char *const medians[] = { "Latency med (ns)", "Latency median (ns)", NULL };
	const char *error = foreign_json_text(row, "Error");
	if (error != NULL) {
		gather_note(g, "%.200s: %.200s", name, error);
		return;
	}
	struct summary *s = gather_summary(g, gather_id(g, "bench", name), &like_time);
	if (s == NULL)
		return;
	s->mean = first_number(row, means);
	s->median = first_number(row, medians);
	s->n = foreign_count(foreign_json_number(row, "Samples"));
}

static void add_task(struct gathering *g, const cJSON *task, size_t index)
{
	const cJSON *result = foreign_json_get(task, "result");
	const cJSON *latency = foreign_json_get(result, "latency");
	const cJSON *error = foreign_json_get(result, "error");
	const char *title = foreign_json_text(task, TASK_NAME);
	const char *name = foreign_json_text(task, "name");
	if (title == NULL)
		title = foreign_json_text(task, TASK_TITLE);
	if (title != NULL)
		add_table_row(g, title, task);
	else if (name == NULL)
		gather_fail(g, "[%zu]: it has no name", index);
	else if (error != NULL)
		gather_note(g, "%.200s: failed", name);
	else
		add_result(g, name, latency != NULL ? latency : result);
}

void tinybench_read(struct gathering *g, const cJSON *json)
{
	const cJSON *task = NULL;
	size_t index = 0;
	gather_note(g, "results of tinybench");
	cJSON_ArrayForEach(task, json) add_task(g, task, index++);
}
