/* SPDX-License-Identifier: MIT */
/* Reads a session by walking the tables of session_fields.c. The document may come from anyone:
 * memory is bounded, ids of processes are checked, and what is not there stays UNKNOWN. */

#include "userspace/model/document/session_json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/log.h"
#include "userspace/model/document/json_tree.h"
#include "userspace/model/document/session_fields.h"
#include "userspace/model/document/session_json_values.h"
#include "userspace/model/metrics.h"

#define SNIFF_LENGTH 4096

static void *at(void *object, size_t offset)
{
	return (char *)object + offset;
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

static size_t read_texts(struct reading *r, const cJSON *json, const char ***ret)
{
	size_t n = 0;
	*ret = read_items(r, NULL, json, text_item, sizeof(**ret), &n);
	return n;
}

static size_t read_ints(struct reading *r, const cJSON *json, int64_t **ret)
{
	size_t n = 0;
	*ret = read_items(r, NULL, json, int_item, sizeof(**ret), &n);
	return n;
}

static void read_histogram(struct reading *r, const cJSON *json, int64_t *buckets)
{
	int64_t *values = NULL;
	const size_t n = read_ints(r, json, &values);
	for (size_t i = 0; i < n && i < HEAP_BUCKETS; i++)
		buckets[i] = values[i] == UNKNOWN ? 0 : values[i];
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

static void struct_item(struct reading *r, const struct record *record, const cJSON *json,
			void *item)
{
	set_defaults(record, item);
	read_object(r, record, json, item);
}

static void read_array(struct reading *r, const struct field *field, const cJSON *json,
		       void *object)
{
	size_t n = 0;
	*(void **)at(object, field->offset) =
		read_items(r, field->record, json, struct_item, field->record->size, &n);
	*(size_t *)at(object, field->count_offset) = n;
}

/* --- metrics -------------------------------------------------------------------------------- */

static int unit_or_count(const char *name)
{
	const int unit = unit_of(name);
	return unit >= 0 ? unit : UNIT_COUNT;
}

/* Where a statistic of that key goes. */
static double *statistic(struct summary *s, const char *key)
{
	const struct {
		const char *key;
		double *value;
	} rows[] = {
		{ "median", &s->median }, { "mad", &s->mad }, { "mean", &s->mean },
		{ "stddev", &s->stddev }, { "min", &s->min }, { "max", &s->max },
		{ "p95", &s->p95 },	  { "q1", &s->q1 },   { "q3", &s->q3 },
		{ "p99", &s->p99 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (strcmp(rows[i].key, key) == 0)
			return rows[i].value;
	}
	return NULL;
}

static void read_interval(struct reading *r, const cJSON *json, struct summary *s)
{
	size_t n = 0;
	const double *ends = read_items(r, NULL, json, double_item, sizeof(double), &n);
	if (n == 2 && ends != NULL) {
		s->ci95_low = ends[0];
		s->ci95_high = ends[1];
	}
}

struct series_reading {
	struct series *series;
	struct metric metric; /* what the document says about it */
	struct summary summary;
};

static void series_member(struct reading *r, const cJSON *member, struct series_reading *s)
{
	const char *key = member->string;
	double *value = statistic(&s->summary, key);
	if (value != NULL)
		*value = read_double(r, member);
	else if (strcmp(key, "id") == 0)
		s->series->id = read_detail(r, member);
	else if (strcmp(key, "unit") == 0)
		s->metric.unit = (enum unit)read_name(r, member, unit_or_count, UNIT_COUNT);
	else if (strcmp(key, "better") == 0)
		s->metric.better = (enum better)read_name(r, member, better_of, BETTER_NEITHER);
	else if (strcmp(key, "class") == 0)
		s->metric.class =
			(enum metric_class)read_name(r, member, metric_class_of, CLASS_SIZE);
	else if (strcmp(key, "values") == 0)
		s->series->values = read_items(r, NULL, member, double_item, sizeof(double),
					       &s->series->n_values);
	else if (strcmp(key, "ci95") == 0)
		read_interval(r, member, &s->summary);
	else if (strcmp(key, "n") == 0 && cJSON_IsNumber(member))
		s->summary.n = (size_t)fmax(0, fmin(member->valuedouble, 1e15));
}

/* Where there are values, the statistics are worked out again: they are a function of these. */
static void series_item(struct reading *r, const struct record *record, const cJSON *json,
			void *item)
{
	struct series *series = item;
	struct series_reading s = { .series = series };
	const cJSON *member = NULL;
	(void)record;
	summary_of(NULL, 0, &s.summary);
	s.metric = (struct metric){ .better = BETTER_NEITHER, .class = CLASS_SIZE };
	series->id = "";
	while ((member = next_member(r, json, member)) != NULL) {
		step_in(r, member->string, 0);
		series_member(r, member, &s);
		step_out(r);
	}
	series->metric = metrics_row(series->id);
	if (series->metric == NULL && may_use(r, sizeof(struct metric)))
		series->metric = session_own_metric(r->session, series->id, &s.metric);
	series->is_summary =
		series->n_values == 0 && !(isnan(s.summary.median) && isnan(s.summary.mean) &&
					   isnan(s.summary.min) && isnan(s.summary.max));
	if (series->is_summary)
		series->summary = s.summary;
	else
		summary_of(series->values, series->n_values, &series->summary);
}

static void read_metrics(struct reading *r, const cJSON *json)
{
	size_t n = 0;
	struct series *series = read_items(r, NULL, json, series_item, sizeof(*series), &n);
	r->session->series = series;
	r->session->n_series = 0;
	for (size_t i = 0; i < n; i++) {
		if (series[i].metric != NULL) /* else memory was short */
			series[r->session->n_series++] = series[i];
	}
}

/* --- fields --------------------------------------------------------------------------------- */

static void read_field(struct reading *r, const struct field *field, const cJSON *json,
		       void *object)
{
	void *value = at(object, field->offset);
	struct text_list *texts = NULL;
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
	case FIELD_TEXTS:
		texts = value;
		texts->n = read_texts(r, json, &texts->items);
		break;
	case FIELD_LINES:
		*(size_t *)at(object, field->count_offset) = read_texts(r, json, value);
		break;
	case FIELD_INTS:
		*(size_t *)at(object, field->count_offset) = read_ints(r, json, value);
		break;
	case FIELD_PHASE:
		*(enum phase *)value = (enum phase)read_name(r, json, phase_of, -1);
		break;
	case FIELD_STATE:
		*(enum activity *)value = (enum activity)read_name(r, json, activity_of, -1);
		break;
	case FIELD_CAUSE:
		*(enum cause *)value = (enum cause)read_name(r, json, cause_of, CAUSE_UNKNOWN);
		break;
	case FIELD_OBJECT:
		read_object(r, field->record, json, value);
		break;
	case FIELD_ARRAY:
		read_array(r, field, json, object);
		break;
	case FIELD_HISTOGRAM:
		read_histogram(r, json, value);
		break;
	case FIELD_METRICS:
		read_metrics(r, json);
		break;
	case FIELD_NOTHING:
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

static void finish_run(struct reading *r, struct run *run, size_t index)
{
	for (size_t i = 0; i < run->n_processes; i++) {
		struct process *p = &run->processes[i];
		if (p->id != 0 && p->id != (int)i + 1)
			set_error(r, "the ids of the processes are not in order");
		p->id = (int)i + 1;
	}
	check_references(&run_record, run, run->n_processes);
	const size_t n = metrics_count();
	run->values = arena_alloc_array(r->session->arena, n, sizeof(*run->values));
	if (run->values == NULL) {
		set_error(r, "memory is short");
		return;
	}
	for (size_t i = 0; i < n; i++)
		run->values[i] = NAN;
	for (size_t i = 0; i < r->session->n_series; i++) {
		const struct series *series = &r->session->series[i];
		if (series->metric->get != NULL && index < series->n_values)
			run->values[series->metric - metrics] = series->values[index];
	}
}

static void read_session(struct reading *r, const cJSON *json)
{
	struct session *s = r->session;
	set_defaults(&session_record, s);
	read_object(r, &session_record, json, s);
	for (size_t i = 0; i < s->n_runs && r->error == NULL; i++) {
		step_in(r, "runs", 0);
		step_in(r, NULL, i);
		finish_run(r, &s->runs[i], i);
		step_out(r);
		step_out(r);
	}
	for (size_t i = 0; i < s->n_series; i++)
		s->series[i].tier = metrics_tier(s, metrics_row(s->series[i].id));
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
