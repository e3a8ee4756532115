/* SPDX-License-Identifier: MIT */
/* Sorted samples make everything here a matter of counting: how many of the differences are at most x
 * is one pass over both, so quantiles of the differences are found by bisection and never stored. */

#include "userspace/base/stats_shift.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/stats.h"

struct sorted { /* each block for itself */
	double *base, *head;
	size_t n_base, n_head, n_blocks;
};

struct block {
	const double *base, *head;
	size_t n_base, n_head;
};

/* Values [n * i / n_blocks, n * (i + 1) / n_blocks) of both sides. */
static struct block block_at(const struct sorted *s, size_t i)
{
	const size_t base = s->n_base * i / s->n_blocks, head = s->n_head * i / s->n_blocks;
	return (struct block){
		.base = s->base + base,
		.head = s->head + head,
		.n_base = s->n_base * (i + 1) / s->n_blocks - base,
		.n_head = s->n_head * (i + 1) / s->n_blocks - head,
	};
}

static void sorted_done(struct sorted *s)
{
	free(s->base);
	free(s->head);
}

static double *sorted_copy(const double *v, size_t n, size_t n_blocks)
{
	double *copy = malloc(n * sizeof(*copy));
	if (copy == NULL)
		return NULL;
	memcpy(copy, v, n * sizeof(*copy));
	for (size_t i = 0; i < n_blocks; i++) {
		const size_t start = n * i / n_blocks;
		stats_sort(copy + start, n * (i + 1) / n_blocks - start);
	}
	return copy;
}

static int sorted_init(struct sorted *s, const double *base, size_t n_base, const double *head,
		       size_t n_head, size_t n_blocks)
{
	const size_t least = n_base < n_head ? n_base : n_head;
	/* So that no block is without a value of each. */
	*s = (struct sorted){ .n_base = n_base,
			      .n_head = n_head,
			      .n_blocks = n_blocks < least ? n_blocks : least };
	s->base = sorted_copy(base, n_base, s->n_blocks);
	s->head = sorted_copy(head, n_head, s->n_blocks);
	return s->base == NULL || s->head == NULL ? -ENOMEM : 0;
}

/* --- the differences ------------------------------------------------------------------------ */

static size_t count_differences(const struct sorted *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_blocks; i++) {
		const struct block b = block_at(s, i);
		n += b.n_base * b.n_head;
	}
	return n;
}

/* How many differences are <= x, and the largest of these. Rounding is monotonic, so the computed
 * differences are as sorted as the true ones, and the two indices only ever move forward. */
static size_t count_at_most(const struct sorted *s, double x, double *ret_largest)
{
	size_t count = 0;
	*ret_largest = -INFINITY;
	for (size_t k = 0; k < s->n_blocks; k++) {
		const struct block b = block_at(s, k);
		size_t j = b.n_head;
		for (size_t i = b.n_base; i-- > 0;) {
			/* A smaller base makes every difference larger: fewer heads qualify. */
			while (j > 0 && b.head[j - 1] - b.base[i] > x)
				j--;
			if (j > 0 && b.head[j - 1] - b.base[i] > *ret_largest)
				*ret_largest = b.head[j - 1] - b.base[i];
			count += j;
		}
	}
	return count;
}

/* Doubles in order, as integers in order: bisecting these takes 64 steps whatever the scale. */
static int64_t order_of(double x)
{
	int64_t bits;
	memcpy(&bits, &x, sizeof(bits));
	return bits < 0 ? INT64_MIN - bits : bits;
}

static double of_order(int64_t order)
{
	const int64_t bits = order < 0 ? INT64_MIN - order : order;
	double x;
	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* The smallest and the largest. */
static void range_of_differences(const struct sorted *s, double *ret_low, double *ret_high)
{
	*ret_low = INFINITY;
	*ret_high = -INFINITY;
	for (size_t i = 0; i < s->n_blocks; i++) {
		const struct block b = block_at(s, i);
		*ret_low = fmin(*ret_low, b.head[0] - b.base[b.n_base - 1]);
		*ret_high = fmax(*ret_high, b.head[b.n_head - 1] - b.base[0]);
	}
}

/* The @k-th smallest difference, from 1. */
static double difference_at(const struct sorted *s, size_t k)
{
	double smallest, largest;
	range_of_differences(s, &smallest, &largest);
	int64_t low = order_of(smallest), high = order_of(largest);
	while (low < high) {
		/* The sum of two orders may exceed 64 bits. */
		const int64_t middle = (low >> 1) + (high >> 1) + (low & high & 1);
		const size_t count = count_at_most(s, of_order(middle), &largest);
		/* Without ties this comes long before the 64 steps are done. */
		if (count == k)
			return largest;
		if (count > k)
			high = middle;
		else
			low = middle + 1;
	}
	return of_order(low);
}

static double median_difference(const struct sorted *s)
{
	const size_t n = count_differences(s);
	if (n % 2 == 1)
		return difference_at(s, n / 2 + 1);
	const double a = difference_at(s, n / 2), b = difference_at(s, n / 2 + 1);
	return a + (b - a) / 2;
}

/* --- the null distribution of U ------------------------------------------------------------- */

/* [n][m][u] = P(U <= u) for u up to half of n * m, where the rest mirrors it. Kept for good: metrics
 * by the thousand have the same few sizes, and all sizes together are 6 MB. */
static double *kept[STATS_EXACT_MAX + 1][STATS_EXACT_MAX + 1];

/* Counts of arrangements, by Mann and Whitney's recurrence: the largest value is either of the
 * first sample, above all @j of the second, or of the second. Only sums of positive numbers: no
 * precision is lost. */
static double *count_arrangements(size_t n, size_t m, size_t half)
{
	const size_t width = half + 1;
	double *counts = calloc((m + 1) * width, sizeof(*counts));
	if (counts == NULL)
		return NULL;
	for (size_t j = 0; j <= m; j++)
		counts[j * width] = 1;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			double *row = counts + j * width;
			const double *shorter = row - width;
			for (size_t u = width; u-- > 0;)
				row[u] = shorter[u] + (u >= j ? row[u - j] : 0);
		}
	}
	double *last = malloc(width * sizeof(*last));
	if (last != NULL)
		memcpy(last, counts + m * width, width * sizeof(*last));
	free(counts);
	return last;
}

static const double *null_cdf(size_t n, size_t m)
{
	if (kept[n][m] != NULL)
		return kept[n][m];
	const size_t half = n * m / 2;
	double *cdf = count_arrangements(n, m, half);
	if (cdf == NULL)
		return NULL;
	double total = 1; /* n + m over n */
	for (size_t i = 1; i <= n; i++)
		total = total * (double)(m + i) / (double)i;
	double sum = 0;
	for (size_t u = 0; u <= half; u++) {
		sum += cdf[u];
		cdf[u] = sum / total;
	}
	kept[n][m] = cdf;
	return cdf;
}

double stats_mann_whitney_cdf(size_t n, size_t m, size_t u)
{
	if (n > STATS_EXACT_MAX || m > STATS_EXACT_MAX)
		return NAN;
	const double *cdf = null_cdf(n, m);
	if (cdf == NULL)
		return NAN;
	if (u >= n * m)
		return 1;
	return u <= n * m / 2 ? cdf[u] : 1 - cdf[n * m - u - 1];
}

/* --- U of the samples ----------------------------------------------------------------------- */

struct ranks {
	double u;	/* differences above 0; those of 0 count half */
	size_t all;	/* differences */
	double sd;	/* of U, under no shift */
	double sd_most; /* the same, were there no ties */
	bool has_ties;
};

/* Sum of t^3 - t over the groups of equal values in both samples together. */
static double tie_sum(const struct block *b, double margin)
{
	double sum = 0;
	size_t i = 0, j = 0;
	while (i < b->n_base || j < b->n_head) {
		const double base = i < b->n_base ? b->base[i] : INFINITY;
		const double head = j < b->n_head ? b->head[j] - margin : INFINITY;
		const double value = base < head ? base : head;
		double t = 0;
		for (; i < b->n_base && b->base[i] <= value; i++)
			t++;
		for (; j < b->n_head && b->head[j] - margin <= value; j++)
			t++;
		sum += t * t * t - t;
	}
	return sum;
}

static double u_of(const struct block *b, double margin)
{
	double u = 0;
	size_t below = 0, up_to = 0;
	for (size_t j = 0; j < b->n_head; j++) {
		const double value = b->head[j] - margin;
		while (below < b->n_base && b->base[below] < value)
			below++;
		while (up_to < b->n_base && b->base[up_to] <= value)
			up_to++;
		u += ((double)below + (double)up_to) / 2;
	}
	return u;
}

/* Blocks do not depend on each other: their U and the variances of these add up. */
static struct ranks ranks_of(const struct sorted *s, double margin)
{
	struct ranks ranks = { .all = count_differences(s) };
	double variance = 0, most = 0;
	for (size_t i = 0; i < s->n_blocks; i++) {
		const struct block b = block_at(s, i);
		const double n = (double)b.n_base, m = (double)b.n_head, all = n + m;
		const double ties = tie_sum(&b, margin);
		ranks.u += u_of(&b, margin);
		ranks.has_ties |= ties > 0;
		most += n * m / 12 * (all + 1);
		variance += n * m / 12 * (all + 1 - (all > 1 ? ties / (all * (all - 1)) : 0));
	}
	ranks.sd = sqrt(fmax(variance, 0));
	ranks.sd_most = sqrt(most);
	return ranks;
}

static bool is_exact(const struct sorted *s, const struct ranks *ranks)
{
	return !ranks->has_ties && s->n_blocks == 1 && s->n_base <= STATS_EXACT_MAX &&
	       s->n_head <= STATS_EXACT_MAX;
}

/* P(U >= u), one-sided. */
static double upper_p(const struct sorted *s, const struct ranks *ranks, double u)
{
	if (is_exact(s, ranks))
		return stats_mann_whitney_cdf(s->n_base, s->n_head, ranks->all - (size_t)u);
	if (ranks->sd == 0) /* all values are the same */
		return 1;
	/* 0.5 for continuity. */
	return fmin(1, erfc((u - (double)ranks->all / 2 - 0.5) / ranks->sd * M_SQRT1_2) / 2);
}

static double two_sided_p(const struct sorted *s, const struct ranks *ranks)
{
	return fmin(1, 2 * upper_p(s, ranks, fmax(ranks->u, (double)ranks->all - ranks->u)));
}

/* The z that a normal variate exceeds with probability @tail. */
static double normal_tail(double tail)
{
	double low = 0, high = 40;
	for (int i = 0; i < 64; i++) {
		const double middle = (low + high) / 2;
		if (erfc(middle * M_SQRT1_2) / 2 > tail)
			low = middle;
		else
			high = middle;
	}
	return high;
}

/* The largest k with P(U < k) < @tail when no two values are the same. */
static size_t exact_rank(const struct sorted *s, double tail)
{
	const size_t all = s->n_base * s->n_head;
	size_t k = 0;
	while (k <= all / 2 && stats_mann_whitney_cdf(s->n_base, s->n_head, k) < tail)
		k++;
	return k;
}

/* The interval runs from the k-th smallest to the k-th largest difference. 0: there is none. Ties make
 * the normal variate narrow, down to nothing where all values are the same: few values prove little
 * all the same, so the interval is never narrower than without ties. */
static size_t interval_rank(const struct sorted *s, const struct ranks *ranks, double tail)
{
	const bool is_small =
		s->n_blocks == 1 && s->n_base <= STATS_EXACT_MAX && s->n_head <= STATS_EXACT_MAX;
	const size_t most = is_small ? exact_rank(s, tail) : ranks->all;
	if (is_exact(s, ranks))
		return most;
	const double sd = s->n_blocks == 1 ? ranks->sd : ranks->sd_most;
	const double k = floor((double)ranks->all / 2 - normal_tail(tail) * sd + 0.5);
	if (k < 1)
		return 0;
	return (size_t)k < most ? (size_t)k : most;
}

static void set_interval(const struct sorted *s, const struct ranks *ranks, double tail,
			 struct stats_shift *ret)
{
	const size_t k = interval_rank(s, ranks, tail);
	ret->low = k > 0 ? difference_at(s, k) : -INFINITY;
	ret->high = k > 0 ? difference_at(s, ranks->all + 1 - k) : INFINITY;
}

int stats_shift_of(const double *base, size_t n_base, const double *head, size_t n_head,
		   size_t n_blocks, double level, struct stats_shift *ret)
{
	*ret = (struct stats_shift){
		.n_base = n_base,
		.n_head = n_head,
		.shift = NAN,
		.low = NAN,
		.high = NAN,
		.p = NAN,
	};
	if (n_base == 0 || n_head == 0)
		return 0;
	_cleanup_(sorted_done) struct sorted s;
	if (sorted_init(&s, base, n_base, head, n_head, n_blocks) < 0)
		return -ENOMEM;
	const struct ranks ranks = ranks_of(&s, 0);
	ret->is_exact = is_exact(&s, &ranks);
	if (ret->is_exact && null_cdf(n_base, n_head) == NULL)
		return -ENOMEM;
	ret->shift = median_difference(&s);
	ret->p = two_sided_p(&s, &ranks);
	set_interval(&s, &ranks, (1 - level) / 2, ret);
	return 0;
}

double stats_p_above(const double *base, size_t n_base, const double *head, size_t n_head,
		     size_t n_blocks, double margin)
{
	if (n_base == 0 || n_head == 0)
		return NAN;
	_cleanup_(sorted_done) struct sorted s;
	if (sorted_init(&s, base, n_base, head, n_head, n_blocks) < 0)
		return NAN;
	const struct ranks ranks = ranks_of(&s, margin);
	return upper_p(&s, &ranks, ranks.u);
}

/* --- families ------------------------------------------------------------------------------- */

struct member { /* of a family */
	double p;
	size_t index;
};

static int by_p(const void *left, const void *right)
{
	const struct member *a = left, *b = right;
	return (a->p > b->p) - (a->p < b->p);
}

void stats_holm(double *p, size_t n)
{
	size_t n_members = 0;
	_cleanup_free_ struct member *members = calloc(n + 1, sizeof(*members));
	for (size_t i = 0; i < n; i++) {
		if (members != NULL && !isnan(p[i]))
			members[n_members] = (struct member){ p[i], i };
		n_members += !isnan(p[i]);
	}
	if (members == NULL) {
		/* Bonferroni needs no memory and claims less. */
		for (size_t i = 0; i < n; i++)
			p[i] = fmin(1, p[i] * (double)n_members);
		return;
	}
	if (n_members > 1)
		qsort(members, n_members, sizeof(*members), by_p);
	double floor_p = 0;
	for (size_t i = 0; i < n_members; i++) {
		floor_p = fmax(floor_p, fmin(1, members[i].p * (double)(n_members - i)));
		p[members[i].index] = floor_p;
	}
}
