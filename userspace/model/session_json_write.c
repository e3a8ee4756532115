/* SPDX-License-Identifier: MIT */
/* Writes a session by walking the tables of session_fields.c. */

#include "userspace/model/session_json.h"

#include <errno.h>
#include <math.h>

#include "userspace/base/json.h"
#include "userspace/base/log.h"
#include "userspace/model/metrics.h"
#include "userspace/model/session_fields.h"

static const void *at(const void *object, size_t offset)
{
	return (const char *)object + offset;
}

static void write_int(struct json_writer *w, const char *key, int64_t value)
{
	if (value == UNKNOWN)
		json_null(w, key);
	else
		json_int(w, key, value);
}

static void write_texts(struct json_writer *w, const char *key, const char *const *items, size_t n)
{
	json_open_inline(w, key, '[');
	for (size_t i = 0; i < n; i++)
		json_text(w, NULL, items[i] == NULL ? "" : items[i]);
	json_close(w);
}

static void write_ints(struct json_writer *w, const char *key, const int64_t *values, size_t n)
{
	json_open_inline(w, key, '[');
	for (size_t i = 0; i < n; i++)
		write_int(w, NULL, values[i]);
	json_close(w);
}

static void write_histogram(struct json_writer *w, const char *key, const int64_t *buckets)
{
	size_t n = HEAP_BUCKETS;
	while (n > 0 && buckets[n - 1] == 0)
		n--;
	write_ints(w, key, buckets, n);
}

static void write_series(struct json_writer *w, const struct series *series)
{
	const struct metric *metric = series->metric;
	const struct summary *s = &series->summary;
	json_open_inline(w, NULL, '{');
	json_text(w, "id", series->id);
	json_text(w, "unit", unit_name(metric->unit));
	json_text(w, "better", better_name(metric->better));
	json_text(w, "class", metric_class_name(metric->class));
	json_open_inline(w, "values", '[');
	for (size_t i = 0; i < series->n_values; i++)
		json_double(w, NULL, series->values[i]);
	json_close(w);
	json_int(w, "n", (int64_t)s->n);
	json_double(w, "median", s->median);
	json_double(w, "mad", s->mad);
	json_double(w, "mean", s->mean);
	json_double(w, "stddev", s->stddev);
	json_double(w, "min", s->min);
	json_double(w, "max", s->max);
	json_double(w, "p95", s->p95);
	if (isfinite(s->ci95_low) && isfinite(s->ci95_high)) {
		json_open_inline(w, "ci95", '[');
		json_double(w, NULL, s->ci95_low);
		json_double(w, NULL, s->ci95_high);
		json_close(w);
	} else {
		json_null(w, "ci95");
	}
	json_double(w, "q1", s->q1);
	json_double(w, "q3", s->q3);
	json_double(w, "p99", s->p99);
	json_int(w, "outliers", (int64_t)s->n_outliers);
	json_close(w);
}

static void write_metrics(struct json_writer *w, const char *key, const struct session *s)
{
	json_open(w, key, '[');
	for (size_t i = 0; i < s->n_series; i++) {
		if (s->series[i].metric != NULL)
			write_series(w, &s->series[i]);
	}
	json_close(w);
}

static void write_field(struct json_writer *w, const struct field *field, const void *object);

static void write_object(struct json_writer *w, const char *key, const struct record *record,
			 const void *object)
{
	if (record->is_inline)
		json_open_inline(w, key, '{');
	else
		json_open(w, key, '{');
	for (const struct field *field = record->fields; field->key != NULL; field++)
		write_field(w, field, object);
	json_close(w);
}

static void write_array(struct json_writer *w, const struct field *field, const void *object)
{
	const char *items = *(const char *const *)at(object, field->offset);
	const size_t n = *(const size_t *)at(object, field->count_offset);
	json_open(w, field->key, '[');
	for (size_t i = 0; i < n; i++)
		write_object(w, NULL, field->record, items + i * field->record->size);
	json_close(w);
}

static void write_field(struct json_writer *w, const struct field *field, const void *object)
{
	const void *value = at(object, field->offset);
	const char *text = NULL;
	if (field->has_gate && !*(const bool *)at(object, field->gate_offset)) {
		json_null(w, field->key);
		return;
	}
	switch (field->kind) {
	case FIELD_INT:
		write_int(w, field->key, *(const int64_t *)value);
		break;
	case FIELD_PROCESS:
		write_int(w, field->key, *(const int *)value == 0 ? UNKNOWN : *(const int *)value);
		break;
	case FIELD_PARENT:
		json_int(w, field->key, *(const int *)value);
		break;
	case FIELD_BOOL:
		json_bool(w, field->key, *(const bool *)value);
		break;
	case FIELD_TEXT:
		json_text(w, field->key, *(const char *const *)value);
		break;
	case FIELD_DETAIL:
		text = *(const char *const *)value;
		json_text(w, field->key, text == NULL ? "" : text);
		break;
	case FIELD_TEXTS:
		write_texts(w, field->key, ((const struct text_list *)value)->items,
			    ((const struct text_list *)value)->n);
		break;
	case FIELD_LINES:
		write_texts(w, field->key, *(const char *const *const *)value,
			    *(const size_t *)at(object, field->count_offset));
		break;
	case FIELD_INTS:
		write_ints(w, field->key, *(const int64_t *const *)value,
			   *(const size_t *)at(object, field->count_offset));
		break;
	case FIELD_PHASE:
		json_text(w, field->key, phase_name(*(const enum phase *)value));
		break;
	case FIELD_STATE:
		json_text(w, field->key, activity_name(*(const enum activity *)value));
		break;
	case FIELD_CAUSE:
		json_text(w, field->key, cause_name(*(const enum cause *)value));
		break;
	case FIELD_OBJECT:
		write_object(w, field->key, field->record, value);
		break;
	case FIELD_ARRAY:
		write_array(w, field, object);
		break;
	case FIELD_HISTOGRAM:
		write_histogram(w, field->key, value);
		break;
	case FIELD_NOTHING:
		json_null(w, field->key);
		break;
	case FIELD_METRICS:
		write_metrics(w, field->key, object);
		break;
	}
}

int session_write_json(const struct session *s, FILE *f)
{
	struct json_writer w;
	json_start(&w, f);
	json_open(&w, NULL, '{');
	json_text(&w, "schema", SESSION_SCHEMA);
	for (const struct field *field = session_record.fields; field->key != NULL; field++)
		write_field(&w, field, s);
	json_close(&w);
	const int rc = json_finish(&w);
	return rc < 0 ? fail(rc, "the session document could not be written") : 0;
}
