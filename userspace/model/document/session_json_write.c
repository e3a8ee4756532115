/* SPDX-License-Identifier: MIT */
/* Writes a session by walking the tables of session_fields.c. */

#include "userspace/model/document/session_json.h"

#include <errno.h>
#include <math.h>

#include "userspace/base/log.h"
#include "userspace/model/document/json_tree.h"
#include "userspace/model/document/session_fields.h"

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

static cJSON *text_item(const void *item)
{
	return text_value(*(const char *const *)item);
}

static cJSON *int_item(const void *item)
{
	return int_value(*(const int64_t *)item);
}

static cJSON *double_item(const void *item)
{
	return json_double(*(const double *)item);
}

static cJSON *list_of(struct json_tree *tree, const void *items, size_t n, size_t size,
		      cJSON *(*value_of)(const void *item))
{
	cJSON *list = cJSON_CreateArray();
	for (size_t i = 0; i < n; i++)
		(void)json_add(tree, list, NULL, value_of(at(items, i * size)));
	return list;
}

static cJSON *histogram_of(struct json_tree *tree, const int64_t *buckets)
{
	size_t n = HEAP_BUCKETS;
	while (n > 0 && buckets[n - 1] == 0)
		n--;
	return list_of(tree, buckets, n, sizeof(*buckets), int_item);
}

static cJSON *interval_of(struct json_tree *tree, const double *ends)
{
	return isfinite(ends[0]) && isfinite(ends[1])
		       ? list_of(tree, ends, 2, sizeof(*ends), double_item)
		       : cJSON_CreateNull();
}

static cJSON *object_of(struct json_tree *tree, const struct record *record, const void *object);

static cJSON *make_row(struct json_tree *tree, const struct json_rows *rows, size_t index)
{
	const struct record *record = rows->context;
	return object_of(tree, record, at(rows->items, index * record->size));
}

static cJSON *make_series(struct json_tree *tree, const struct json_rows *rows, size_t index)
{
	const struct series *series = (const struct series *)rows->items + index;
	const struct series_row row = { *series, *series->metric };
	return object_of(tree, &series_record, &row);
}

static cJSON *array_of(struct json_tree *tree, const struct json_rows *rows)
{
	const struct record *record = rows->context;
	cJSON *list = cJSON_CreateArray();
	if (record->is_inline) {
		json_add_rows(tree, list, *rows);
		return list;
	}
	for (size_t i = 0; i < rows->n; i++)
		(void)json_add(tree, list, NULL, make_row(tree, rows, i));
	return list;
}

static cJSON *metrics_of(struct json_tree *tree, const struct session *s)
{
	return array_of(tree,
			&(struct json_rows){ make_series, s->series, &series_record, s->n_series });
}

static cJSON *value_of(struct json_tree *tree, const struct field *field, const void *object)
{
	const void *value = at(object, field->offset), *items = NULL;
	size_t n = 0;
	if (field->has_gate && !*(const bool *)at(object, field->gate_offset))
		return cJSON_CreateNull();
	if (field->count_offset != 0) {
		items = *(const void *const *)value;
		n = *(const size_t *)at(object, field->count_offset);
	}
	switch (field->kind) {
	case FIELD_INT:
		return int_item(value);
	case FIELD_DOUBLE:
		return double_item(value);
	case FIELD_SIZE:
		return json_int((int64_t) * (const size_t *)value);
	case FIELD_PROCESS:
		return int_value(*(const int *)value == 0 ? UNKNOWN : *(const int *)value);
	case FIELD_PARENT:
		return json_int(*(const int *)value);
	case FIELD_BOOL:
		return cJSON_CreateBool(*(const bool *)value);
	case FIELD_TEXT:
		return json_text(*(const char *const *)value);
	case FIELD_DETAIL:
		return text_item(value);
	case FIELD_NAME:
		return json_text(name_in(field->names, *(const unsigned int *)value));
	case FIELD_INTERVAL:
		return interval_of(tree, value);
	case FIELD_TEXTS:
		return list_of(tree, items, n, sizeof(const char *), text_item);
	case FIELD_INTS:
		return list_of(tree, items, n, sizeof(int64_t), int_item);
	case FIELD_DOUBLES:
		return list_of(tree, items, n, sizeof(double), double_item);
	case FIELD_OBJECT:
		return object_of(tree, field->record, value);
	case FIELD_ARRAY:
		return array_of(tree, &(struct json_rows){ make_row, items, field->record, n });
	case FIELD_HISTOGRAM:
		return histogram_of(tree, value);
	case FIELD_METRICS:
		return metrics_of(tree, object);
	}
	return cJSON_CreateNull();
}

static void add_members(struct json_tree *tree, cJSON *json, const struct record *record,
			const void *object)
{
	for (const struct field *field = record->fields; field->key != NULL; field++)
		(void)json_add(tree, json, field->key, value_of(tree, field, object));
}

static cJSON *object_of(struct json_tree *tree, const struct record *record, const void *object)
{
	cJSON *json = cJSON_CreateObject();
	add_members(tree, json, record, object);
	return json;
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
