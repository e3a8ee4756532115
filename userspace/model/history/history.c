/* SPDX-License-Identifier: MIT */
/* Segments by base/stats_changepoint.h, on logarithms where all values have one; everything else
 * follows from them. */

#include "userspace/model/history/history.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/stats.h"
#include "userspace/base/stats_changepoint.h"

/* A point so many standard deviations from the median of its segment is a spike. */
#define SPIKE_DEVIATIONS 5
#define SD_OF_MAD	 1.4826
/* Points on either side of a change, and at the anchor and the end: enough to bound 2 % at 3 % noise,
 * few enough to be one state of the program. */
#define SIDE_MAX  50
#define DRIFT_MAX 20
#define DRIFT_MIN 5 /* fewer bound nothing at HISTORY_LEVEL */

struct builder {
	struct history *h;
	bool has_logarithms;
	double margin;
	double *values; /* of the points that have one, as they are compared */
	size_t *points; /* which these are */
	size_t n;
};

static void builder_done(struct builder *b)
{
	free(b->values);
	free(b->points);
}

DEFINE_FREEP(struct history, history_free)

struct history *history_free(struct history *h)
{
	if (h != NULL)
		(void)arena_free(h->arena);
	return NULL;
}

struct trend *trend_free(struct trend *t)
{
	if (t != NULL)
		(void)arena_free(t->arena);
	return NULL;
}

static double value_at(const struct history *h, size_t i)
{
	return h->trend->points[i].median;
}

/* ---- values ---- */

static int take_values(struct builder *b)
{
	const struct trend *t = b->h->trend;
	b->values = malloc((t->n_points + 1) * sizeof(*b->values));
	b->points = malloc((t->n_points + 1) * sizeof(*b->points));
	if (b->values == NULL || b->points == NULL)
		return -ENOMEM;
	b->has_logarithms = true;
	for (size_t i = 0; i < t->n_points; i++) {
		const double value = t->points[i].median;
		if (!isfinite(value))
			continue;
		b->points[b->n] = i;
		b->values[b->n++] = value;
		b->has_logarithms = b->has_logarithms && value > 0;
	}
	for (size_t i = 0; b->has_logarithms && i < b->n; i++)
		b->values[i] = log(b->values[i]);
	return 0;
}

/* @margin is relative; without logarithms it is of the usual size of the values. */
static int set_margin(struct builder *b, double margin)
{
	b->margin = log1p(margin);
	if (b->h->metric.class == CLASS_EXACT)
		b->margin = 0;
	if (b->has_logarithms || b->margin == 0)
		return 0;
	_cleanup_free_ double *sizes = malloc((b->n + 1) * sizeof(*sizes));
	if (sizes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < b->n; i++)
		sizes[i] = fabs(b->values[i]);
	b->margin = margin * stats_median(sizes, b->n);
	return 0;
}

/* ---- segments ---- */

static int add_segments(struct builder *b, const struct stats_change *found, size_t n_found)
{
	struct history *h = b->h;
	h->changes = arena_alloc_array(h->arena, n_found, sizeof(*h->changes));
	h->segments = arena_alloc_array(h->arena, n_found + 1, sizeof(*h->segments));
	if (h->changes == NULL || h->segments == NULL)
		return -ENOMEM;
	h->n_segments = n_found + 1;
	for (size_t i = 0; i < n_found; i++) {
		const size_t at = b->points[found[i].at];
		h->changes[h->n_changes++] = (struct history_change){ .at = at, .p = found[i].p };
		h->segments[i].to = at;
		h->segments[i + 1].from = at;
	}
	h->segments[n_found].to = h->trend->n_points;
	return 0;
}

/* Median and spread of the values of one segment, and which of its points are spikes. */
static void describe_segment(struct builder *b, struct history_segment *s, size_t *next,
			     double *scratch)
{
	const size_t first = *next;
	while (*next < b->n && b->points[*next] < s->to)
		++*next;
	const size_t n = *next - first;
	for (size_t i = 0; i < n; i++)
		scratch[i] = value_at(b->h, b->points[first + i]);
	/* Of the values themselves: a count stays one. */
	s->median = stats_median(scratch, n);
	for (size_t i = 0; b->has_logarithms && i < n; i++)
		scratch[i] = log(scratch[i]);
	const double median = stats_median(scratch, n);
	const double spread = SPIKE_DEVIATIONS * SD_OF_MAD * stats_mad(scratch, n);
	for (size_t i = first; i < *next; i++)
		b->h->is_spike[b->points[i]] =
			fabs(b->values[i] - median) > fmax(spread, b->margin);
}

static int describe_segments(struct builder *b)
{
	struct history *h = b->h;
	_cleanup_free_ double *scratch = malloc((b->n + 1) * sizeof(*scratch));
	h->is_spike = arena_alloc_array(h->arena, h->trend->n_points, sizeof(*h->is_spike));
	if (scratch == NULL || h->is_spike == NULL)
		return -ENOMEM;
	size_t next = 0;
	for (size_t i = 0; i < h->n_segments; i++)
		describe_segment(b, &h->segments[i], &next, scratch);
	return 0;
}

static int find_segments(struct builder *b)
{
	_cleanup_free_ struct stats_change *found = NULL;
	size_t n_found = 0;
	int r = stats_changepoints(b->values, b->n, b->margin, &found, &n_found);
	if (r == 0)
		r = add_segments(b, found, n_found);
	return r == 0 ? describe_segments(b) : r;
}

/* ---- differences ---- */

/* What is to be added to a value, or multiplied with it, so that an accepted change is none. */
struct offset {
	double factor, difference;
};

#define NO_OFFSET ((struct offset){ 1, 0 })

/* The points [from, to) as a series of a session. */
static int series_of(const struct history *h, size_t from, size_t to, struct offset offset,
		     double *values, struct series *ret)
{
	size_t n = 0;
	for (size_t i = from; i < to; i++)
		values[n++] = value_at(h, i) * offset.factor + offset.difference;
	n = stats_drop_missing(values, n);
	*ret = (struct series){
		.id = h->metric.id, .metric = &h->metric, .values = values, .n_values = n
	};
	summary_of(values, n, &ret->summary);
	return 0;
}

/* Of at most SIDE_MAX points each: [base, base_end) and [head, head_end). */
static int change_between(const struct history *h, size_t base, size_t base_end,
			  struct offset offset, size_t head, size_t head_end, struct change *ret)
{
	double before[SIDE_MAX], after[SIDE_MAX];
	struct series a, b;
	int r = series_of(h, base, base_end, offset, before, &a);
	if (r == 0)
		r = series_of(h, head, head_end, NO_OFFSET, after, &b);
	if (r == 0)
		r = change_of(&a, &b, HISTORY_LEVEL, ret);
	/* They are gone with this function. */
	ret->base = NULL;
	ret->head = NULL;
	return r;
}

static size_t at_most(size_t n, size_t most)
{
	return n < most ? n : most;
}

static int measure_changes(struct history *h)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < h->n_changes; i++) {
		struct history_change *c = &h->changes[i];
		const struct history_segment *a = &h->segments[i], *b = &h->segments[i + 1];
		r = change_between(h, a->to - at_most(a->to - a->from, SIDE_MAX), a->to, NO_OFFSET,
				   b->from, b->from + at_most(b->to - b->from, SIDE_MAX),
				   &c->change);
	}
	return r;
}

/* ---- accepted ---- */

const struct history_change *history_change_near(const struct history *h, size_t i)
{
	const struct history_change *best = NULL;
	size_t best_distance = STATS_SEGMENT_MIN + 1;
	for (size_t j = 0; j < h->n_changes; j++) {
		const size_t at = h->changes[j].at, distance = at > i ? at - i : i - at;
		if (distance < best_distance) {
			best = &h->changes[j];
			best_distance = distance;
		}
	}
	return best;
}

/* Where a change is seen may move by a point or two as more runs arrive: the nearest one is meant. */
static void attach_annotations(struct history *h)
{
	for (size_t i = 0; i < h->trend->n_points; i++) {
		const char *text = h->trend->points[i].annotation;
		const struct history_change *c = text != NULL ? history_change_near(h, i) : NULL;
		if (c != NULL)
			h->changes[c - h->changes].accepted = text;
	}
}

/* ---- drift ---- */

/* Which points stand for the anchor and which for today: of one segment each, and never the same. */
static void choose_ends(const struct history *h, struct history_drift *d)
{
	const size_t n = h->trend->n_points;
	size_t i = 0;
	while (i + 1 < h->n_segments && h->segments[i].to <= d->anchor)
		i++;
	const size_t end = h->segments[i].to;
	d->anchor_end = d->anchor + at_most(end - d->anchor, DRIFT_MAX);
	const size_t last = h->segments[h->n_segments - 1].from;
	d->head = n - at_most(n - last, DRIFT_MAX);
	if (d->head < d->anchor_end) {
		d->anchor_end = d->anchor + (n - d->anchor) / 2;
		d->head = d->anchor_end > d->head ? d->anchor_end : d->head;
	}
}

static int measure_drift(struct history *h, size_t anchor)
{
	struct history_drift *d = &h->drift;
	const size_t n = h->trend->n_points;
	*d = (struct history_drift){
		.anchor = anchor < n ? anchor
			  : n > 0    ? n - 1
				     : 0,
		.accepted = 1,
		.steps = 1,
	};
	if (n < d->anchor + 2 * DRIFT_MIN) {
		d->anchor_end = d->head = n;
		d->reason = "too few runs since the anchor";
		return 0;
	}
	choose_ends(h, d);
	struct offset offset = NO_OFFSET;
	for (size_t i = 0; i < h->n_changes; i++) {
		const struct history_change *c = &h->changes[i];
		if (c->at < d->anchor_end)
			continue;
		const double ratio = c->change.ratio;
		if (c->accepted == NULL) {
			d->steps *= ratio;
			continue;
		}
		d->accepted *= ratio;
		if (ratio > 0 && c->change.basis != BASIS_DIFFERENCE)
			offset =
				(struct offset){ offset.factor * ratio, offset.difference * ratio };
		else
			offset.difference += c->change.difference;
	}
	return change_between(h, d->anchor, d->anchor_end, offset, d->head, n, &d->change);
}

/* ---- all of it ---- */

/* Unit and direction are the store's, how it is compared the table's where it knows the id. */
static struct metric metric_of(const struct trend *t, const char *id)
{
	const struct metric *row = metrics_row(id);
	return (struct metric){
		.id = id,
		.label = id,
		.unit = t->unit,
		.better = t->better,
		.class = row != NULL	      ? row->class
			 : t->unit == UNIT_NS ? CLASS_TIME
					      : CLASS_SIZE,
	};
}

int history_build(const struct trend *t, const char *id, size_t anchor, double margin,
		  struct history **ret)
{
	struct arena *arena = arena_new();
	_cleanup_(history_freep) struct history *h =
		arena != NULL ? arena_alloc(arena, sizeof(*h)) : NULL;
	if (h == NULL) {
		(void)arena_free(arena);
		return -ENOMEM;
	}
	h->arena = arena;
	h->trend = t;
	id = arena_strdup(arena, id);
	if (id == NULL)
		return -ENOMEM;
	h->metric = metric_of(t, id);
	_cleanup_(builder_done) struct builder b = { .h = h };
	int r = take_values(&b);
	if (r == 0)
		r = set_margin(&b, margin);
	if (r == 0)
		r = find_segments(&b);
	if (r == 0)
		r = measure_changes(h);
	if (r < 0)
		return r;
	attach_annotations(h);
	r = measure_drift(h, anchor);
	if (r == 0)
		*ret = take_ptr(h);
	return r;
}
