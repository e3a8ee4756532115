/* SPDX-License-Identifier: MIT */
/* The tail of the Mann-Whitney distribution in closed form, for sizes and probabilities where
 * counting arrangements takes too long and the normal distribution is far too wide. */

#include "userspace/base/stats_changepoint.h"

#include <math.h>

#define SMALL	 8  /* the smaller sample: arrangements are counted */
#define MEDIUM	 24 /* beyond, all that is bounded by the number of arrangements is certain anyway */
#define WAYS_MAX 256 /* of U; from there on a polynomial is as good */

/* log of the number of partitions of 0 … u into at most a parts: as many arrangements have U <= u,
 * as long as u does not exceed the larger sample; beyond, there are fewer. */
static double log_ways(size_t a, size_t u)
{
	if (u >= WAYS_MAX) {
		/* Partitions into parts of 1 … a and a free one: u^a / a!^2, moved by half the sum of
		 * the parts (Bell 1943). */
		const double x = (double)u + ((double)(a * (a + 1)) / 2 + 1) / 2;
		return (double)a * log(x) - 2 * lgamma((double)a + 1);
	}
	double ways[WAYS_MAX] = { 1 };
	double sum = 0;
	for (size_t part = 1; part <= a; part++) {
		for (size_t i = part; i <= u; i++)
			ways[i] += ways[i - part];
	}
	for (size_t i = 0; i <= u; i++)
		sum += ways[i];
	return log(sum);
}

static double log_choose(double n, double k)
{
	return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

/* Lugannani and Rice's (1980) saddle point for a sum of k uniform variates, which U is in the limit
 * of one large sample; the term of fourth order is corrected for two of like size. @skew: how far U
 * is from the middle, 0 … 1. The fits are within 5 % of the
 * true exponent. */
static double saddle_point(double a, double b, double skew)
{
	const double n = a + b, k = a * b / (n + 1), s2 = skew * skew;
	const double rate = -log1p(-s2) + s2 / 2;
	const double likeness = (a * a + b * b + a * b + n) / ((n + 1) * (n + 1));
	const double exponent = k * (1.5 * s2 + likeness * (rate - 1.5 * s2));
	const double tilt = sqrt(3 * k * s2 / (1 + 2 * s2 * skew));
	return exponent + log(fmax(tilt, 1)) + log(sqrt(2 * M_PI) / 2);
}

double stats_rank_evidence(size_t n, size_t m, double u)
{
	const size_t a = n < m ? n : m, b = n < m ? m : n;
	const double all = (double)a * (double)b;
	if (a == 0 || u >= all / 2)
		return 0;
	const double whole = ceil(u), skew = 1 - 2 * (u + 0.5) / all;
	if (a > MEDIUM)
		return saddle_point((double)a, (double)b, skew);
	/* Of the clearest arrangement: no other one has more. */
	const double most = log_choose((double)(a + b), (double)a) - M_LN2;
	if (a <= SMALL && (whole < WAYS_MAX || whole < (double)b))
		return fmax(0, most - log_ways(a, (size_t)whole));
	return fmin(most, saddle_point((double)a, (double)b, skew));
}
