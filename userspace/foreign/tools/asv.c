/* SPDX-License-Identifier: MIT */
/* A file of asv's results (version 2): .asv/results/MACHINE/COMMIT-ENVIRONMENT.json. What a benchmark
 * measures its name says, as asv itself decides it; each combination of its parameters is one. */

#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/foreign/internal.h"

#define MAX_PARAMS 64

/* Of a row, which is an array; those at its end may be left out. */
enum column { RESULT, PARAMS, SAMPLES, REPEAT, Q25, Q75, N_COLUMNS };
static const char *const titles[N_COLUMNS] = {
	[RESULT] = "result",	   [PARAMS] = "params",	 [SAMPLES] = "samples",
	[REPEAT] = "stats_repeat", [Q25] = "stats_q_25", [Q75] = "stats_q_75",
};

static const struct metric like_track = { .unit = UNIT_COUNT,
					  .better = BETTER_LOWER,
					  .class = CLASS_SIZE };

struct kind {
	const char *prefix;
	const struct metric *like;
	double scale;
};

struct reading {
	struct gathering *g;
	int columns[N_COLUMNS]; /* where they are in a row; -1: nowhere */
	/* the benchmark */
	const char *name;
	const struct kind *kind;
	const cJSON *params[MAX_PARAMS]; /* the first value of each */
	size_t n_params;
	/* one combination of them */
	const cJSON *chosen[MAX_PARAMS];
	const cJSON *at[N_COLUMNS]; /* what is said of it; NULL: nothing */
};

bool asv_sniff(const char *text, size_t length)
{
	return foreign_json_sniff(text, length, "commit_hash", '"') &&
	       foreign_json_sniff(text, length, "results", '{');
}

static const struct kind *kind_of(const char *name)
{
	static const struct kind kinds[] = {
		{ "time_", &like_time, NS },	{ "Time", &like_time, NS },
		{ "timeraw_", &like_time, NS }, { "Timeraw", &like_time, NS },
		{ "mem_", &like_size, 1 },	{ "Mem", &like_size, 1 },
		{ "peakmem_", &like_size, 1 },	{ "PeakMem", &like_size, 1 },
		{ "", &like_track, 1 },
	};
	const char *dot = strrchr(name, '.');
	const char *function = dot != NULL ? dot + 1 : name;
	const struct kind *kind = kinds;
	while (strncmp(function, kind->prefix, strlen(kind->prefix)) != 0)
		kind++;
	return kind;
}

/* --- combinations: the last parameter changes fastest ---------------------------------------- */

static void begin_combinations(struct reading *r, const cJSON *row)
{
	const cJSON *param = NULL;
	for (size_t c = 0; c < N_COLUMNS; c++) {
		const cJSON *array = cJSON_GetArrayItem(row, r->columns[c]);
		r->at[c] = cJSON_IsArray(array) ? array->child : NULL;
	}
	r->n_params = 0;
	for (param = r->at[PARAMS]; param != NULL; param = param->next) {
		if (r->n_params == MAX_PARAMS) {
			gather_fail(r->g, "%.200s: more than %d parameters", r->name, MAX_PARAMS);
			return;
		}
		r->chosen[r->n_params] = r->params[r->n_params] = param->child;
		r->n_params++;
	}
}

static void next_combination(struct reading *r)
{
	for (size_t c = 0; c < N_COLUMNS; c++)
		r->at[c] = r->at[c] != NULL ? r->at[c]->next : NULL;
	for (size_t p = r->n_params; p > 0; p--) {
		const cJSON *value = r->chosen[p - 1];
		r->chosen[p - 1] = value != NULL ? value->next : NULL;
		if (r->chosen[p - 1] != NULL)
			return;
		r->chosen[p - 1] = r->params[p - 1];
	}
}

/* --- one of them ----------------------------------------------------------------------------- */

/* "NAME(1, 'a')" */
static const char *id_of(struct reading *r)
{
	_cleanup_(buf_done) struct buf name = { .limit = FOREIGN_MAX_NAME };
	(void)buf_adds(&name, r->name);
	for (size_t p = 0; p < r->n_params; p++) {
		const char *text = cJSON_GetStringValue(r->chosen[p]);
		(void)buf_addf(&name, "%s%s", p == 0 ? "(" : ", ", text != NULL ? text : "?");
	}
	(void)buf_adds(&name, r->n_params > 0 ? ")" : "");
	return gather_once(r->g, gather_id(r->g, "bench", gather_name(r->g, &name)));
}

static double number_at(const struct reading *r, enum column column)
{
	return cJSON_IsNumber(r->at[column]) ? r->at[column]->valuedouble : (double)NAN;
}

static void add_statistics(struct reading *r, const char *id)
{
	const double scale = r->kind->scale;
	struct summary *s = gather_summary(r->g, id, r->kind->like);
	if (s == NULL)
		return;
	s->n = foreign_count(number_at(r, REPEAT));
	s->median = number_at(r, RESULT) * scale;
	s->q1 = number_at(r, Q25) * scale;
	s->q3 = number_at(r, Q75) * scale;
}

static void add_combination(struct reading *r)
{
	const char *id = id_of(r);
	const struct kind *kind = r->kind;
	const double result = number_at(r, RESULT);
	if (!isnan(result) && cJSON_GetArraySize(r->at[SAMPLES]) > 0)
		gather_values(r->g, id, kind->like, r->at[SAMPLES], kind->scale);
	else if (!isnan(result) && !isnan(number_at(r, REPEAT)))
		add_statistics(r, id);
	else
		gather_value(r->g, id, kind->like, result * kind->scale);
}

static void add_benchmark(struct reading *r, const cJSON *row)
{
	r->name = row->string;
	r->kind = kind_of(r->name);
	begin_combinations(r, row);
	if (r->at[RESULT] == NULL)
		gather_note(r->g, "%.200s: failed", r->name);
	for (; r->at[RESULT] != NULL && r->g->error == 0; next_combination(r))
		add_combination(r);
}

static void find_columns(struct reading *r, const cJSON *columns)
{
	const cJSON *column = NULL;
	int i = 0;
	for (size_t c = 0; c < N_COLUMNS; c++)
		r->columns[c] = -1;
	cJSON_ArrayForEach(column, columns)
	{
		for (size_t c = 0; c < N_COLUMNS && cJSON_IsString(column); c++) {
			if (strcmp(column->valuestring, titles[c]) == 0)
				r->columns[c] = i;
		}
		i++;
	}
}

void asv_read(struct gathering *g, const cJSON *json)
{
	struct reading r = { .g = g };
	const cJSON *columns = foreign_json_get(json, "result_columns");
	const char *commit = foreign_json_text(json, "commit_hash");
	const cJSON *machine = foreign_json_get(json, "params");
	const cJSON *row = NULL;
	gather_note(g, "results of asv of commit %.40s", commit != NULL ? commit : "");
	g->session->host.cpu = gather_text(g, foreign_json_text(machine, "cpu"));
	if (!cJSON_IsArray(columns))
		gather_fail(g, "it has no result_columns: only version 2 of asv's files is read");
	find_columns(&r, columns);
	cJSON_ArrayForEach(row, foreign_json_object(json, "results")) add_benchmark(&r, row);
}
