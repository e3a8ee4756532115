/* SPDX-License-Identifier: MIT */
/* Of the splits that stats_changepoint_windows.c finds the clearest are taken first; what they hid
 * from each other is looked for between them, and in the end each has to hold between its
 * neighbours. */

#include "userspace/base/stats_changepoint.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/stats.h"
#include "userspace/base/stats_changepoint_search.h"

#define SEGMENT STATS_SEGMENT_MIN
/* A claim needs evidence of log(n) + this: set by simulation (tests/unit) to less than one false claim
 * in a hundred series, whatever their length. */
#define EVIDENCE 3.9
/* How far to either side a change is looked at again: bounds the work per change. */
#define REACH 512
/* A shift must be so many standard errors, judged by the spread on its own two sides: ranks alone
 * take four noisy values after many quiet ones for a change. */
#define ERRORS_MIN 4.5
/* The spread of so few values says little; the other side's is mixed in. */
#define SPREAD_PRIOR	 8.0
#define SD_OF_MAD	 1.4826 /* of normal noise */
#define BOUND_DEVIATIONS 3
#define SAMPLE_MAX	 10000 /* values that the bound is taken from */
#define CORRELATION_MAX	 0.9

static void search_done(struct search *s)
{
	free(s->items);
	free(s->merged);
	free(s->ranks);
	free(s->sums);
	vec_done(&s->found);
	vec_done(&s->changes);
}

/* ---- which of them ---- */

static int by_evidence(const void *left, const void *right)
{
	const struct split *a = left, *b = right;
	if (a->evidence != b->evidence)
		return a->evidence < b->evidence ? 1 : -1;
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return a->from < b->from ? -1 : 1;
}

/* How many changes are at or before @at. */
static size_t changes_up_to(const struct search *s, size_t at)
{
	size_t low = 0, high = s->changes.n;
	while (low < high) {
		const size_t middle = (low + high) / 2;
		if (s->changes.items[middle] <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert_change(struct search *s, size_t i, size_t at)
{
	if (vec_push(&s->changes, at) < 0)
		return -ENOMEM;
	size_t *items = s->changes.items;
	memmove(items + i + 1, items + i, (s->changes.n - 1 - i) * sizeof(*items));
	items[i] = at;
	return 0;
}

static void remove_change(struct search *s, size_t i)
{
	size_t *items = s->changes.items;
	memmove(items + i, items + i + 1, (s->changes.n - 1 - i) * sizeof(*items));
	s->changes.n--;
}

/* Of windows with a change inside that was already taken, the split may be its shadow. */
static int take_clearest(struct search *s)
{
	int r = 0;
	if (s->found.n > 0)
		qsort(s->found.items, s->found.n, sizeof(*s->found.items), by_evidence);
	vec_foreach(split, &s->found) {
		if (r < 0 || s->changes.n >= STATS_CHANGES_MAX)
			break;
		const size_t i = changes_up_to(s, split->from);
		if (i < s->changes.n && s->changes.items[i] < split->to)
			continue;
		r = insert_change(s, i, split->at);
		if (r == 0 && split->back > 0)
			r = insert_change(s, i + 1, split->back);
	}
	return r;
}

/* The segments around change @i, no further than REACH. */
static size_t before(const struct search *s, size_t i)
{
	const size_t at = s->changes.items[i], start = i > 0 ? s->changes.items[i - 1] : 0;
	return at - start > REACH ? at - REACH : start;
}

static size_t behind(const struct search *s, size_t i)
{
	const size_t at = s->changes.items[i];
	const size_t end = i + 1 < s->changes.n ? s->changes.items[i + 1] : s->n;
	return end - at > REACH ? at + REACH : end;
}

/* Changes that stand so close to another one that each window with one had both. */
static int take_hidden(struct search *s)
{
	int r = 0;
	if (s->changes.n == 0)
		return 0; /* the windows have seen all there is */
	for (size_t i = 0; r == 0 && i <= s->changes.n && s->changes.n < STATS_CHANGES_MAX;) {
		const size_t from = i > 0 ? s->changes.items[i - 1] : 0;
		const size_t to = i < s->changes.n ? s->changes.items[i] : s->n;
		const size_t reach = to - from < REACH ? to - from : REACH;
		const struct split first = search_range(s, from, from + reach);
		const struct split last = search_range(s, to - reach, to);
		const struct split *best = first.evidence >= last.evidence ? &first : &last;
		if (best->evidence < s->threshold) {
			i++;
			continue;
		}
		r = insert_change(s, i, best->at);
		if (r == 0 && best->back > 0)
			r = insert_change(s, i + 1, best->back);
	}
	return r;
}

static double median_of(const struct search *s, size_t from, size_t to)
{
	double v[REACH];
	memcpy(v, s->v + from, (to - from) * sizeof(*v));
	return stats_median(v, to - from);
}

/* Ranks say that there is a change; where, is said best by the two levels, once they are known: the
 * place with the least sum of distances from them. A spike weighs no more than their difference. */
static size_t place_of(const struct search *s, size_t from, size_t at, size_t to)
{
	const double low = median_of(s, from, at), high = median_of(s, at, to);
	double cost = 0, least = INFINITY;
	size_t best = at;
	for (size_t i = from; i + SEGMENT <= to; i++) {
		if (i >= from + SEGMENT && cost < least) {
			least = cost;
			best = i;
		}
		cost += fabs(s->v[i] - low) - fabs(s->v[i] - high);
	}
	return best;
}

/* Places change a little as levels become clearer; each change keeps to its neighbours. */
static void refine(struct search *s)
{
	for (size_t i = 0; i < s->changes.n; i++) {
		const size_t from = before(s, i), to = behind(s, i);
		size_t at = s->changes.items[i];
		const struct split split = search_range(s, from, to);
		if (split.evidence >= s->threshold && split.back == 0)
			at = split.at;
		if (at - from <= REACH && to - at <= REACH)
			at = place_of(s, from, at, to);
		s->changes.items[i] = at;
	}
}

/* ---- what holds ---- */

struct side {
	double n, median, variance;
};

static struct side side_of(struct search *s, size_t from, size_t to)
{
	double v[REACH];
	const size_t n = to - from;
	memcpy(v, s->v + from, n * sizeof(*v));
	const double median = stats_median(v, n), sd = SD_OF_MAD * stats_mad(v, n);
	return (struct side){ (double)n, median, sd * sd };
}

static double squared_error(const struct side *own, const struct side *other)
{
	const double weight = own->n / (own->n + SPREAD_PRIOR);
	return (weight * own->variance + (1 - weight) * other->variance) / own->n;
}

/* Whether at least SEGMENT values are further than a quarter of the way from level @other to the own
 * one, @shift away: three spikes and a value that happens to rank high are no segment. */
static bool is_populated(const struct search *s, size_t from, size_t to, double other, double shift)
{
	size_t n = 0;
	for (size_t i = from; i < to && n < SEGMENT; i++)
		n += (s->v[i] - other) / shift > 0.25;
	return n >= SEGMENT;
}

static struct split judge(struct search *s, size_t i, double *ret_shift)
{
	struct split c = { .from = before(s, i), .to = behind(s, i), .at = s->changes.items[i] };
	const struct side a = side_of(s, c.from, c.at), b = side_of(s, c.at, c.to);
	const double error = sqrt(squared_error(&a, &b) + squared_error(&b, &a));
	const double shift = b.median - a.median;
	*ret_shift = shift;
	if (fabs(shift) > 0 && fabs(shift) >= s->margin && fabs(shift) >= ERRORS_MIN * error &&
	    is_populated(s, c.from, c.at, b.median, -shift) &&
	    is_populated(s, c.at, c.to, a.median, shift))
		c.evidence = search_evidence(s, c.from, c.at, c.to);
	return c;
}

/* How much wider than for independent values means of these vary, by the lag-1 correlation of what the
 * segments leave, spikes bounded. First order autoregression; never below 1. */
static double inflation_of(const struct search *s, double *scratch)
{
	double *rest = scratch + s->n;
	for (size_t i = 0; i <= s->changes.n; i++) {
		const size_t from = i > 0 ? s->changes.items[i - 1] : 0;
		const size_t to = i < s->changes.n ? s->changes.items[i] : s->n;
		memcpy(scratch, s->v + from, (to - from) * sizeof(*scratch));
		const double median = stats_median(scratch, to - from);
		for (size_t j = from; j < to; j++)
			rest[j] = s->v[j] - median;
	}
	size_t n = 0;
	for (size_t i = 0; i < s->n; i += s->n / SAMPLE_MAX + 1)
		scratch[n++] = rest[i];
	const double bound = BOUND_DEVIATIONS * SD_OF_MAD * stats_mad(scratch, n);
	double products = 0, squares = 0, last = 0;
	for (size_t i = 0; i < s->n; i++) {
		const double value = fmin(fmax(rest[i], -bound), bound);
		products += last * value;
		squares += value * value;
		last = value;
	}
	const double correlation =
		squares > 0 ? fmin(fmax(products / squares, 0), CORRELATION_MAX) : 0;
	return (1 + correlation) / (1 - correlation);
}

/* Without the weakest its neighbours stand between longer segments and may hold after all. */
static int drop_weak(struct search *s)
{
	_cleanup_free_ double *evidence = malloc((s->changes.n + 1) * sizeof(*evidence));
	double shift;
	if (evidence == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->changes.n; i++)
		evidence[i] = judge(s, i, &shift).evidence;
	while (s->changes.n > 0) {
		size_t weakest = 0;
		for (size_t i = 1; i < s->changes.n; i++) {
			if (evidence[i] < evidence[weakest])
				weakest = i;
		}
		if (evidence[weakest] >= s->threshold * s->inflation)
			break;
		remove_change(s, weakest);
		memmove(evidence + weakest, evidence + weakest + 1,
			(s->changes.n - weakest) * sizeof(*evidence));
		if (weakest > 0)
			evidence[weakest - 1] = judge(s, weakest - 1, &shift).evidence;
		if (weakest < s->changes.n)
			evidence[weakest] = judge(s, weakest, &shift).evidence;
	}
	return 0;
}

static int report(struct search *s, struct stats_change **ret, size_t *ret_n)
{
	struct stats_change *list = calloc(s->changes.n + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->changes.n; i++) {
		const struct split c = judge(s, i, &list[i].shift);
		list[i].at = c.at;
		list[i].p = exp(-c.evidence);
	}
	*ret = list;
	*ret_n = s->changes.n;
	return 0;
}

static int search_all(struct search *s)
{
	int r = search_windows(s);
	if (r == 0)
		r = take_clearest(s);
	if (r == 0)
		r = take_hidden(s);
	if (r < 0)
		return r;
	refine(s);
	_cleanup_free_ double *scratch = malloc(2 * s->n * sizeof(*scratch));
	if (scratch == NULL)
		return -ENOMEM;
	s->inflation = inflation_of(s, scratch);
	return drop_weak(s);
}

int stats_changepoints(const double *v, size_t n, double margin, struct stats_change **ret,
		       size_t *ret_n)
{
	_cleanup_(search_done) struct search s = {
		.v = v,
		.n = n,
		.margin = margin,
		.threshold = log((double)n + 1) + EVIDENCE,
	};
	/* Four values of many get there with the smallest z. */
	s.prefilter = fmin(0.7 * s.threshold + 1, 10.5);
	if (n > UINT32_MAX / 4)
		return -ENOMEM;
	s.items = malloc((n + 1) * sizeof(*s.items));
	s.merged = malloc((n + 1) * sizeof(*s.merged));
	s.ranks = malloc((n + 1) * sizeof(*s.ranks));
	s.sums = malloc((n + 1) * sizeof(*s.sums));
	if (s.items == NULL || s.merged == NULL || s.ranks == NULL || s.sums == NULL)
		return -ENOMEM;
	const int r = n >= 2 * SEGMENT ? search_all(&s) : 0;
	return r < 0 ? r : report(&s, ret, ret_n);
}
