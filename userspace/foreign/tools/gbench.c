/* SPDX-License-Identifier: MIT */
/* Google Benchmark, --benchmark_out_format=json. Repetitions share a name and are its samples;
 * where only the aggregates were written, these are the statistics. */

#include <math.h>
#include <string.h>

#include "userspace/foreign/internal.h"

bool gbench_sniff(const char *text, size_t length)
{
	return foreign_json_sniff(text, length, "context", '{') &&
	       (foreign_json_sniff(text, length, "benchmarks", '[') ||
		foreign_holds(text, length, "\"num_cpus\""));
}

/* What a row says about itself, all but the counters. */
static const char *const own_keys[] = {
	"family_index",
	"per_family_instance_index",
	"repetitions",
	"repetition_index",
	"threads",
	"iterations",
	"real_time",
	"cpu_time",
	"real_coefficient",
	"cpu_coefficient",
	"rms",
	NULL,
};

static bool is_counter(const cJSON *member)
{
	return cJSON_IsNumber(member) && !foreign_is_one_of(member->string, own_keys);
}

static struct metric like_counter(const char *key)
{
	static const char *const bytes[] = { "max_bytes_used", "total_allocated_bytes",
					     "net_heap_growth", NULL };
	const size_t n = strlen(key);
	struct metric like = like_count;
	if (foreign_is_one_of(key, bytes))
		return like_size;
	if (strcmp(key, "allocs_per_iter") == 0)
		like.better = BETTER_LOWER;
	if (n > 11 && strcmp(key + n - 11, "_per_second") == 0)
		like.better = BETTER_HIGHER;
	if (strcmp(key, "bytes_per_second") == 0)
		like.unit = UNIT_BYTES;
	return like;
}

static void add_counters(struct gathering *g, const cJSON *row, const char *name)
{
	const cJSON *member = NULL;
	cJSON_ArrayForEach(member, row)
	{
		if (!is_counter(member))
			continue;
		const struct metric like = like_counter(member->string);
		gather_value(g, gather_id_below(g, "bench", member->string, name), &like,
			     member->valuedouble);
	}
}

/* ns a unit; NAN: unknown. */
static double time_scale(struct gathering *g, const cJSON *row, const char *name)
{
	const char *unit = foreign_json_text(row, "time_unit");
	const struct foreign_unit u = foreign_unit(unit != NULL ? unit : "ns");
	if (u.like.unit == UNIT_NS)
		return u.scale;
	gather_fail(g, "%.40s: '%.20s' is no unit of time", name, unit);
	return NAN;
}

static void add_repetition(struct gathering *g, const cJSON *row, const char *name)
{
	const double scale = time_scale(g, row, name);
	gather_value(g, gather_id(g, "bench", name), &like_time,
		     foreign_json_number(row, "real_time") * scale);
	gather_value(g, gather_id(g, "bench.cpu", name), &like_time,
		     foreign_json_number(row, "cpu_time") * scale);
	add_counters(g, row, name);
}

static void add_statistic(struct gathering *g, const cJSON *row, const char *id, double value)
{
	const char *which = foreign_json_text(row, "aggregate_name");
	struct summary *s = gather_summary(g, id, &like_time);
	if (s == NULL)
		return;
	s->n = foreign_count(foreign_json_number(row, "repetitions"));
	if (strcmp(which, "mean") == 0)
		s->mean = value;
	else if (strcmp(which, "median") == 0)
		s->median = value;
	else if (strcmp(which, "stddev") == 0)
		s->stddev = value;
}

static bool is_statistic(const cJSON *row)
{
	static const char *const read[] = { "mean", "median", "stddev", NULL };
	const char *which = foreign_json_text(row, "aggregate_name");
	return which != NULL && foreign_is_one_of(which, read);
}

static void add_aggregate(struct gathering *g, const cJSON *row)
{
	const char *name = foreign_json_text(row, "run_name");
	if (name == NULL || !is_statistic(row))
		return;
	const double scale = time_scale(g, row, name);
	add_statistic(g, row, gather_id(g, "bench", name),
		      foreign_json_number(row, "real_time") * scale);
	add_statistic(g, row, gather_id(g, "bench.cpu", name),
		      foreign_json_number(row, "cpu_time") * scale);
}

static bool is_aggregate(const cJSON *row)
{
	const char *type = foreign_json_text(row, "run_type");
	return type != NULL && strcmp(type, "aggregate") == 0;
}

/* An error or a benchmark that skipped itself: there is no time. */
static const char *reason_of(const cJSON *row)
{
	const char *message = foreign_json_text(row, "error_message");
	if (message == NULL)
		message = foreign_json_text(row, "skip_message");
	const bool has_none = cJSON_IsTrue(foreign_json_get(row, "error_occurred")) ||
			      cJSON_IsTrue(foreign_json_get(row, "skipped"));
	return message != NULL ? message : has_none ? "failed" : NULL;
}

static void add_row(struct gathering *g, const cJSON *row, size_t index)
{
	const char *name = foreign_json_text(row, "name");
	if (name == NULL)
		gather_fail(g, "benchmarks[%zu]: it has no name", index);
	else if (reason_of(row) != NULL)
		gather_note(g, "%.200s: %.200s", name, reason_of(row));
	else if (!is_aggregate(row))
		add_repetition(g, row, name);
}

static void add_context(struct gathering *g, const cJSON *context)
{
	gather_note(g, "results of Google Benchmark");
	gather_command(g, foreign_json_text(context, "executable"));
	gather_cpus(g, foreign_json_number(context, "num_cpus"));
}

void gbench_read(struct gathering *g, const cJSON *json)
{
	const cJSON *rows = foreign_json_get(json, "benchmarks");
	const cJSON *row = NULL;
	size_t index = 0;
	add_context(g, foreign_json_get(json, "context"));
	if (!cJSON_IsArray(rows))
		gather_fail(g, "it has no array of benchmarks");
	cJSON_ArrayForEach(row, rows) add_row(g, row, index++);
	/* Behind the samples, which make these superfluous. */
	cJSON_ArrayForEach(row, rows)
	{
		if (is_aggregate(row))
			add_aggregate(g, row);
	}
}
