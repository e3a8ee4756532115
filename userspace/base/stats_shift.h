/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_STATS_SHIFT_H
#define STARTLINE_BASE_STATS_SHIFT_H
/*
 * Two samples set against each other without assuming a distribution.
 *
 * The shift is that of Hodges and Lehmann (1963): the median of all differences head - base. Its
 * interval holds the shifts that the Mann-Whitney test does not reject at the same level (Bauer
 * 1972), so interval and p-value never contradict each other. Without ties, and up to
 * STATS_EXACT_MAX values a side, the distribution of U is the exact one; else it is the normal
 * approximation with midranks, corrected for ties and continuity, as wilcox.test of R and
 * mannwhitneyu of SciPy have it.
 *
 * Values that were measured interleaved may be compared in blocks: each side is cut, in the order given,
 * into as many parts, and only differences within a part count. What the machine did to all runs of a
 * while is in both sides of a block alike (van Elteren 1960, with equal weights). For more than one
 * block it is the normal approximation, whose tails are the heavier ones.
 *
 * Values must be finite. Given logarithms, exp() of shift, low and high is a ratio.
 */

#include <stdbool.h>
#include <stddef.h>

#define STATS_EXACT_MAX 50

struct stats_shift {
	size_t n_base, n_head;
	double shift; /* NAN: a side is empty */
	double low,
		high; /* -INFINITY and INFINITY: so few values bound nothing at that level; NAN: a
			   * side is empty */
	double p;     /* two-sided, of no shift; NAN: a side is empty */
	bool is_exact;
};

/* @n_blocks: 1, or more where both samples are in the order they were taken in. @level: 0.99 asks
 * for a 99 % interval, half of the rest on each side. The samples are left as they are. -ENOMEM. */
int stats_shift_of(const double *base, size_t n_base, const double *head, size_t n_head,
		   size_t n_blocks, double level, struct stats_shift *ret);

/* One-sided p of "head is more than @margin above base" (@margin 0: is above base at all). NAN when
 * a side is empty or memory is short. */
double stats_p_above(const double *base, size_t n_base, const double *head, size_t n_head,
		     size_t n_blocks, double margin);

/* P(U <= u) when both samples, of n and m values, come from one distribution. Exact; NAN when
 * memory is short or n or m exceeds STATS_EXACT_MAX. */
double stats_mann_whitney_cdf(size_t n, size_t m, size_t u);

/* The p-values of a family, adjusted in place after Holm (1979): rejecting what is then <= alpha
 * keeps the chance of any false claim below alpha. NANs are not part of the family. */
void stats_holm(double *p, size_t n);

#endif
