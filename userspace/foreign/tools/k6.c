/* SPDX-License-Identifier: MIT */
/* k6: the summary of --summary-export, and the object that handleSummary() gets, where the numbers
 * are one level deeper, in "values", and a metric says what it "contains". A trend has statistics
 * and no values; all else is one value a file. */

#include <math.h>
#include <string.h>

#include "userspace/base/units.h"
#include "userspace/foreign/internal.h"

bool k6_sniff(const char *text, size_t length)
{
	return foreign_json_sniff(text, length, "metrics", '{') &&
	       (foreign_json_sniff(text, length, "root_group", '{') ||
		foreign_holds(text, length, "\"iterations\"") ||
		foreign_holds(text, length, "\"http_req"));
}

/* --summary-export does not tell times from numbers: these are k6's own times, in ms. */
static bool is_time(const char *name, const cJSON *metric)
{
	static const char *const begin[] = { "http_req_",	    "iteration_duration",
					     "group_duration",	    "ws_connecting",
					     "ws_session_duration", "ws_ping",
					     "grpc_req_duration",   "browser_" };
	const char *contains = foreign_json_text(metric, "contains");
	if (contains != NULL)
		return strcmp(contains, "time") == 0;
	for (size_t i = 0; i < sizeof(begin) / sizeof(*begin); i++) {
		if (strncmp(name, begin[i], strlen(begin[i])) == 0)
			return true;
	}
	return false;
}

/* Submetrics are called "data_sent{...}". */
static bool is_called(const char *name, const char *metric)
{
	const size_t n = strlen(metric);
	return strncmp(name, metric, n) == 0 && (name[n] == '\0' || name[n] == '{');
}

static void add_trend(struct gathering *g, const char *id, const cJSON *values, bool is_a_time)
{
	const double scale = is_a_time ? (double)NS_PER_MS : 1;
	struct metric like = is_a_time ? like_time : like_count;
	like.better = BETTER_LOWER;
	struct summary *s = gather_summary(g, id, &like);
	if (s == NULL)
		return;
	s->n = foreign_count(foreign_json_number(values, "count"));
	s->mean = foreign_json_number(values, "avg") * scale;
	s->min = foreign_json_number(values, "min") * scale;
	s->median = foreign_json_number(values, "med") * scale;
	s->max = foreign_json_number(values, "max") * scale;
	s->p95 = foreign_json_number(values, "p(95)") * scale;
	s->p99 = foreign_json_number(values, "p(99)") * scale;
}

/* The share of what was true: of checks that is good, of failures it is not. */
static void add_rate(struct gathering *g, const char *id, const char *name, double value)
{
	struct metric like = { .unit = UNIT_RATIO, .better = BETTER_NEITHER, .class = CLASS_RATIO };
	if (is_called(name, "checks"))
		like.better = BETTER_HIGHER;
	else if (is_called(name, "http_req_failed"))
		like.better = BETTER_LOWER;
	gather_value(g, id, &like, value);
}

static void add_counter(struct gathering *g, const char *name, const cJSON *values)
{
	struct metric like = like_count;
	if (is_called(name, "data_sent") || is_called(name, "data_received"))
		like.unit = UNIT_BYTES;
	if (is_called(name, "dropped_iterations"))
		like.better = BETTER_LOWER;
	gather_value(g, gather_id(g, "k6", name), &like, foreign_json_number(values, "count"));
	if (is_called(name, "http_reqs") || is_called(name, "iterations"))
		like.better = BETTER_HIGHER;
	gather_value(g, gather_id(g, "k6.rate", name), &like, foreign_json_number(values, "rate"));
}

static void add_metric(struct gathering *g, const cJSON *metric)
{
	const char *name = metric->string;
	const cJSON *nested = foreign_json_get(metric, "values");
	const cJSON *values = cJSON_IsObject(nested) ? nested : metric;
	const char *id = gather_id(g, "k6", name);
	const double value = foreign_json_number(values, "value");
	const double rate = foreign_json_number(values, "rate");
	if (!cJSON_IsObject(metric))
		gather_fail(g, "metrics.%.40s: expected an object", name);
	else if (foreign_json_get(values, "avg") != NULL)
		add_trend(g, id, values, is_time(name, metric));
	else if (foreign_json_get(values, "passes") != NULL)
		add_rate(g, id, name, isnan(value) ? rate : value);
	else if (foreign_json_get(values, "count") != NULL)
		add_counter(g, name, values);
	else if (!isnan(value))
		gather_value(g, id, &like_count, value);
}

void k6_read(struct gathering *g, const cJSON *json)
{
	const cJSON *metric = NULL;
	gather_note(g, "summary of k6");
	cJSON_ArrayForEach(metric, foreign_json_object(json, "metrics")) add_metric(g, metric);
}
