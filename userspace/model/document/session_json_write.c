/* SPDX-License-Identifier: MIT */
/* Writes a session by walking the tables of session_fields.c. */

#include "userspace/model/document/session_json.h"

#include <errno.h>
#include <math.h>

#include "userspace/base/log.h"
#include "userspace/model/document/json_tree.h"
#include "userspace/model/document/session_fields.h"
#include "userspace/model/metrics.h"

static const void *at(const void *object, size_t offset)
{
	return (const char *)object + offset;
}

static cJSON *int_value(int64_t value)
{
	return value == UNKNOWN ? cJSON_CreateNull() : json_int(value);
}

static cJSON *text_value(const char *text)
{
	return json_text(text == NULL ? "" : text);
}

static void add_texts(struct json_tree *tree, cJSON *json, const char *key,
		      const char *const *items, size_t n)
{
	cJSON *list = json_add(tree, json, key, cJSON_CreateArray());
	for (size_t i = 0; i < n; i++)
		(void)json_add(tree, list, NULL, text_value(items[i]));
}

static void add_ints(struct json_tree *tree, cJSON *json, const char *key, const int64_t *values,
		     size_t n)
{
	cJSON *list = json_add(tree, json, key, cJSON_CreateArray());
	for (size_t i = 0; i < n; i++)
		(void)json_add(tree, list, NULL, int_value(values[i]));
}

static void add_histogram(struct json_tree *tree, cJSON *json, const char *key,
			  const int64_t *buckets)
{
	size_t n = HEAP_BUCKETS;
	while (n > 0 && buckets[n - 1] == 0)
		n--;
	add_ints(tree, json, key, buckets, n);
}

static void add_doubles(struct json_tree *tree, cJSON *json, const char *key, const double *values,
			size_t n)
{
	cJSON *list = json_add(tree, json, key, cJSON_CreateArray());
	for (size_t i = 0; i < n; i++)
		(void)json_add(tree, list, NULL, json_double(values[i]));
}

static void add_summary(struct json_tree *tree, cJSON *row, const struct summary *s)
{
	const double ci95[] = { s->ci95_low, s->ci95_high };
	(void)json_add(tree, row, "n", json_int((int64_t)s->n));
	(void)json_add(tree, row, "median", json_double(s->median));
	(void)json_add(tree, row, "mad", json_double(s->mad));
	(void)json_add(tree, row, "mean", json_double(s->mean));
	(void)json_add(tree, row, "stddev", json_double(s->stddev));
	(void)json_add(tree, row, "min", json_double(s->min));
	(void)json_add(tree, row, "max", json_double(s->max));
	(void)json_add(tree, row, "p95", json_double(s->p95));
	if (isfinite(s->ci95_low) && isfinite(s->ci95_high))
		add_doubles(tree, row, "ci95", ci95, 2);
	else
		(void)json_add(tree, row, "ci95", cJSON_CreateNull());
	(void)json_add(tree, row, "q1", json_double(s->q1));
	(void)json_add(tree, row, "q3", json_double(s->q3));
	(void)json_add(tree, row, "p99", json_double(s->p99));
	(void)json_add(tree, row, "outliers", json_int((int64_t)s->n_outliers));
}

static void add_series(struct json_tree *tree, cJSON *list, const struct series *series)
{
	const struct metric *metric = series->metric;
	cJSON *row = cJSON_CreateObject();
	(void)json_add(tree, row, "id", json_text(series->id));
	(void)json_add(tree, row, "unit", json_text(unit_name(metric->unit)));
	(void)json_add(tree, row, "better", json_text(better_name(metric->better)));
	(void)json_add(tree, row, "class", json_text(metric_class_name(metric->class)));
	add_doubles(tree, row, "values", series->values, series->n_values);
	add_summary(tree, row, &series->summary);
	json_add_row(tree, list, row);
}

static void add_metrics(struct json_tree *tree, cJSON *json, const char *key,
			const struct session *s)
{
	cJSON *list = json_add(tree, json, key, cJSON_CreateArray());
	for (size_t i = 0; i < s->n_series; i++) {
		if (s->series[i].metric != NULL)
			add_series(tree, list, &s->series[i]);
	}
}

static void add_members(struct json_tree *tree, cJSON *json, const struct record *record,
			const void *object);

static cJSON *make_row(struct json_tree *tree, const struct json_rows *rows, size_t index)
{
	const struct record *record = rows->context;
	cJSON *row = cJSON_CreateObject();
	add_members(tree, row, record, at(rows->items, index * record->size));
	return row;
}

static void add_array(struct json_tree *tree, cJSON *json, const struct field *field,
		      const void *object)
{
	cJSON *list = json_add(tree, json, field->key, cJSON_CreateArray());
	const struct json_rows rows = {
		.make = make_row,
		.items = *(const void *const *)at(object, field->offset),
		.context = field->record,
		.n = *(const size_t *)at(object, field->count_offset),
	};
	if (field->record->is_inline) {
		json_add_rows(tree, list, rows);
		return;
	}
	for (size_t i = 0; i < rows.n; i++)
		(void)json_add(tree, list, NULL, make_row(tree, &rows, i));
}

/* The values that are no list and no object. */
static cJSON *scalar(enum field_kind kind, const void *value)
{
	switch (kind) {
	case FIELD_INT:
		return int_value(*(const int64_t *)value);
	case FIELD_PROCESS:
		return int_value(*(const int *)value == 0 ? UNKNOWN : *(const int *)value);
	case FIELD_PARENT:
		return json_int(*(const int *)value);
	case FIELD_BOOL:
		return cJSON_CreateBool(*(const bool *)value);
	case FIELD_TEXT:
		return json_text(*(const char *const *)value);
	case FIELD_DETAIL:
		return text_value(*(const char *const *)value);
	case FIELD_PHASE:
		return json_text(phase_name(*(const enum phase *)value));
	case FIELD_STATE:
		return json_text(activity_name(*(const enum activity *)value));
	case FIELD_CAUSE:
		return json_text(cause_name(*(const enum cause *)value));
	case FIELD_TEXTS:
	case FIELD_LINES:
	case FIELD_INTS:
	case FIELD_OBJECT:
	case FIELD_ARRAY:
	case FIELD_HISTOGRAM:
	case FIELD_METRICS:
	case FIELD_NOTHING:
		break;
	}
	return cJSON_CreateNull();
}

static void add_field(struct json_tree *tree, cJSON *json, const struct field *field,
		      const void *object)
{
	const void *value = at(object, field->offset);
	const struct text_list *texts = value;
	if (field->has_gate && !*(const bool *)at(object, field->gate_offset)) {
		(void)json_add(tree, json, field->key, cJSON_CreateNull());
		return;
	}
	switch (field->kind) {
	case FIELD_TEXTS:
		add_texts(tree, json, field->key, texts->items, texts->n);
		break;
	case FIELD_LINES:
		add_texts(tree, json, field->key, *(const char *const *const *)value,
			  *(const size_t *)at(object, field->count_offset));
		break;
	case FIELD_INTS:
		add_ints(tree, json, field->key, *(const int64_t *const *)value,
			 *(const size_t *)at(object, field->count_offset));
		break;
	case FIELD_OBJECT:
		add_members(tree, json_add(tree, json, field->key, cJSON_CreateObject()),
			    field->record, value);
		break;
	case FIELD_ARRAY:
		add_array(tree, json, field, object);
		break;
	case FIELD_HISTOGRAM:
		add_histogram(tree, json, field->key, value);
		break;
	case FIELD_METRICS:
		add_metrics(tree, json, field->key, object);
		break;
	case FIELD_INT:
	case FIELD_PROCESS:
	case FIELD_PARENT:
	case FIELD_BOOL:
	case FIELD_TEXT:
	case FIELD_DETAIL:
	case FIELD_PHASE:
	case FIELD_STATE:
	case FIELD_CAUSE:
	case FIELD_NOTHING:
		(void)json_add(tree, json, field->key, scalar(field->kind, value));
		break;
	}
}

static void add_members(struct json_tree *tree, cJSON *json, const struct record *record,
			const void *object)
{
	for (const struct field *field = record->fields; field->key != NULL; field++)
		add_field(tree, json, field, object);
}

int session_write_json(const struct session *s, FILE *f)
{
	struct json_tree tree;
	cJSON *root = json_init(&tree);
	(void)json_add(&tree, root, "schema", json_text(SESSION_SCHEMA));
	add_members(&tree, root, &session_record, s);
	const int rc = json_write(&tree, f);
	return rc < 0 ? fail(rc, "the session document could not be written") : 0;
}
