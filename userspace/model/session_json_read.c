/* SPDX-License-Identifier: MIT */
/* Reads a session by walking the tables of session_fields.c. The document may come from anyone:
 * depth, lengths and memory are bounded, ids of processes are checked, and what is not there
 * stays UNKNOWN. */

#include "userspace/model/session_json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/json.h"
#include "userspace/base/log.h"
#include "userspace/base/vec.h"
#include "userspace/model/metrics.h"
#include "userspace/model/session_fields.h"

#define MAX_DOCUMENT ((size_t)1 << 30)
#define MAX_MEMORY   ((size_t)512 << 20) /* what a document may make of itself */
#define MAX_TEXT     ((size_t)4 << 20)	 /* an argv of 128 KiB, escaped twice, with room */
#define SNIFF_LENGTH 4096

struct reading {
	struct json_reader json;
	struct session *session;
	struct buf key, text;
	size_t n_bytes; /* allocated so far */
	bool is_newer;
};

struct bytes VEC(char);
struct double_list VEC(double);
struct series_list VEC(struct series);
struct text_vec VEC(const char *);
struct int_list VEC(int64_t);

static void *at(void *object, size_t offset)
{
	return (char *)object + offset;
}

/* --- memory --------------------------------------------------------------------------------- */

static bool may_use(struct reading *r, size_t n_bytes)
{
	r->n_bytes += n_bytes;
	if (r->n_bytes > MAX_MEMORY)
		json_set_error(&r->json, "it needs too much memory");
	return r->json.error == NULL;
}

/* A copy in the session's arena; never NULL while there is no error. */
static void *keep(struct reading *r, const void *data, size_t n_bytes)
{
	if (r->json.error != NULL)
		return NULL;
	void *copy = n_bytes == 0 ? arena_alloc(r->session->arena, 1)
				  : arena_memdup(r->session->arena, data, n_bytes);
	if (copy == NULL)
		json_set_error(&r->json, "memory is short");
	return copy;
}

static void check_push(struct reading *r, int rc)
{
	if (rc < 0)
		json_set_error(&r->json, "memory is short");
}

/* --- values --------------------------------------------------------------------------------- */

static const char *read_text(struct reading *r)
{
	if (json_take_null(&r->json))
		return NULL;
	json_take_text(&r->json, &r->text);
	json_text_decode(&r->text);
	if (r->json.error != NULL || !may_use(r, r->text.len + 1))
		return NULL;
	const char *text = arena_intern(r->session->arena, buf_str(&r->text));
	if (text == NULL)
		json_set_error(&r->json, "memory is short");
	return text;
}

static const char *read_detail(struct reading *r)
{
	const char *text = read_text(r);
	return text == NULL ? "" : text;
}

static int64_t read_int(struct reading *r)
{
	return json_take_null(&r->json) ? UNKNOWN : json_take_int(&r->json);
}

static bool read_bool(struct reading *r)
{
	return json_take_null(&r->json) ? false : json_take_bool(&r->json);
}

static int read_process(struct reading *r)
{
	const int64_t id = json_take_null(&r->json) ? 0 : json_take_int(&r->json);
	if (id < 0 || id > INT32_MAX)
		json_set_error(&r->json, "not the id of a process");
	return r->json.error == NULL ? (int)id : 0;
}

/* @fallback: for names that a later version may add; -1: such a name is an error. */
static int read_name(struct reading *r, int (*of)(const char *), int fallback)
{
	json_take_text(&r->json, &r->text);
	if (r->json.error != NULL)
		return 0;
	const int value = of(buf_str(&r->text));
	if (value >= 0)
		return value;
	if (fallback < 0)
		json_set_error(&r->json, "a name that this version does not know");
	return fallback < 0 ? 0 : fallback;
}

static size_t read_texts(struct reading *r, const char ***ret)
{
	struct text_vec list = { 0 };
	if (!json_take_null(&r->json)) {
		json_enter(&r->json, '[');
		while (json_next_item(&r->json)) {
			if (may_use(r, sizeof(char *)))
				check_push(r, vec_push(&list, read_detail(r)));
		}
	}
	*ret = keep(r, list.items, list.n * sizeof(*list.items));
	const size_t n = *ret == NULL ? 0 : list.n;
	vec_done(&list);
	return n;
}

static size_t read_ints(struct reading *r, int64_t **ret)
{
	struct int_list list = { 0 };
	if (!json_take_null(&r->json)) {
		json_enter(&r->json, '[');
		while (json_next_item(&r->json)) {
			if (may_use(r, sizeof(int64_t)))
				check_push(r, vec_push(&list, read_int(r)));
		}
	}
	*ret = keep(r, list.items, list.n * sizeof(*list.items));
	const size_t n = *ret == NULL ? 0 : list.n;
	vec_done(&list);
	return n;
}

static void read_histogram(struct reading *r, int64_t *buckets)
{
	int64_t *values = NULL;
	const size_t n = read_ints(r, &values);
	for (size_t i = 0; i < n && i < HEAP_BUCKETS; i++)
		buckets[i] = values[i] == UNKNOWN ? 0 : values[i];
}

/* --- metrics -------------------------------------------------------------------------------- */

static bool names_metric(const char *id, const struct metric *metric)
{
	const size_t n = strlen(metric->id);
	if (metric->collect == NULL)
		return strcmp(id, metric->id) == 0;
	return strncmp(id, metric->id, n - 1) == 0; /* "net.connect[" of "net.connect[]" */
}

static const struct metric *metric_of(const char *id)
{
	for (const struct metric *metric = metrics; metric->id != NULL; metric++) {
		if (names_metric(id, metric))
			return metric;
	}
	return NULL;
}

static void read_values(struct reading *r, struct series *ret)
{
	struct double_list list = { 0 };
	json_enter(&r->json, '[');
	while (json_next_item(&r->json)) {
		if (!may_use(r, sizeof(double)))
			break;
		const double value = json_take_null(&r->json) ? NAN : json_take_double(&r->json);
		check_push(r, vec_push(&list, value));
	}
	ret->values = keep(r, list.items, list.n * sizeof(*list.items));
	ret->n_values = ret->values == NULL ? 0 : list.n;
	vec_done(&list);
}

/* The statistics are worked out again: they are a function of the values. */
static void read_series(struct reading *r, struct series_list *list)
{
	struct series series = { .id = "" };
	json_enter(&r->json, '{');
	while (json_next_key(&r->json, &r->key)) {
		if (strcmp(buf_str(&r->key), "id") == 0)
			series.id = read_detail(r);
		else if (strcmp(buf_str(&r->key), "values") == 0)
			read_values(r, &series);
		else
			json_skip(&r->json);
	}
	series.metric = metric_of(series.id);
	if (series.metric == NULL || !may_use(r, sizeof(series)))
		return; /* a later version's metric */
	summary_of(series.values, series.n_values, &series.summary);
	check_push(r, vec_push(list, series));
}

static void read_metrics(struct reading *r)
{
	struct series_list list = { 0 };
	json_enter(&r->json, '[');
	while (json_next_item(&r->json))
		read_series(r, &list);
	r->session->series = keep(r, list.items, list.n * sizeof(*list.items));
	r->session->n_series = r->session->series == NULL ? 0 : list.n;
	vec_done(&list);
}

/* --- objects -------------------------------------------------------------------------------- */

static void read_object(struct reading *r, const struct record *record, void *object);

/* What a struct holds before anything is read. */
static void set_defaults(const struct record *record, void *object)
{
	for (const struct field *field = record->fields; field->key != NULL; field++) {
		void *value = at(object, field->offset);
		if (field->kind == FIELD_INT)
			*(int64_t *)value = UNKNOWN;
		else if (field->kind == FIELD_DETAIL)
			*(const char **)value = "";
		else if (field->kind == FIELD_CAUSE)
			*(enum cause *)value = CAUSE_UNKNOWN;
		else if (field->kind == FIELD_OBJECT)
			set_defaults(field->record, value);
	}
}

static void read_array(struct reading *r, const struct field *field, void *object)
{
	const size_t size = field->record->size;
	struct bytes list = { 0 };
	json_enter(&r->json, '[');
	while (json_next_item(&r->json)) {
		if (!may_use(r, size))
			break;
		const int rc = vec_reserve(&list, list.n + size);
		check_push(r, rc);
		if (rc < 0 || list.items == NULL)
			break;
		/* Aligned: malloc's memory, and whole multiples of the size. */
		void *item = list.items + list.n;
		memset(item, 0, size);
		list.n += size;
		set_defaults(field->record, item);
		read_object(r, field->record, item);
	}
	void *items = keep(r, list.items, list.n);
	*(void **)at(object, field->offset) = items;
	*(size_t *)at(object, field->count_offset) = items == NULL ? 0 : list.n / size;
	vec_done(&list);
}

static void read_field(struct reading *r, const struct field *field, void *object)
{
	void *value = at(object, field->offset);
	struct text_list *texts = NULL;
	if (field->has_gate) {
		const bool is_known = !json_take_null(&r->json);
		*(bool *)at(object, field->gate_offset) = is_known;
		if (!is_known)
			return;
	}
	switch (field->kind) {
	case FIELD_INT:
		*(int64_t *)value = read_int(r);
		break;
	case FIELD_PROCESS:
	case FIELD_PARENT:
		*(int *)value = read_process(r);
		break;
	case FIELD_BOOL:
		*(bool *)value = read_bool(r);
		break;
	case FIELD_TEXT:
		*(const char **)value = read_text(r);
		break;
	case FIELD_DETAIL:
		*(const char **)value = read_detail(r);
		break;
	case FIELD_TEXTS:
		texts = value;
		texts->n = read_texts(r, &texts->items);
		break;
	case FIELD_LINES:
		*(size_t *)at(object, field->count_offset) = read_texts(r, value);
		break;
	case FIELD_INTS:
		*(size_t *)at(object, field->count_offset) = read_ints(r, value);
		break;
	case FIELD_PHASE:
		*(enum phase *)value = (enum phase)read_name(r, phase_of, -1);
		break;
	case FIELD_STATE:
		*(enum activity *)value = (enum activity)read_name(r, activity_of, -1);
		break;
	case FIELD_CAUSE:
		*(enum cause *)value = (enum cause)read_name(r, cause_of, CAUSE_UNKNOWN);
		break;
	case FIELD_OBJECT:
		read_object(r, field->record, value);
		break;
	case FIELD_ARRAY:
		read_array(r, field, object);
		break;
	case FIELD_HISTOGRAM:
		read_histogram(r, value);
		break;
	case FIELD_NOTHING:
		json_skip(&r->json);
		break;
	case FIELD_METRICS:
		read_metrics(r);
		break;
	}
}

static const struct field *field_find(const struct record *record, const char *key)
{
	for (const struct field *field = record->fields; field->key != NULL; field++) {
		if (strcmp(field->key, key) == 0)
			return field;
	}
	return NULL;
}

static void read_object(struct reading *r, const struct record *record, void *object)
{
	json_enter(&r->json, '{');
	while (json_next_key(&r->json, &r->key)) {
		const struct field *field = field_find(record, buf_str(&r->key));
		if (field == NULL)
			json_skip(&r->json);
		else
			read_field(r, field, object);
	}
}

/* --- the document --------------------------------------------------------------------------- */

static bool read_schema(struct reading *r)
{
	json_take_text(&r->json, &r->text);
	if (r->json.error == NULL && strcmp(buf_str(&r->text), SESSION_SCHEMA) != 0) {
		r->is_newer = strncmp(buf_str(&r->text), "startline.report/", 17) == 0;
		json_set_error(&r->json, r->is_newer ? "its schema is newer than this version"
						     : "not a session document");
	}
	return r->json.error == NULL;
}

static void read_session(struct reading *r)
{
	bool has_schema = false;
	json_enter(&r->json, '{');
	while (json_next_key(&r->json, &r->key)) {
		const struct field *field = field_find(&session_record, buf_str(&r->key));
		if (strcmp(buf_str(&r->key), "schema") == 0)
			has_schema = read_schema(r);
		else if (field == NULL)
			json_skip(&r->json);
		else
			read_field(r, field, r->session);
	}
	json_expect_end(&r->json);
	if (!has_schema)
		json_set_error(&r->json, "not a session document: it has no schema");
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

static void finish_run(struct reading *r, struct run *run, size_t index)
{
	for (size_t i = 0; i < run->n_processes; i++) {
		struct process *p = &run->processes[i];
		if (p->id != 0 && p->id != (int)i + 1)
			json_set_error(&r->json, "the ids of the processes are not in order");
		p->id = (int)i + 1;
	}
	check_references(&run_record, run, run->n_processes);
	const size_t n = metrics_count();
	run->values = arena_alloc_array(r->session->arena, n, sizeof(*run->values));
	if (run->values == NULL) {
		json_set_error(&r->json, "memory is short");
		return;
	}
	for (size_t i = 0; i < n; i++)
		run->values[i] = NAN;
	for (size_t i = 0; i < r->session->n_series; i++) {
		const struct series *series = &r->session->series[i];
		if (series->metric->collect == NULL && index < series->n_values)
			run->values[series->metric - metrics] = series->values[index];
	}
}

int session_read_json(const char *text, size_t length, const char *name, struct session **ret)
{
	if (length > MAX_DOCUMENT)
		return fail(-EBADMSG, "'%s': too large for a session document", name);
	struct reading r = { .is_newer = false };
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	if (arena != NULL)
		r.session = arena_alloc(arena, sizeof(*r.session));
	if (r.session == NULL)
		return fail(-ENOMEM, "'%s': memory is short", name);
	r.session->arena = arena;
	set_defaults(&session_record, r.session);
	json_read(&r.json, text, length);
	buf_init(&r.key, MAX_TEXT);
	buf_init(&r.text, MAX_TEXT);
	read_session(&r);
	for (size_t i = 0; i < r.session->n_runs && r.json.error == NULL; i++)
		finish_run(&r, &r.session->runs[i], i);
	buf_done(&r.key);
	buf_done(&r.text);
	if (r.json.error != NULL)
		return fail(r.is_newer ? -EPROTO : -EBADMSG, "'%s': line %zu: %s", name,
			    json_line(&r.json), r.json.error);
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
