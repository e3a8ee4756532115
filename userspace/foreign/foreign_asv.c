/* SPDX-License-Identifier: MIT */
/* A file of asv's results (version 2): .asv/results/MACHINE/COMMIT-ENVIRONMENT.json. What a benchmark
 * measures its name says, as asv itself decides it; each combination of its parameters is one. */

#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/foreign/internal.h"

#define MAX_PARAMS 64

static const struct metric like_track = { .unit = UNIT_COUNT,
					  .better = BETTER_LOWER,
					  .class = CLASS_SIZE };

struct benchmark {
	const char *name;
	const cJSON *columns, *row; /* of the file, of the benchmark */
	const struct metric *like;
	double scale;
};

bool asv_sniff(const char *text, size_t length)
{
	return foreign_json_sniff(text, length, "commit_hash", '"') &&
	       foreign_json_sniff(text, length, "results", '{');
}

static void find_kind(struct benchmark *b)
{
	static const struct {
		const char *prefix;
		const struct metric *like;
		double scale;
	} kinds[] = {
		{ "time_", &like_time, NS },	{ "Time", &like_time, NS },
		{ "timeraw_", &like_time, NS }, { "Timeraw", &like_time, NS },
		{ "mem_", &like_size, 1 },	{ "Mem", &like_size, 1 },
		{ "peakmem_", &like_size, 1 },	{ "PeakMem", &like_size, 1 },
	};
	const char *dot = strrchr(b->name, '.');
	const char *function = dot != NULL ? dot + 1 : b->name;
	b->like = &like_track;
	b->scale = 1;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strncmp(function, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
			continue;
		b->like = kinds[i].like;
		b->scale = kinds[i].scale;
	}
}

/* Columns at the end may be left out. */
static const cJSON *column(const struct benchmark *b, const char *title)
{
	const cJSON *name = NULL;
	int i = 0;
	cJSON_ArrayForEach(name, b->columns)
	{
		if (cJSON_IsString(name) && strcmp(name->valuestring, title) == 0)
			return cJSON_GetArrayItem(b->row, i);
		i++;
	}
	return NULL;
}

static double number_at(const struct benchmark *b, const char *title, int i)
{
	const cJSON *value = cJSON_GetArrayItem(column(b, title), i);
	return cJSON_IsNumber(value) ? value->valuedouble : (double)NAN;
}

/* "NAME(1, 'a')" of the @i-th combination: the last parameter changes fastest. */
static void add_name(struct buf *name, const struct benchmark *b, int i)
{
	const cJSON *chosen[MAX_PARAMS] = { NULL };
	const cJSON *params = column(b, "params");
	const int n = cJSON_GetArraySize(params);
	(void)buf_adds(name, b->name);
	for (int p = n < MAX_PARAMS ? n - 1 : -1; p >= 0; p--) {
		const cJSON *values = cJSON_GetArrayItem(params, p);
		const int n_values = cJSON_GetArraySize(values);
		if (n_values == 0)
			return;
		chosen[p] = cJSON_GetArrayItem(values, i % n_values);
		i /= n_values;
	}
	for (int p = 0; p < n && p < MAX_PARAMS; p++) {
		const char *text = cJSON_GetStringValue(chosen[p]);
		(void)buf_addf(name, "%s%s%s", p == 0 ? "(" : ", ", text != NULL ? text : "?",
			       p == n - 1 ? ")" : "");
	}
}

static void add_statistics(struct gathering *g, const char *id, const struct benchmark *b, int i,
			   double result)
{
	struct summary *s = gather_summary(g, id, b->like);
	const double n = number_at(b, "stats_repeat", i);
	if (s == NULL)
		return;
	s->n = n >= 0 && n <= 1e15 ? (size_t)n : 1;
	s->median = result * b->scale;
	s->q1 = number_at(b, "stats_q_25", i) * b->scale;
	s->q3 = number_at(b, "stats_q_75", i) * b->scale;
}

static void add_combination(struct gathering *g, const struct benchmark *b, int i,
			    const cJSON *result)
{
	_cleanup_(buf_done) struct buf name = { .limit = FOREIGN_MAX_NAME };
	const cJSON *samples = cJSON_GetArrayItem(column(b, "samples"), i);
	const cJSON *value = NULL;
	add_name(&name, b, i);
	if (name.error < 0) {
		gather_fail(g, "%.40s...: a name that is too long", b->name);
		return;
	}
	const char *id = gather_id(g, "bench", buf_str(&name));
	if (!cJSON_IsNumber(result))
		gather_value(g, id, b->like, NAN);
	else if (cJSON_GetArraySize(samples) == 0 && isnan(number_at(b, "stats_repeat", i)))
		gather_value(g, id, b->like, result->valuedouble * b->scale);
	else if (cJSON_GetArraySize(samples) == 0)
		add_statistics(g, id, b, i, result->valuedouble);
	else
		cJSON_ArrayForEach(value, samples) gather_value(
			g, id, b->like,
			cJSON_IsNumber(value) ? value->valuedouble * b->scale : (double)NAN);
}

static void add_benchmark(struct gathering *g, const cJSON *columns, const cJSON *row)
{
	struct benchmark b = { .name = row->string, .columns = columns, .row = row };
	const cJSON *result = NULL;
	int i = 0;
	find_kind(&b);
	if (!cJSON_IsArray(column(&b, "result")))
		gather_note(g, "%.200s: failed", b.name);
	cJSON_ArrayForEach(result, column(&b, "result")) add_combination(g, &b, i++, result);
}

void asv_read(struct gathering *g, const cJSON *json)
{
	const cJSON *columns = foreign_json_get(json, "result_columns");
	const char *commit = foreign_json_text(json, "commit_hash");
	const cJSON *machine = foreign_json_get(json, "params");
	const cJSON *row = NULL;
	gather_note(g, "results of asv of commit %.40s", commit != NULL ? commit : "");
	g->session->host.cpu = gather_text(g, foreign_json_text(machine, "cpu"));
	if (!cJSON_IsArray(columns))
		gather_fail(g, "it has no result_columns: only version 2 of asv's files is read");
	cJSON_ArrayForEach(row, foreign_json_get(json, "results")) add_benchmark(g, columns, row);
}
