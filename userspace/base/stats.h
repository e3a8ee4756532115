/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_STATS_H
#define STARTLINE_BASE_STATS_H
/*
 * Descriptive statistics of a sample. Results have the unit of the values.
 *
 * v[0..n) must be finite numbers: drop missing values first with stats_drop_missing(). n may be 0.
 * What cannot be said from so few values is NAN. Functions with a non-const @v sort it in place.
 */

#include <stdbool.h>
#include <stddef.h>

/* Removes NANs and infinities, keeping the order. Returns how many values are left. */
size_t stats_drop_missing(double *v, size_t n);

/* Sorts ascending. */
void stats_sort(double *v, size_t n);

/* NAN when n is 0. The mean does not overflow for finite values of like size. */
double stats_min(const double *v, size_t n);
double stats_max(const double *v, size_t n);
double stats_mean(const double *v, size_t n);

/* Standard deviation of the sample, n - 1 in the denominator. NAN when n < 2. */
double stats_stddev(const double *v, size_t n);

/* Median; the mean of the middle two for even n. NAN when n is 0. Sorts v. */
double stats_median(double *v, size_t n);

/* Median absolute deviation from the median, not scaled to a standard deviation. NAN when n is 0.
 * Sorts v. */
double stats_mad(double *v, size_t n);

/* The @q quantile, 0 <= q <= 1, linearly interpolated: type 7 of Hyndman and Fan (1996), the
 * default of R and NumPy. NAN when n is 0. Sorts v. */
double stats_quantile(double *v, size_t n, double q);

/* The smallest n from which on the @q quantile lies inside the sample instead of being its
 * extreme: 20 for 0.95, 100 for 0.99, 2 for 0.5. */
size_t stats_quantile_min_n(double q);

/* NAN below 20 and 100 values: fewer say nothing about the tail. Sort v. */
double stats_p95(double *v, size_t n);
double stats_p99(double *v, size_t n);

struct stats_interval {
	double low;
	double high;
};

/* The lower and the upper quartile as pytest-benchmark computes them, since they are compared with
 * its columns q1, q3 and outliers: type 5 of Hyndman and Fan (for even n the medians of the two
 * halves), clamped to the sample. NAN when n is 0. Sorts v. */
struct stats_interval stats_quartiles(double *v, size_t n);

/* Values outside Tukey's fences: further than 1.5 interquartile ranges from these quartiles; so
 * always 0 when n < 4. Sorts v. */
size_t stats_count_outliers(double *v, size_t n);

/* An interval that covers the median of the population with at least 95 % probability whatever
 * the distribution: order statistics k and n + 1 - k, with k from the binomial distribution
 * (Conover, Practical Nonparametric Statistics, 3.2). Both NAN when n < 6, where no such k
 * exists. Sorts v. */
struct stats_interval stats_ci95_median(double *v, size_t n);

/* Of what was sampled, at 95 %, by the score (Wilson, 1927). @n and @count are effective numbers: (sum of
 * weights)^2 / (their squares' sum). They need not be whole and are > 0.
 * A share 0 <= p <= 1 of @n: */
struct stats_interval stats_share_interval(double p, double n);
/* What is expected of a count of independent events of which @count came: */
struct stats_interval stats_count_interval(double count);

#endif
