/* SPDX-License-Identifier: MIT */
/* Windows of 8, 16, 32 … values, each overlapping the next by half and all aligned to the newest
 * value (seeded binary segmentation, Kovács, Bühlmann, Li and Munk 2023). They are merged from the
 * sorted halves of the layer below, as in a merge sort, so each layer is one pass. */

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/stats_changepoint.h"
#include "userspace/base/stats_changepoint_search.h"

#define SEGMENT STATS_SEGMENT_MIN
/* Stretches are many: each needs so much more, and is looked for in windows up to so many times its
 * length. */
#define STRETCH_EVIDENCE 2.5
#define STRETCH_SHARE	 16

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

struct split search_range(struct search *s, size_t from, size_t to)
{
	const size_t w = to - from, least = least_side(s, w);
	if (2 * least > w)
		return (struct split){ .from = from, .to = to };
	rank_range(s, from, to);
	return best_split(s, from, w, least);
}

double search_evidence(struct search *s, size_t from, size_t at, size_t to)
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

int search_windows(struct search *s)
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
