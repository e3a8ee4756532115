/* SPDX-License-Identifier: MIT */
/* Windows of 8, 16, 32 … values, each overlapping the next by half and all aligned to the newest
 * value (seeded binary segmentation, Kovács, Bühlmann, Li and Munk 2023). They are merged from the
 * sorted halves of the layer below, as in a merge sort, so each layer is one pass. Of the splits found
 * in them the clearest are taken first; what they hid from each other is looked for between them, and
 * in the end each has to hold between its neighbours. */

#include "userspace/base/stats_changepoint.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/stats.h"
#include "userspace/base/vec.h"

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
/* Stretches are many: each needs so much more, and is looked for in windows up to so many times its
 * length. */
#define STRETCH_EVIDENCE 2.5
#define STRETCH_SHARE	 16

struct item {
	double value;
	uint32_t index;
};

struct split {
	size_t from, to, at; /* values [from, at) against [at, to) … */
	size_t back;	     /* … or, when not 0, [at, back) against the rest */
	double evidence;
};

struct splits VEC(struct split);
struct places VEC(size_t);

struct search {
	const double *v;
	size_t n;
	double margin, threshold;
	double prefilter; /* z^2, which costs nothing: below it no split reaches the threshold */
	double inflation; /* of what remains of the evidence where values follow each other */
	struct item *items, *merged; /* n each */
	uint32_t *ranks;	     /* doubled, so that those of ties are whole */
	double *sums;		     /* of the first so many of them */
	struct splits found;
	struct places changes; /* in order */
};

static void search_done(struct search *s)
{
	free(s->items);
	free(s->merged);
	free(s->ranks);
	free(s->sums);
	vec_done(&s->found);
	vec_done(&s->changes);
}

/* ---- one window ---- */

/* Ranks of sorted[0..w), which are the values from @from on, in the order of the series. */
static void rank(struct search *s, const struct item *sorted, size_t w, size_t from)
{
	for (size_t i = 0; i < w;) {
		size_t end = i + 1;
		while (end < w && sorted[end].value <= sorted[i].value)
			end++;
		const uint32_t doubled = (uint32_t)(i + end + 1);
		for (; i < end; i++)
			s->ranks[sorted[i].index - from] = doubled;
	}
}

/* The least values on one side that could have the evidence at all; more than half of @w: none. */
static size_t least_side(const struct search *s, size_t w)
{
	const double all = lgamma((double)w + 1);
	for (size_t k = SEGMENT; k <= w / 2; k++) {
		const double arrangements =
			all - lgamma((double)k + 1) - lgamma((double)(w - k) + 1);
		if (arrangements - M_LN2 >= s->threshold)
			return k;
	}
	return w;
}

/* Evidence for @n of the values of a window being apart from the @m others, by the sum of their ranks,
 * if it can be of interest. */
static double evidence_of(const struct search *s, double sum, size_t n, size_t m)
{
	const double a = (double)n, b = (double)m;
	/* 2 U - a b: how far U is from the middle. */
	const double off = fabs(sum - a * (a + 1) - a * b);
	if (3 * off * off < s->prefilter * a * b * (a + b + 1))
		return 0;
	return stats_rank_evidence(n, m, (a * b - off) / 2);
}

static void take_better(struct split *best, size_t at, size_t back, double evidence)
{
	if (evidence <= best->evidence)
		return;
	best->at = at;
	best->back = back;
	best->evidence = evidence;
}

/* From ranks: the best split of the @w values from @from on. Also into a stretch and what is around it:
 * a change that was soon taken back would be hidden by what follows it. Stretches are tried at some
 * lengths and places only; refine() finds the right ones. */
static struct split best_split(const struct search *s, size_t from, size_t w, size_t least)
{
	struct split best = { .from = from, .to = from + w };
	s->sums[0] = 0;
	for (size_t i = 0; i < w; i++)
		s->sums[i + 1] = s->sums[i] + s->ranks[i];
	for (size_t k = least; k + least <= w; k++)
		take_better(&best, from + k, 0, evidence_of(s, s->sums[k], k, w - k));
	for (size_t n = least > w / STRETCH_SHARE ? least : w / STRETCH_SHARE; 2 * n <= w;
	     n += n / 2) {
		for (size_t i = SEGMENT; i + n + SEGMENT <= w; i += (n + 3) / 4) {
			const double sum = s->sums[i + n] - s->sums[i];
			take_better(&best, from + i, from + i + n,
				    evidence_of(s, sum, n, w - n) - STRETCH_EVIDENCE);
		}
	}
	return best;
}

static int by_value(const void *left, const void *right)
{
	const struct item *a = left, *b = right;
	return (a->value > b->value) - (a->value < b->value);
}

/* Ranks of the values [from, to), which are few: sorted here. */
static void rank_range(struct search *s, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		s->merged[i - from] = (struct item){ s->v[i], (uint32_t)i };
	qsort(s->merged, to - from, sizeof(*s->merged), by_value);
	rank(s, s->merged, to - from, from);
}

static struct split search_range(struct search *s, size_t from, size_t to)
{
	const size_t w = to - from, least = least_side(s, w);
	if (2 * least > w)
		return (struct split){ .from = from, .to = to };
	rank_range(s, from, to);
	return best_split(s, from, w, least);
}

static double search_evidence(struct search *s, size_t from, size_t at, size_t to)
{
	double sum = 0;
	rank_range(s, from, to);
	for (size_t i = 0; i < at - from; i++)
		sum += s->ranks[i];
	return evidence_of(s, sum, at - from, to - at);
}

/* ---- all windows ---- */

static void merge(const struct item *a, size_t n_a, const struct item *b, size_t n_b,
		  struct item *out)
{
	const struct item *end_a = a + n_a, *end_b = b + n_b;
	while (a < end_a && b < end_b)
		*out++ = b->value < a->value ? *b++ : *a++;
	memcpy(out, a, (size_t)(end_a - a) * sizeof(*a));
	out += end_a - a;
	memcpy(out, b, (size_t)(end_b - b) * sizeof(*b));
}

/* Where block @i of @size values begins, counted from the newest. */
static size_t block_at(size_t n, size_t size, size_t i)
{
	return i * size < n ? n - i * size : 0;
}

/* Searches all windows of two blocks. Every second one is a block of the next layer: s->merged then
 * holds these, sorted. */
static int search_layer(struct search *s, size_t size, struct item *scratch)
{
	const size_t n = s->n, least = least_side(s, 2 * size);
	size_t i = 0;
	for (; block_at(n, size, i + 1) > 0; i++) {
		const size_t from = block_at(n, size, i + 2), middle = block_at(n, size, i + 1),
			     to = block_at(n, size, i);
		const bool is_block = i % 2 == 0;
		if (!is_block && 2 * least > to - from)
			continue;
		struct item *window = is_block ? s->merged + from : scratch;
		merge(s->items + from, middle - from, s->items + middle, to - middle, window);
		if (2 * least > to - from)
			continue;
		rank(s, window, to - from, from);
		const struct split split = best_split(s, from, to - from, least);
		if (split.evidence >= s->threshold && vec_push(&s->found, split) < 0)
			return -ENOMEM;
	}
	/* A block without a partner. */
	if (i % 2 == 0) {
		const size_t to = block_at(n, size, i);
		memcpy(s->merged, s->items, to * sizeof(*s->items));
	}
	return 0;
}

static int search_windows(struct search *s)
{
	_cleanup_free_ struct item *scratch = malloc(s->n * sizeof(*scratch));
	if (scratch == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		s->items[i] = (struct item){ s->v[i], (uint32_t)i };
	int r = 0;
	for (size_t size = 1; r == 0 && size < s->n; size *= 2) {
		r = search_layer(s, size, scratch);
		struct item *next = s->merged;
		s->merged = s->items;
		s->items = next;
	}
	return r;
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
