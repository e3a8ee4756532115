/* SPDX-License-Identifier: MIT */
/* Samples, put together by id, on their way into a session. */

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/foreign/internal.h"

/* A suite of a hundred thousand tests is the largest thing that is summed up in one file. */
#define MAX_METRICS ((size_t)250000)
#define MAX_VALUES  ((size_t)16 << 20)
#define MAX_NOTES   ((size_t)16)

const struct metric like_time = { .unit = UNIT_NS, .better = BETTER_LOWER, .class = CLASS_TIME };
const struct metric like_size = { .unit = UNIT_BYTES, .better = BETTER_LOWER, .class = CLASS_SIZE };
const struct metric like_count = { .unit = UNIT_COUNT,
				   .better = BETTER_NEITHER,
				   .class = CLASS_SIZE };

void gather_init(struct gathering *g, const char *path, struct session *session)
{
	*g = (struct gathering){ .path = path, .session = session };
}

void gather_done(struct gathering *g)
{
	vec_foreach(item, &g->items) {
		vec_done(&item->values);
		vec_done(&item->processes);
	}
	vec_done(&g->items);
	id_map_done(&g->index);
}

void gather_no_memory(struct gathering *g)
{
	if (g->error == 0)
		g->error = fail(-ENOMEM, "'%s': memory is short", g->path);
}

void gather_fail(struct gathering *g, const char *format, ...)
{
	char what[512];
	va_list args;
	if (g->error < 0)
		return;
	va_start(args, format);
	(void)vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	g->error = fail(-EBADMSG, "'%s': %s", g->path, what);
}

void gather_note(struct gathering *g, const char *format, ...)
{
	char line[512];
	va_list args;
	struct session *s = g->session;
	if (g->error < 0 || s->n_notes >= MAX_NOTES)
		return;
	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	const char *copy = arena_strdup(s->arena, line);
	if (copy == NULL || session_add_note(s, copy) < 0)
		gather_no_memory(g);
}

const char *gather_textn(struct gathering *g, const char *text, size_t n)
{
	if (n == 0)
		return NULL;
	const char *copy = arena_strndup(g->session->arena, text, n);
	if (copy == NULL)
		gather_no_memory(g);
	return copy;
}

const char *gather_text(struct gathering *g, const char *text)
{
	return text != NULL ? gather_textn(g, text, strlen(text)) : NULL;
}

void gather_cpus(struct gathering *g, double n)
{
	if (n >= 1 && n <= 1e6)
		g->session->host.cpus = (int64_t)n;
}

void gather_command(struct gathering *g, const char *command)
{
	struct text_list *list = &g->session->command;
	const char *copy = gather_text(g, command);
	if (copy == NULL)
		return;
	list->items = arena_alloc_array(g->session->arena, 1, sizeof(*list->items));
	if (list->items == NULL) {
		gather_no_memory(g);
		return;
	}
	list->items[0] = copy;
	list->n = 1;
}

/* --- by id ---------------------------------------------------------------------------------- */

const char *gather_name(struct gathering *g, const struct buf *name)
{
	if (name->error == -EFBIG)
		gather_fail(g, "a name longer than %zu bytes: '%.40s...'", FOREIGN_MAX_NAME,
			    buf_str(name));
	else if (name->error < 0)
		gather_no_memory(g);
	return g->error == 0 ? buf_str(name) : NULL;
}

/* "@stem[.@what][@name]" */
static const char *intern_id(struct gathering *g, const char *stem, const char *what,
			     const char *name)
{
	_cleanup_(buf_done) struct buf id = { .limit = FOREIGN_MAX_NAME };
	const bool has_name = name != NULL && name[0] != '\0';
	if (g->error < 0)
		return NULL;
	(void)buf_addf(&id, "%s%s%s", stem, what != NULL ? "." : "", what != NULL ? what : "");
	if (has_name && buf_addf(&id, "[%s]", name) == -EFBIG)
		gather_fail(g, "a name longer than %zu bytes: '%.40s...'", FOREIGN_MAX_NAME, name);
	if (gather_name(g, &id) == NULL)
		return NULL;
	const char *interned = arena_intern(g->session->arena, buf_str(&id));
	if (interned == NULL)
		gather_no_memory(g);
	return interned;
}

const char *gather_id(struct gathering *g, const char *stem, const char *name)
{
	return intern_id(g, stem, NULL, name);
}

const char *gather_id_below(struct gathering *g, const char *stem, const char *what,
			    const char *name)
{
	return intern_id(g, stem, what, name);
}

const char *gather_once(struct gathering *g, const char *id)
{
	if (gather_has(g, id))
		gather_fail(g, "'%.200s' is there twice", id);
	return g->error == 0 ? id : NULL;
}

static int find(struct gathering *g, const char *id, const char **ret_interned)
{
	*ret_interned = arena_intern(g->session->arena, id);
	if (*ret_interned != NULL)
		return id_map_get(&g->index, (uint64_t)(uintptr_t)*ret_interned);
	gather_no_memory(g);
	return -1;
}

bool gather_has(struct gathering *g, const char *id)
{
	const char *interned = NULL;
	return g->error == 0 && id != NULL && find(g, id, &interned) >= 0;
}

/* An id of ours keeps its meaning: what comes under it must be of its unit. */
static bool is_of_unit(struct gathering *g, const char *id, const struct metric *like)
{
	const struct metric *row = metrics_row(id);
	if (row == NULL || row->unit == like->unit)
		return true;
	gather_fail(g, "%s is measured in %s, not in %s", id, unit_name(row->unit),
		    unit_name(like->unit));
	return false;
}

static struct gathered *item_of(struct gathering *g, const char *id, const struct metric *like)
{
	const char *interned = NULL;
	if (g->error < 0 || id == NULL)
		return NULL;
	const int known = find(g, id, &interned);
	if (g->error < 0)
		return NULL;
	if (known >= 0) {
		struct gathered *item = &g->items.items[known];
		if (item->like.unit == like->unit)
			return item;
		gather_fail(g, "%s comes in %s and in %s", id, unit_name(item->like.unit),
			    unit_name(like->unit));
		return NULL;
	}
	if (!is_of_unit(g, interned, like))
		return NULL;
	if (g->items.n == MAX_METRICS) {
		gather_fail(g, "more than %zu metrics", MAX_METRICS);
		return NULL;
	}
	const struct gathered fresh = { .id = interned, .like = *like };
	if (vec_push(&g->items, fresh) < 0 ||
	    id_map_set(&g->index, (uint64_t)(uintptr_t)interned, (int)g->items.n - 1) < 0) {
		gather_no_memory(g);
		return NULL;
	}
	return vec_last(&g->items);
}

void gather_value(struct gathering *g, const char *id, const struct metric *like, double value)
{
	struct gathered *item = item_of(g, id, like);
	if (item == NULL)
		return;
	if (item->is_summary)
		gather_fail(g, "%s is there with values and without", id);
	else if (g->n_values++ == MAX_VALUES)
		gather_fail(g, "more than %zu values", MAX_VALUES);
	else if (vec_push(&item->values, isfinite(value) ? value : (double)NAN) < 0)
		gather_no_memory(g);
}

void gather_values(struct gathering *g, const char *id, const struct metric *like,
		   const cJSON *values, double scale)
{
	const cJSON *value = NULL;
	cJSON_ArrayForEach(value, values)
	{
		const char *text = cJSON_GetStringValue(value);
		const bool is_missing =
			cJSON_IsNull(value) || (text != NULL && strcmp(text, "NaN") == 0);
		if (!cJSON_IsNumber(value) && !is_missing) {
			gather_fail(g, "%.200s: a value that is not a number", id);
			return;
		}
		gather_value(g, id, like, is_missing ? (double)NAN : value->valuedouble * scale);
	}
}

void gather_process(struct gathering *g, const char *id, double n)
{
	const char *interned = NULL;
	const int known = g->error == 0 ? find(g, id, &interned) : -1;
	if (known >= 0 && vec_push(&g->items.items[known].processes, n) < 0)
		gather_no_memory(g);
}

struct summary *gather_summary(struct gathering *g, const char *id, const struct metric *like)
{
	struct gathered *item = item_of(g, id, like);
	if (item == NULL || item->values.n > 0)
		return NULL;
	if (!item->is_summary)
		summary_of(NULL, 0, &item->summary);
	item->is_summary = true;
	return &item->summary;
}

/* --- into the session ----------------------------------------------------------------------- */

/* Infinities of a hostile file end here; JSON has none. */
static void drop_infinities(struct summary *s)
{
	double *const values[] = { &s->min,    &s->max, &s->mean,     &s->stddev,
				   &s->median, &s->mad, &s->q1,	      &s->q3,
				   &s->p95,    &s->p99, &s->ci95_low, &s->ci95_high };
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		if (!isfinite(*values[i]))
			*values[i] = NAN;
	}
}

static bool says_nothing(const struct summary *s)
{
	return isnan(s->median) && isnan(s->mean) && isnan(s->min) && isnan(s->max);
}

/* Which values are of one process, of the series that was added last. */
static int put_processes(struct session *s, enum samples samples, size_t n_values)
{
	const double all = (double)n_values;
	double *ones = NULL;
	int r = 0;
	switch (samples) {
	case SAMPLES_UNKNOWN:
		return 0;
	case SAMPLES_OF_PROCESS:
		return session_set_processes(s, &all, 1);
	case SAMPLES_OF_RUNS:
		break;
	}
	ones = calloc(n_values + 1, sizeof(*ones));
	for (size_t i = 0; ones != NULL && i < n_values; i++)
		ones[i] = 1;
	r = ones != NULL ? session_set_processes(s, ones, n_values) : -ENOMEM;
	free(ones);
	return r;
}

static int put(struct session *s, enum samples samples, struct gathered *item)
{
	if (!item->is_summary) {
		const int r = session_add_values(s, item->id, &item->like, item->values.items,
						 item->values.n);
		if (r == 0 && item->processes.n > 0)
			return session_set_processes(s, item->processes.items, item->processes.n);
		return r == 0 ? put_processes(s, samples, item->values.n) : r;
	}
	drop_infinities(&item->summary);
	if (says_nothing(&item->summary))
		return 0;
	const int r = session_add_summary(s, item->id, &item->like, &item->summary);
	/* The statistics of runs have an interval that is theirs. */
	return r == 0 && samples == SAMPLES_OF_PROCESS ? put_processes(s, samples, item->summary.n)
						       : r;
}

int gather_finish(struct gathering *g)
{
	vec_foreach(item, &g->items) {
		if (g->error == 0 && put(g->session, g->samples, item) < 0)
			gather_no_memory(g);
	}
	if (g->error == 0 && g->session->n_series == 0)
		g->error = fail(-ENODATA, "'%s': there is no result in it", g->path);
	return g->error;
}
