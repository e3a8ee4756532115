/* SPDX-License-Identifier: MIT */
/* The CSV of tools that write JSON too: a row becomes the object that it is there, and the reader of
 * the JSON does the rest. */

#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/foreign/forms/csv.h"
#include "userspace/foreign/internal.h"

struct form {
	const char *const *titles; /* what tells it */
	const char *rows;	   /* the array of objects in the document */
	bool (*is_text)(const char *title);
	void (*finish)(cJSON *rows); /* what only the JSON says */
	void (*read)(struct gathering *g, const cJSON *json);
};

/* --- hyperfine ------------------------------------------------------------------------------- */

static const char *const hyperfine_titles[] = { "command", "mean",   "stddev", "median",
						"user",	   "system", NULL };
static const char hyperfine_parameter[] = "parameter_";

static bool is_hyperfine_text(const char *title)
{
	return strcmp(title, "command") == 0 ||
	       strncmp(title, hyperfine_parameter, sizeof(hyperfine_parameter) - 1) == 0;
}

static void move_parameters(cJSON *row)
{
	cJSON *parameters = cJSON_AddObjectToObject(row, "parameters");
	cJSON *next = NULL;
	for (cJSON *item = row->child; item != NULL && parameters != NULL; item = next) {
		const size_t n = sizeof(hyperfine_parameter) - 1;
		next = item->next;
		if (strncmp(item->string, hyperfine_parameter, n) == 0)
			(void)cJSON_AddStringToObject(parameters, item->string + n,
						      item->valuestring);
	}
}

static void finish_hyperfine(cJSON *rows)
{
	cJSON *row = NULL;
	cJSON_ArrayForEach(row, rows) move_parameters(row);
}

static const struct form hyperfine = { hyperfine_titles, "results", is_hyperfine_text,
				       finish_hyperfine, hyperfine_read };

/* --- Google Benchmark ------------------------------------------------------------------------ */

static const char *const gbench_titles[] = { "name",	 "iterations", "real_time",
					     "cpu_time", "time_unit",  NULL };
static const char *const gbench_texts[] = { "name",	      "time_unit",     "label",
					    "error_occurred", "error_message", NULL };
/* Written together, behind the repetitions or in their place; _cv is no time. */
static const char *const gbench_statistics[] = { "mean", "median", "stddev", "cv" };
#define N_STATISTICS (sizeof(gbench_statistics) / sizeof(*gbench_statistics))

static bool is_gbench_text(const char *title)
{
	return foreign_is_one_of(title, gbench_texts);
}

/* The length of NAME in NAME_mean; 0: it does not end so. */
static size_t length_before(const char *name, const char *statistic)
{
	const size_t n = strlen(name), n_statistic = strlen(statistic);
	const bool ends = n > n_statistic + 1 && name[n - n_statistic - 1] == '_' &&
			  strcmp(name + n - n_statistic, statistic) == 0;
	return ends ? n - n_statistic - 1 : 0;
}

/* @mean and what follows it: a benchmark may well be called so, but not three of them. */
static void mark_statistics(cJSON *mean)
{
	const char *name = foreign_json_text(mean, "name");
	const size_t n = name != NULL ? length_before(name, gbench_statistics[0]) : 0;
	cJSON *rows[N_STATISTICS] = { mean };
	size_t n_rows = 1;
	if (n == 0)
		return;
	for (cJSON *row = mean->next; row != NULL && n_rows < N_STATISTICS; row = row->next) {
		const char *other = foreign_json_text(row, "name");
		if (other == NULL || length_before(other, gbench_statistics[n_rows]) != n ||
		    strncmp(other, name, n) != 0)
			break;
		rows[n_rows++] = row;
	}
	for (size_t i = 0; i < n_rows && n_rows >= 3; i++) {
		cJSON *run_name = cJSON_AddStringToObject(rows[i], "run_name", name);
		if (run_name != NULL)
			run_name->valuestring[n] = '\0';
		(void)cJSON_AddStringToObject(rows[i], "run_type", "aggregate");
		(void)cJSON_AddStringToObject(rows[i], "aggregate_name", gbench_statistics[i]);
		(void)cJSON_AddNumberToObject(rows[i], "repetitions",
					      foreign_json_number(rows[i], "iterations"));
	}
}

static void mark_failure(cJSON *row)
{
	const char *is_failed = foreign_json_text(row, "error_occurred");
	if (is_failed != NULL && strcmp(is_failed, "true") == 0)
		(void)cJSON_ReplaceItemInObjectCaseSensitive(row, "error_occurred",
							     cJSON_CreateTrue());
}

static void finish_gbench(cJSON *rows)
{
	cJSON *row = NULL;
	cJSON_ArrayForEach(row, rows)
	{
		mark_failure(row);
		mark_statistics(row);
	}
}

static const struct form gbench = { gbench_titles, "benchmarks", is_gbench_text, finish_gbench,
				    gbench_read };

/* --- rows as objects ------------------------------------------------------------------------- */

/* The titles, which the next row overwrites. */
static bool keep_titles(struct gathering *g, const struct csv *c, const char **ret)
{
	for (size_t i = 0; i < c->n; i++) {
		ret[i] = arena_strdup(g->session->arena, csv_field(c, (int)i));
		if (ret[i] == NULL)
			return false;
	}
	return true;
}

/* What is empty, or 0 by 0, was not measured. */
static bool is_missing(const char *text)
{
	static const char *const words[] = { "", "nan", "-nan", "inf", "-inf", NULL };
	return foreign_is_one_of(text, words);
}

static bool add_field(struct gathering *g, const struct form *form, const struct csv *c,
		      const char *title, const char *text, cJSON *row)
{
	double number = 0;
	if (form->is_text(title))
		return text[0] == '\0' || cJSON_AddStringToObject(row, title, text) != NULL;
	if (is_missing(text))
		return true;
	if (parse_double(text, &number) < 0) {
		gather_fail(g, "line %zu: '%.40s' is not a number", c->line, text);
		return false;
	}
	return cJSON_AddNumberToObject(row, title, number) != NULL;
}

static bool add_row(struct gathering *g, const struct form *form, const struct csv *c,
		    const char *const *titles, size_t n_titles, cJSON *rows)
{
	cJSON *row = cJSON_CreateObject();
	bool is_good = row != NULL && cJSON_AddItemToArray(rows, row);
	if (is_good && c->n > n_titles) {
		gather_fail(g, "line %zu: more fields than titles", c->line);
		return false;
	}
	for (size_t i = 0; i < c->n && is_good && g->error == 0; i++)
		is_good = add_field(g, form, c, titles[i], csv_field(c, (int)i), row);
	return is_good && g->error == 0;
}

static bool add_rows(struct gathering *g, const struct form *form, struct csv *c, cJSON *rows)
{
	const char *titles[CSV_MAX_COLUMNS];
	const size_t n_titles = c->n;
	bool is_good = rows != NULL && keep_titles(g, c, titles);
	while (is_good && csv_next(c)) {
		if (!csv_is_empty(c))
			is_good = add_row(g, form, c, titles, n_titles, rows);
	}
	if (c->error != NULL)
		gather_fail(g, "line %zu: %s", c->line, c->error);
	return is_good;
}

static void read_form(struct gathering *g, const struct form *form, const char *text, size_t length)
{
	_cleanup_(foreign_json_free) cJSON *json = cJSON_CreateObject();
	_cleanup_(csv_done) struct csv c;
	cJSON *rows = cJSON_AddArrayToObject(json, form->rows);
	bool is_good = csv_begin(&c, text, length, form->titles);
	if (is_good)
		is_good = add_rows(g, form, &c, rows);
	else
		gather_fail(g, "%s", c.error != NULL ? c.error : "line 1: its titles are missing");
	if (g->error < 0)
		return;
	if (!is_good) {
		gather_no_memory(g);
		return;
	}
	form->finish(rows);
	form->read(g, json);
}

bool hyperfine_csv_sniff(const char *text, size_t length)
{
	return csv_sniff(text, length, hyperfine_titles);
}

void hyperfine_csv_read(struct gathering *g, const char *text, size_t length)
{
	read_form(g, &hyperfine, text, length);
}

bool gbench_csv_sniff(const char *text, size_t length)
{
	return csv_sniff(text, length, gbench_titles);
}

void gbench_csv_read(struct gathering *g, const char *text, size_t length)
{
	read_form(g, &gbench, text, length);
}
