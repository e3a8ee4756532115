/* SPDX-License-Identifier: MIT */
/* Reads a session by walking the tables of session_fields.c. The document may come from anyone:
 * memory is bounded, ids of processes are checked, and what is not there stays UNKNOWN. */

#include "userspace/model/document/session_json.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/model/document/json_tree.h"
#include "userspace/model/document/session_fields.h"

#define SNIFF_LENGTH 4096
#define MAX_STEPS    16			 /* more than the tables of session_fields.c are nested */
#define MAX_MEMORY   ((size_t)512 << 20) /* what a document may make of itself */
#define MAX_PLACE    200

/* One step on the way from the document to a value in it. */
struct step {
	const char *key; /* NULL: an item of an array */
	size_t index;
};

/* The first error sticks, and the steps stay where it happened. */
struct reading {
	struct session *session;
	size_t n_bytes; /* allocated so far */
	const char *error;
	struct step steps[MAX_STEPS];
	size_t n_steps;
};

static void *at(void *object, size_t offset)
{
	return (char *)object + offset;
}

static void set_error(struct reading *r, const char *error)
{
	if (r->error == NULL)
		r->error = error;
}

static void step_in(struct reading *r, const char *key, size_t index)
{
	assert(r->n_steps < MAX_STEPS);
	if (r->error == NULL)
		r->steps[r->n_steps++] = (struct step){ key, index };
}

static void step_out(struct reading *r)
{
	if (r->error == NULL)
		r->n_steps--;
}

static int fail_at(const struct reading *r, const char *name)
{
	_cleanup_(buf_done) struct buf place;
	buf_init(&place, MAX_PLACE);
	for (size_t i = 0; i < r->n_steps; i++) {
		if (r->steps[i].key == NULL)
			(void)buf_addf(&place, "[%zu]", r->steps[i].index);
		else
			(void)buf_addf(&place, "%s%s", i > 0 ? "." : "", r->steps[i].key);
	}
	return fail(-EBADMSG, "'%s': %s%s%s", name, buf_str(&place), place.len > 0 ? ": " : "",
		    r->error);
}

/* --- values --------------------------------------------------------------------------------- */

/* False, with an error, when a document makes more of itself than it may. */
static bool may_use(struct reading *r, size_t n_bytes)
{
	r->n_bytes += n_bytes;
	if (r->n_bytes > MAX_MEMORY)
		set_error(r, "it needs too much memory");
	return r->error == NULL;
}

/* An error when @json has another type. Null is NULL, "", UNKNOWN, NAN, false and 0. */
static const char *read_text(struct reading *r, const cJSON *json)
{
	if (cJSON_IsNull(json))
		return NULL;
	if (!cJSON_IsString(json)) {
		set_error(r, "a string was expected");
		return NULL;
	}
	json_text_decode(json->valuestring);
	if (!may_use(r, strlen(json->valuestring) + 1))
		return NULL;
	const char *text = arena_intern(r->session->arena, json->valuestring);
	if (text == NULL)
		set_error(r, "memory is short");
	return text;
}

static const char *read_detail(struct reading *r, const cJSON *json)
{
	const char *text = read_text(r, json);
	return text == NULL ? "" : text;
}

static double read_double(struct reading *r, const cJSON *json)
{
	if (cJSON_IsNull(json))
		return NAN;
	if (!cJSON_IsNumber(json))
		set_error(r, "expected a number");
	else if (!isfinite(json->valuedouble))
		set_error(r, "the number is too large");
	return json->valuedouble;
}

static int64_t read_int(struct reading *r, const cJSON *json)
{
	const double value = read_double(r, json);
	if (isnan(value))
		return UNKNOWN;
	if (fabs(value) > 0x1p63) {
		set_error(r, "the number is too large");
		return UNKNOWN;
	}
	/* As a double, the largest integers are 2^63. */
	return value >= 0x1p63 ? INT64_MAX : (int64_t)llround(value);
}

static bool read_bool(struct reading *r, const cJSON *json)
{
	if (!cJSON_IsBool(json) && !cJSON_IsNull(json))
		set_error(r, "expected true or false");
	return cJSON_IsTrue(json);
}

static int read_process(struct reading *r, const cJSON *json)
{
	const int64_t id = cJSON_IsNull(json) ? 0 : read_int(r, json);
	if (id < 0 || id > INT32_MAX)
		set_error(r, "not the id of a process");
	return r->error == NULL ? (int)id : 0;
}

static unsigned int read_name(struct reading *r, const struct field *field, const cJSON *json)
{
	if (!cJSON_IsString(json)) {
		set_error(r, "a string was expected");
		return 0;
	}
	int value = value_in(field->names, json->valuestring);
	if (value < 0)
		value = field->fallback;
	if (value < 0)
		set_error(r, "a name that this version does not know");
	return value < 0 ? 0 : (unsigned int)value;
}

/* A count that is given as something else is none. */
static size_t read_size(const cJSON *json)
{
	return cJSON_IsNumber(json) ? (size_t)fmax(0, fmin(json->valuedouble, 1e15)) : 0;
}

/* --- arrays --------------------------------------------------------------------------------- */

/* Reads one item of an array into zeroed memory; @record is for structs. */
typedef void read_item(struct reading *r, const struct record *record, const cJSON *json,
		       void *item);

static void text_item(struct reading *r, const struct record *record, const cJSON *json, void *item)
{
	(void)record;
	*(const char **)item = read_detail(r, json);
}

static void int_item(struct reading *r, const struct record *record, const cJSON *json, void *item)
{
	(void)record;
	*(int64_t *)item = read_int(r, json);
}

static void double_item(struct reading *r, const struct record *record, const cJSON *json,
			void *item)
{
	(void)record;
	*(double *)item = read_double(r, json);
}

/* The items of an array, in the session's arena; null has none. After an error the result is not
 * complete, or NULL with *ret_n 0. */
static void *read_items(struct reading *r, const struct record *record, const cJSON *json,
			read_item *read, size_t size, size_t *ret_n)
{
	if (!cJSON_IsArray(json) && !cJSON_IsNull(json))
		set_error(r, "an array was expected");
	*ret_n = 0;
	/* No overflow: json_parse() gives at most JSON_MAX_VALUES. */
	const size_t n = (size_t)cJSON_GetArraySize(json);
	if (!may_use(r, n * size))
		return NULL;
	char *items = arena_alloc_array(r->session->arena, n, size);
	if (items == NULL) {
		set_error(r, "memory is short");
		return NULL;
	}
	const cJSON *item = NULL;
	cJSON_ArrayForEach(item, json)
	{
		step_in(r, NULL, *ret_n);
		read(r, record, item, items + *ret_n * size);
		step_out(r);
		if (r->error != NULL)
			break;
		++*ret_n;
	}
	return items;
}

static void read_list(struct reading *r, const struct field *field, const cJSON *json,
		      read_item *read, size_t size, void *object)
{
	*(void **)at(object, field->offset) = read_items(r, field->record, json, read, size,
							 (size_t *)at(object, field->count_offset));
}

static void read_histogram(struct reading *r, const cJSON *json, int64_t *buckets)
{
	size_t n = 0;
	const int64_t *values = read_items(r, NULL, json, int_item, sizeof(*values), &n);
	for (size_t i = 0; i < n && i < HEAP_BUCKETS; i++)
		buckets[i] = values[i] == UNKNOWN ? 0 : values[i];
}

static void read_interval(struct reading *r, const cJSON *json, double *ends)
{
	size_t n = 0;
	const double *both = read_items(r, NULL, json, double_item, sizeof(*both), &n);
	if (n == 2)
		memcpy(ends, both, 2 * sizeof(*both));
}

/* --- objects -------------------------------------------------------------------------------- */

/* The member after @member, which is NULL at first, of an object; NULL at the end, after an error,
 * and with an error when @json is no object. */
static const cJSON *next_member(struct reading *r, const cJSON *json, const cJSON *member)
{
	if (!cJSON_IsObject(json))
		set_error(r, "expected an object");
	if (r->error != NULL)
		return NULL;
	return member == NULL ? json->child : member->next;
}

static const struct field *field_find(const struct record *record, const char *key)
{
	for (const struct field *field = record->fields; field->key != NULL; field++) {
		if (strcmp(field->key, key) == 0)
			return field;
	}
	return NULL;
}

static void read_field(struct reading *r, const struct field *field, const cJSON *json,
		       void *object);

static void read_object(struct reading *r, const struct record *record, const cJSON *json,
			void *object)
{
	const cJSON *member = NULL;
	while ((member = next_member(r, json, member)) != NULL) {
		const struct field *field = field_find(record, member->string);
		if (field == NULL)
			continue;
		step_in(r, field->key, 0);
		read_field(r, field, member, object);
		step_out(r);
	}
}

static void struct_item(struct reading *r, const struct record *record, const cJSON *json,
			void *item)
{
	record_clear(record, item);
	read_object(r, record, json, item);
}

/* --- metrics -------------------------------------------------------------------------------- */

/* Where there are values, the statistics are worked out again: they are a function of these. */
static void series_item(struct reading *r, const struct record *record, const cJSON *json,
			void *item)
{
	struct series *series = item;
	struct series_row row = { 0 };
	const struct summary *s = &row.series.summary;
	record_clear(record, &row);
	row.metric.unit = UNIT_NS;
	summary_of(NULL, 0, &row.series.summary);
	read_object(r, record, json, &row);
	*series = row.series;
	series->metric = metrics_row(series->id);
	if (series->metric == NULL && may_use(r, sizeof(struct metric)))
		series->metric = session_own_metric(r->session, series->id, &row.metric);
	series->is_summary = series->n_values == 0 && !(isnan(s->median) && isnan(s->mean) &&
							isnan(s->min) && isnan(s->max));
	if (!series->is_summary)
		summary_of(series->values, series->n_values, &series->summary);
}

static void read_metrics(struct reading *r, const cJSON *json, struct session *s)
{
	size_t n = 0;
	struct series *series =
		read_items(r, &series_record, json, series_item, sizeof(*series), &n);
	s->series = series;
	s->n_series = 0;
	for (size_t i = 0; i < n; i++) {
		if (series[i].metric != NULL) /* else memory was short */
			series[s->n_series++] = series[i];
	}
}

/* --- fields --------------------------------------------------------------------------------- */

static void read_field(struct reading *r, const struct field *field, const cJSON *json,
		       void *object)
{
	void *value = at(object, field->offset);
	if (field->has_gate) {
		const bool is_known = !cJSON_IsNull(json);
		*(bool *)at(object, field->gate_offset) = is_known;
		if (!is_known)
			return;
	}
	switch (field->kind) {
	case FIELD_INT:
		*(int64_t *)value = read_int(r, json);
		break;
	case FIELD_DOUBLE:
		*(double *)value = read_double(r, json);
		break;
	case FIELD_SIZE:
		*(size_t *)value = read_size(json);
		break;
	case FIELD_PROCESS:
	case FIELD_PARENT:
		*(int *)value = read_process(r, json);
		break;
	case FIELD_BOOL:
		*(bool *)value = read_bool(r, json);
		break;
	case FIELD_TEXT:
		*(const char **)value = read_text(r, json);
		break;
	case FIELD_DETAIL:
		*(const char **)value = read_detail(r, json);
		break;
	case FIELD_NAME:
		*(unsigned int *)value = read_name(r, field, json);
		break;
	case FIELD_INTERVAL:
		read_interval(r, json, value);
		break;
	case FIELD_TEXTS:
		read_list(r, field, json, text_item, sizeof(const char *), object);
		break;
	case FIELD_INTS:
		read_list(r, field, json, int_item, sizeof(int64_t), object);
		break;
	case FIELD_DOUBLES:
		read_list(r, field, json, double_item, sizeof(double), object);
		break;
	case FIELD_OBJECT:
		read_object(r, field->record, json, value);
		break;
	case FIELD_ARRAY:
		read_list(r, field, json, struct_item, field->record->size, object);
		break;
	case FIELD_HISTOGRAM:
		read_histogram(r, json, value);
		break;
	case FIELD_METRICS:
		read_metrics(r, json, value);
		break;
	}
}

/* --- the document --------------------------------------------------------------------------- */

static int check_schema(const cJSON *json, const char *name)
{
	const cJSON *schema = cJSON_GetObjectItemCaseSensitive(json, "schema");
	if (!cJSON_IsString(schema))
		return fail(-EBADMSG, "'%s': not a session document: it has no schema", name);
	if (strcmp(schema->valuestring, SESSION_SCHEMA) == 0)
		return 0;
	if (strncmp(schema->valuestring, "startline.report/", 17) == 0)
		return fail(-EPROTO, "'%s': its schema is newer than this version", name);
	return fail(-EBADMSG, "'%s': not a session document", name);
}

/* Sets every reference to a process that is not there to none. */
static void check_references(const struct record *record, void *object, size_t n_processes)
{
	for (const struct field *field = record->fields; field->key != NULL; field++) {
		void *value = at(object, field->offset);
		if (field->kind == FIELD_PROCESS || field->kind == FIELD_PARENT) {
			if ((size_t) * (int *)value > n_processes)
				*(int *)value = 0;
		} else if (field->kind == FIELD_OBJECT) {
			check_references(field->record, value, n_processes);
		} else if (field->kind == FIELD_ARRAY) {
			char *items = *(char **)value;
			const size_t n = *(size_t *)at(object, field->count_offset);
			for (size_t i = 0; i < n; i++)
				check_references(field->record, items + i * field->record->size,
						 n_processes);
		}
	}
}

static void finish_run(struct reading *r, struct session *s, struct run *run, size_t index)
{
	for (size_t i = 0; i < run->n_processes; i++) {
		struct process *p = &run->processes[i];
		if (p->id != 0 && p->id != (int)i + 1)
			set_error(r, "the ids of the processes are not in order");
		p->id = (int)i + 1;
	}
	run->session = s;
	check_references(&run_record, run, run->n_processes);
	const size_t n = metrics_count();
	run->values = arena_alloc_array(r->session->arena, n, sizeof(*run->values));
	if (run->values == NULL) {
		set_error(r, "memory is short");
		return;
	}
	for (size_t i = 0; i < n; i++)
		run->values[i] = NAN;
	for (size_t i = 0; i < s->n_series; i++) {
		const struct series *series = &s->series[i];
		if (series->metric->get != NULL && index < series->n_values)
			run->values[series->metric - metrics] = series->values[index];
	}
}

static void finish_session(struct reading *r, struct session *s)
{
	for (size_t i = 0; i < s->n_runs && r->error == NULL; i++) {
		step_in(r, "runs", 0);
		step_in(r, NULL, i);
		finish_run(r, s, &s->runs[i], i);
		step_out(r);
		step_out(r);
	}
	for (size_t i = 0; i < s->n_series; i++)
		s->series[i].tier = metrics_tier(s, metrics_row(s->series[i].id));
}

static void read_session(struct reading *r, const cJSON *json)
{
	struct session *s = r->session;
	record_clear(&session_record, s);
	read_object(r, &session_record, json, s);
	finish_session(r, s);
	for (size_t i = 0; i < s->n_steps && r->error == NULL; i++) {
		step_in(r, "steps", 0);
		step_in(r, NULL, i);
		s->steps[i].session.arena = s->arena;
		finish_session(r, &s->steps[i].session);
		step_out(r);
		step_out(r);
	}
}

static void json_freep(cJSON **json)
{
	cJSON_Delete(*json);
}

int session_read_json(const char *text, size_t length, const char *name, struct session **ret)
{
	struct json_error error;
	_cleanup_(json_freep) cJSON *json = json_parse(text, length, &error);
	if (json == NULL)
		return fail(-EBADMSG, "'%s': line %zu: %s", name, error.line, error.what);
	const int rc = check_schema(json, name);
	if (rc < 0)
		return rc;
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct reading r = { .n_steps = 0 };
	if (arena != NULL)
		r.session = arena_alloc(arena, sizeof(*r.session));
	if (r.session == NULL)
		return fail(-ENOMEM, "'%s': memory is short", name);
	r.session->arena = arena;
	read_session(&r, json);
	if (r.error != NULL)
		return fail_at(&r, name);
	*ret = r.session;
	(void)take_ptr(arena);
	return 0;
}

bool session_sniff_json(const char *text, size_t length)
{
	static const char begin[] = "\"startline.report/";
	const size_t n = length < SNIFF_LENGTH ? length : SNIFF_LENGTH;
	size_t i = 0;
	while (i < n && strchr(" \t\r\n", text[i]) != NULL && text[i] != '\0')
		i++;
	return i < n && text[i] == '{' && memmem(text, n, begin, sizeof(begin) - 1) != NULL;
}
