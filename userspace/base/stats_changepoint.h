/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_STATS_CHANGEPOINT_H
#define STARTLINE_BASE_STATS_CHANGEPOINT_H
/*
 * Where the level of a series of measurements changed for good.
 *
 * Every place is asked the question of stats_shift.h: do the values after it rank above or below
 * those before? Ranks do not care how far a spike goes, and their distribution is known whatever
 * the noise looks like (skewed, with outliers, of two modes), so the rate of false claims is set and
 * not estimated. A change is one in at least STATS_SEGMENT_MIN values to either side: shorter ones are
 * spikes.
 *
 * Deterministic: no permutations, no random numbers. Time is O(n log n), memory O(n).
 */

#include <stddef.h>

#define STATS_SEGMENT_MIN 4
/* A series with more is not described by its changes; the clearest are reported. */
#define STATS_CHANGES_MAX 1000

struct stats_change {
	size_t at;    /* the first value after the change */
	double shift; /* median of the segment after it - median of the one before */
	double p;     /* of such a difference between the two segments, were they one */
};

/* The changes of v[0..n), which must be finite, in order. Shifts smaller than @margin are none.
 * In a series without any the chance of a claim is at most about 1 %, whatever its length, as long as
 * the noise is the same everywhere. The caller frees *ret. -ENOMEM. */
int stats_changepoints(const double *v, size_t n, double margin, struct stats_change **ret,
		       size_t *ret_n);

/* -log of the two-sided p of Mann and Whitney's U = @u (the smaller one) between samples of @n and
 * @m values: close to exact, and finite where p would underflow. At worst it claims too little. */
double stats_rank_evidence(size_t n, size_t m, double u);

#endif
