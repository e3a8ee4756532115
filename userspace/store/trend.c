/* SPDX-License-Identifier: MIT */
/* A metric over time. Points and commits come from two queries that indexes answer alone, in the
 * same order, and are merged here: a join of the two would take several times as long. */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/base/vec.h"
#include "userspace/store/internal.h"

struct spot {
	int64_t number;
	struct point point;
};

struct builder {
	struct arena *arena;
	struct spots VEC(struct spot) spots; /* newest first */
	size_t next;			     /* one past the next that may get a commit */
	const char *commit;		     /* of the last one that got one */
	struct trend *trend;
};

DEFINE_FREEP(struct trend, trend_free)

/* printf would take a tenth of the time that a long trend takes. */
static const char *id_of(struct arena *arena, int64_t number)
{
	char digits[KEY_DIGITS];
	uint64_t rest = (uint64_t)number;
	for (size_t i = KEY_DIGITS; i > 0; i--, rest >>= 4)
		digits[i - 1] = "0123456789abcdef"[rest & 0xf];
	return arena_strndup(arena, digits, KEY_DIGITS);
}

static int take_point(void *context, const struct sql_value *cells, size_t n)
{
	struct builder *b = context;
	if (n < 6)
		return -EIO;
	const int64_t number = cell_integer(&cells[0]);
	const char *id = id_of(b->arena, number);
	const int64_t count = cell_integer(&cells[2]);
	if (id == NULL)
		return -ENOMEM;
	return vec_push(&b->spots, (struct spot){
					   .number = number,
					   .point = {
						   .created_ns = cell_integer(&cells[1]),
						   .id = id,
						   .commit = "",
						   .n = count > 0 ? (size_t)count : 0,
						   .median = cell_real(&cells[3]),
						   .low = cell_real(&cells[4]),
						   .high = cell_real(&cells[5]),
					   },
				   });
}

/* Sessions come oldest first, those without this metric among them. */
static int take_commit(void *context, const struct sql_value *cells, size_t n)
{
	struct builder *b = context;
	if (n < 3)
		return -EIO;
	const int64_t number = cell_integer(&cells[0]), created_ns = cell_integer(&cells[1]);
	while (b->next > 0) {
		struct spot *spot = &b->spots.items[b->next - 1];
		if (spot->point.created_ns > created_ns ||
		    (spot->point.created_ns == created_ns && spot->number > number))
			return 0;
		b->next--;
		if (spot->number == number) {
			const char *commit = cell_text(&cells[2]);
			/* Runs of the same commit follow each other. */
			if (strcmp(commit, b->commit) != 0)
				b->commit = stored_text(b->arena, commit);
			spot->point.commit = b->commit;
			return 0;
		}
	}
	return 0;
}

static int take_annotation(void *context, const struct sql_value *cells, size_t n)
{
	struct builder *b = context;
	if (n < 2)
		return -EIO;
	vec_foreach(spot, &b->spots) {
		if (spot->number == cell_integer(&cells[0]))
			spot->point.annotation = stored_text(b->arena, cell_text(&cells[1]));
	}
	return 0;
}

static int take_unit(void *context, const struct sql_value *cells, size_t n)
{
	struct builder *b = context;
	const int unit = n > 0 ? unit_of(cell_text(&cells[0])) : -1;
	const int better = n > 1 ? better_of(cell_text(&cells[1])) : -1;
	b->trend->unit = unit >= 0 ? (enum unit)unit : UNIT_COUNT;
	b->trend->better = better >= 0 ? (enum better)better : BETTER_NEITHER;
	return 0;
}

static int read_series(struct store *st, struct builder *b, const char *scenario,
		       const char *host_class, const char *metric, size_t most)
{
	struct arena *a = b->arena;
	const char *of = stored_text(a, scenario), *on = stored_text(a, host_class);
	const struct sql_value points[] = {
		sql_integer(series_key(a, of, on, stored_text(a, metric))),
		sql_integer(most == 0 || most > INT64_MAX ? INT64_MAX : (int64_t)most),
	};
	int r = sql_run(&st->sql, SQL_SERIES_GET, points, 1, take_unit, b);
	if (r == 0)
		r = sql_run(&st->sql, SQL_POINTS, points, 2, take_point, b);
	if (r < 0 || b->spots.n == 0)
		return r;
	b->next = b->spots.n;
	const struct sql_value sessions[] = {
		sql_text(of),
		sql_text(on),
		sql_integer(vec_last(&b->spots)->point.created_ns),
	};
	r = sql_run(&st->sql, SQL_SESSIONS_OF, sessions, 3, take_commit, b);
	return r == 0 ? sql_run(&st->sql, SQL_ANNOTATIONS, points, 1, take_annotation, b) : r;
}

static int finish(struct builder *b)
{
	struct trend *t = b->trend;
	t->points = arena_alloc_array(b->arena, b->spots.n, sizeof(*t->points));
	if (t->points == NULL)
		return -ENOMEM;
	for (size_t i = b->spots.n; i > 0; i--)
		t->points[t->n_points++] = b->spots.items[i - 1].point;
	return 0;
}

int store_trend(struct store *st, const char *scenario, const char *host_class, const char *metric,
		size_t most, struct trend **ret)
{
	struct arena *arena = arena_new();
	_cleanup_(trend_freep) struct trend *t =
		arena != NULL ? arena_alloc(arena, sizeof(*t)) : NULL;
	if (t == NULL) {
		(void)arena_free(arena);
		return -ENOMEM;
	}
	t->arena = arena;
	t->unit = UNIT_COUNT;
	t->better = BETTER_NEITHER;
	struct builder b = { .arena = arena, .trend = t, .commit = "" };
	int r = read_series(st, &b, scenario, host_class, metric, most);
	if (r == 0)
		r = finish(&b);
	vec_done(&b.spots);
	if (r == 0)
		*ret = take_ptr(t);
	return r;
}

/* ---- many at once ---- */

struct many {
	int64_t series; /* whose points these are; none has this number while there are none */
	struct buf metric;
	struct points VEC(struct point) points;
	int (*each)(void *context, const char *metric, const struct trend *trend);
	void *context;
};

static int give_trend(struct many *m)
{
	const struct trend trend = { .points = m->points.items, .n_points = m->points.n };
	return m->points.n > 0 ? m->each(m->context, buf_str(&m->metric), &trend) : 0;
}

static int take_any_point(void *context, const struct sql_value *cells, size_t n)
{
	struct many *m = context;
	if (n < 4)
		return -EIO;
	const int64_t series = cell_integer(&cells[0]);
	if (m->points.n > 0 && series != m->series) {
		const int r = give_trend(m);
		m->points.n = 0;
		if (r != 0)
			return r;
	}
	m->series = series;
	if (m->points.n == 0) {
		buf_clear(&m->metric);
		(void)buf_adds(&m->metric, cell_text(&cells[1]));
	}
	const struct point point = { .created_ns = cell_integer(&cells[2]),
				     .median = cell_real(&cells[3]) };
	return m->metric.error < 0 ? m->metric.error : vec_push(&m->points, point);
}

int store_trends(struct store *st, const char *scenario, const char *host_class, size_t most,
		 int (*each)(void *context, const char *metric, const struct trend *trend),
		 void *context)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct many m = { .metric = { .limit = SIZE_MAX }, .each = each, .context = context };
	assert(most > 0 && most <= INT64_MAX);
	if (arena == NULL)
		return -ENOMEM;
	const struct sql_value parameters[] = {
		scenario != NULL ? sql_text(stored_text(arena, scenario))
				 : (struct sql_value){ .type = SQL_NULL },
		sql_text(stored_text(arena, host_class)),
		sql_integer((int64_t)most - 1),
	};
	int r = sql_run(&st->sql, SQL_POINTS_OF_ALL, parameters, 3, take_any_point, &m);
	if (r == 0)
		r = give_trend(&m);
	buf_done(&m.metric);
	vec_done(&m.points);
	return r;
}

int store_annotate(struct store *st, const char *id, const char *metric, const char *text)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct entry entry;
	int r = arena != NULL ? entry_by_id(st, id, arena, &entry) : -ENOMEM;
	if (r < 0)
		return r;
	const struct sql_value parameters[] = {
		sql_integer(series_key(arena, entry.about.scenario, entry.about.host_class,
				       stored_text(arena, metric))),
		sql_integer(entry.number),
		sql_integer((int64_t)clock_ns(CLOCK_REALTIME)),
		sql_text(stored_text(arena, text)),
	};
	return sql_run(&st->sql, SQL_ANNOTATION_ADD, parameters, 4, NULL, NULL);
}
