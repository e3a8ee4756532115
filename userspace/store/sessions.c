/* SPDX-License-Identifier: MIT */
/* A session on its way into the store and out of it: its document, and a point in the series of each
 * of its metrics. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/model/compare/compare.h"
#include "userspace/model/document/session_json.h"
#include "userspace/store/internal.h"

/* Of a command line, as the name of a series. */
#define SCENARIO_MAX 1024
/* What session_read_json() takes at most; the claim in the database is not believed beyond. */
#define DOCUMENT_MAX ((size_t)512 << 20)

const char *store_scenario_of(const struct session *s, struct arena *arena)
{
	_cleanup_(buf_done) struct buf line;
	buf_init(&line, SCENARIO_MAX);
	for (size_t i = 0; i < s->command.n; i++) {
		if (i > 0)
			(void)buf_addc(&line, ' ');
		(void)buf_adds(&line, s->command.items[i]); /* what does not fit is left out */
	}
	return compare_normalise(arena, buf_str(&line));
}

/* ---- in ---- */

struct document {
	char *text;
	size_t n;
	char id[BLOB_ID_BYTES];
	struct buf packed;
};

static void document_done(struct document *d)
{
	free(d->text);
	buf_done(&d->packed);
}

static int write_document(const struct session *s, struct document *ret)
{
	FILE *f = open_memstream(&ret->text, &ret->n);
	if (f == NULL)
		return -ENOMEM;
	int r = session_write_json(s, f);
	if (fclose(f) != 0 && r == 0)
		r = -ENOMEM;
	if (r == 0) {
		blob_id(ret->text, ret->n, ret->id);
		r = blob_deflate(ret->text, ret->n, &ret->packed);
	}
	return r < 0 ? fail(r, "the session cannot be stored: %s", strerror(-r)) : 0;
}

struct row { /* of the series and point tables */
	int64_t series;
	const struct series *of;
};

static int by_series(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	return (x->series > y->series) - (x->series < y->series);
}

static int put_point(struct store *st, const struct row *row, const char *scenario,
		     const char *host_class, const char *metric, int64_t created_ns, int64_t number)
{
	const struct summary *s = &row->of->summary;
	const struct sql_value series[] = {
		sql_integer(row->series),
		sql_text(scenario),
		sql_text(host_class),
		sql_text(metric),
		sql_text(unit_name(row->of->metric->unit)),
		sql_text(better_name(row->of->metric->better)),
	};
	const struct sql_value point[] = {
		sql_integer(row->series),
		sql_integer(created_ns),
		sql_integer(number),
		sql_integer((int64_t)s->n),
		sql_real(isfinite(s->median) ? s->median : s->mean),
		sql_real(s->ci95_low),
		sql_real(s->ci95_high),
	};
	const int r = sql_run(&st->sql, SQL_SERIES_ADD, series, 6, NULL, NULL);
	return r < 0 ? r : sql_run(&st->sql, SQL_POINT_ADD, point, 7, NULL, NULL);
}

/* In the order of their keys: two writers that wait for each other's rows could wait for ever. */
static int put_points(struct store *st, const struct session *s, const struct store_entry *about,
		      struct arena *arena, int64_t number)
{
	struct row *rows = arena_alloc_array(arena, s->n_series, sizeof(*rows));
	size_t n = 0;
	if (rows == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_series; i++) {
		const struct series *series = &s->series[i];
		if (!isfinite(series->summary.median) && !isfinite(series->summary.mean))
			continue;
		const char *metric = stored_text(arena, series->id);
		rows[n++] = (struct row){
			.series = series_key(arena, about->scenario, about->host_class, metric),
			.of = series,
		};
	}
	if (n > 1)
		qsort(rows, n, sizeof(*rows), by_series);
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		/* A document may name a metric twice. */
		if (i == 0 || rows[i].series != rows[i - 1].series)
			r = put_point(st, &rows[i], about->scenario, about->host_class,
				      stored_text(arena, rows[i].of->id), about->created_ns,
				      number);
	}
	return r;
}

static struct store_entry complete(const struct session *s, const struct store_entry *about,
				   struct arena *arena)
{
	const struct store_entry given = about != NULL ? *about : (struct store_entry){ 0 };
	const char *scenario =
		given.scenario != NULL ? given.scenario : store_scenario_of(s, arena);
	return (struct store_entry){
		.created_ns = given.created_ns != 0 ? given.created_ns
						    : (int64_t)clock_ns(CLOCK_REALTIME),
		.scenario = stored_text(arena, scenario),
		.host_class = stored_text(arena, given.host_class != NULL ? given.host_class
									  : s->host.fingerprint),
		.commit = stored_text(arena, given.commit),
		.branch = stored_text(arena, given.branch),
		.note = stored_text(arena, given.note),
		.is_dirty = given.is_dirty,
	};
}

int session_put(struct store *st, const struct session *s, const struct store_entry *about,
		struct arena *arena, int64_t *ret_number)
{
	_cleanup_(document_done) struct document d = { 0 };
	buf_init(&d.packed, DOCUMENT_MAX);
	int r = write_document(s, &d);
	if (r < 0)
		return r;
	memcpy(st->last_id, d.id, sizeof(d.id));
	*ret_number = session_key(d.id);
	const struct store_entry entry = complete(s, about, arena);
	const struct sql_value session[] = {
		sql_integer(*ret_number),      sql_text(d.id),
		sql_integer(entry.created_ns), sql_text(entry.scenario),
		sql_text(entry.host_class),    sql_text(entry.commit),
		sql_text(entry.branch),	       sql_text(entry.note),
		sql_integer(entry.is_dirty),   sql_integer((int64_t)s->n_runs),
	};
	const struct sql_value document[] = {
		sql_integer(*ret_number),
		sql_integer((int64_t)d.n),
		sql_blob(d.packed.data, d.packed.len),
	};
	bool is_new = false;
	r = sql_run(&st->sql, SQL_SESSION_ADD, session, 10, see_row, &is_new);
	if (r < 0 || !is_new)
		return r;
	r = sql_run(&st->sql, SQL_DOCUMENT_ADD, document, 3, NULL, NULL);
	return r < 0 ? r : put_points(st, s, &entry, arena, *ret_number);
}

int store_put(struct store *st, const struct session *s, const struct store_entry *about,
	      struct store_entry *ret)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	int64_t number = 0;
	if (arena == NULL)
		return -ENOMEM;
	int r = sql_begin(&st->sql);
	if (r == 0)
		r = session_put(st, s, about, arena, &number);
	if (r == 0)
		r = sql_commit(&st->sql);
	else
		sql_rollback(&st->sql);
	if (r == 0 && ret != NULL)
		ret->id = st->last_id;
	return r;
}

/* ---- out ---- */

struct packed {
	struct buf *text;
	char id[BLOB_ID_BYTES];
	bool was_found;
};

static int unpack(void *context, const struct sql_value *cells, size_t n)
{
	struct packed *p = context;
	if (n < 3 || cells[2].type != SQL_BLOB || cell_integer(&cells[1]) < 0)
		return -EBADMSG;
	const size_t bytes = (size_t)cell_integer(&cells[1]);
	const char *id = cell_text(&cells[0]);
	p->was_found = true;
	if (strlen(id) != BLOB_ID_BYTES - 1)
		return -EBADMSG;
	memcpy(p->id, id, BLOB_ID_BYTES);
	return blob_inflate(cells[2].data, cells[2].length, bytes, p->text);
}

int document_load(struct store *st, int64_t number, struct session **ret)
{
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, DOCUMENT_MAX);
	struct packed p = { .text = &text };
	const struct sql_value parameter = sql_integer(number);
	int r = sql_run(&st->sql, SQL_DOCUMENT_OF, &parameter, 1, unpack, &p);
	char id[BLOB_ID_BYTES];
	if (r == 0 && p.was_found) {
		blob_id(buf_str(&text), text.len, id);
		r = strcmp(id, p.id) == 0
			    ? session_read_json(buf_str(&text), text.len, st->name, ret)
			    : -EBADMSG;
	} else if (r == 0) {
		r = -EBADMSG;
	}
	if (r == -EBADMSG || r == -EFBIG)
		return fail(-EIO, "the store '%s' is damaged: run %0*llx cannot be read", st->name,
			    KEY_DIGITS, (unsigned long long)number);
	return r;
}

int store_get(struct store *st, const char *id, struct session **ret)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct entry entry;
	if (arena == NULL)
		return -ENOMEM;
	const int r = entry_by_id(st, id, arena, &entry);
	return r < 0 ? r : document_load(st, entry.number, ret);
}
