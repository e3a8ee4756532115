/* SPDX-License-Identifier: MIT */
/* Descriptive statistics. Order statistics work on the sorted sample, so no function needs
 * memory of its own. */

#include "userspace/base/stats.h"

#include <math.h>
#include <stdlib.h>

#define Z95	    1.959963984540054
#define MIN_N_CI95  6	/* 2 * 0.5^n <= 0.05 needs n >= 6 */
#define TUKEY_FENCE 1.5 /* in interquartile ranges */

size_t stats_drop_missing(double *v, size_t n)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (isfinite(v[i]))
			v[kept++] = v[i];
	}
	return kept;
}

static int compare_doubles(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;
	return (x > y) - (x < y);
}

void stats_sort(double *v, size_t n)
{
	/* Most functions here sort what another one has sorted before. */
	size_t i = 1;
	while (i < n && v[i - 1] <= v[i])
		i++;
	if (i < n)
		qsort(v, n, sizeof(*v), compare_doubles);
}

double stats_min(const double *v, size_t n)
{
	double least = n == 0 ? NAN : v[0];
	for (size_t i = 1; i < n; i++)
		least = fmin(least, v[i]);
	return least;
}

double stats_max(const double *v, size_t n)
{
	double most = n == 0 ? NAN : v[0];
	for (size_t i = 1; i < n; i++)
		most = fmax(most, v[i]);
	return most;
}

/* Welford's update: no sum that could lose the small differences of large values. */
double stats_mean(const double *v, size_t n)
{
	if (n == 0)
		return NAN;
	double mean = 0;
	for (size_t i = 0; i < n; i++)
		mean += (v[i] - mean) / (double)(i + 1);
	return mean;
}

double stats_stddev(const double *v, size_t n)
{
	if (n < 2)
		return NAN;
	const double mean = stats_mean(v, n);
	double squares = 0;
	for (size_t i = 0; i < n; i++)
		squares += (v[i] - mean) * (v[i] - mean);
	return sqrt(squares / (double)(n - 1));
}

/* The value at a position from 0 to n - 1 of the sorted sample, between two of them by proportion. */
static double value_at(const double *v, size_t n, double position)
{
	if (n == 0)
		return NAN;
	const size_t below = position > 0 ? (size_t)position : 0;
	if (below + 1 >= n)
		return v[n - 1];
	const double fraction = fmax(position, 0) - (double)below;
	return v[below] + fraction * (v[below + 1] - v[below]);
}

double stats_quantile(double *v, size_t n, double q)
{
	stats_sort(v, n);
	return value_at(v, n, q * ((double)n - 1));
}

struct stats_interval stats_quartiles(double *v, size_t n)
{
	const double from_end = ((double)n - 2) / 4;
	stats_sort(v, n);
	return (struct stats_interval){
		.low = value_at(v, n, from_end),
		.high = value_at(v, n, (double)n - 1 - from_end),
	};
}

double stats_median(double *v, size_t n)
{
	return stats_quantile(v, n, 0.5);
}

/* Distances from the median grow away from it on both sides of the sorted sample, so merging the
 * two sides yields them in order; the median of them is one or two steps of the merge. */
double stats_mad(double *v, size_t n)
{
	if (n == 0)
		return NAN;
	const double median = stats_median(v, n);
	size_t right = 0;
	while (right < n && v[right] < median)
		right++;
	size_t left = right;

	double previous = 0;
	double distance = 0;
	for (size_t taken = 0; taken <= n / 2; taken++) {
		previous = distance;
		const double to_left = left > 0 ? median - v[left - 1] : INFINITY;
		const double to_right = right < n ? v[right] - median : INFINITY;
		if (to_left < to_right) {
			distance = to_left;
			left--;
		} else {
			distance = to_right;
			right++;
		}
	}
	return n % 2 == 1 ? distance : previous + (distance - previous) / 2;
}

size_t stats_quantile_min_n(double q)
{
	const double tail = q < 0.5 ? q : 1 - q;
	/* The subtraction keeps 1 / (1 - 0.95), 20.000000000000018, from becoming 21. */
	return tail <= 0 ? 1 : (size_t)ceil(1 / tail - 1e-9);
}

static double tail_quantile(double *v, size_t n, double q)
{
	return n < stats_quantile_min_n(q) ? NAN : stats_quantile(v, n, q);
}

double stats_p95(double *v, size_t n)
{
	return tail_quantile(v, n, 0.95);
}

double stats_p99(double *v, size_t n)
{
	return tail_quantile(v, n, 0.99);
}

size_t stats_count_outliers(double *v, size_t n)
{
	const struct stats_interval quartiles = stats_quartiles(v, n);
	const double reach = TUKEY_FENCE * (quartiles.high - quartiles.low);
	size_t n_outliers = 0;
	for (size_t i = 0; i < n; i++)
		n_outliers += v[i] < quartiles.low - reach || v[i] > quartiles.high + reach;
	return n_outliers;
}

/* The largest k with P(Binomial(n, 1/2) < k) <= 0.025; 0 if there is none. */
static size_t ci95_rank(size_t n)
{
	double below = 0;
	size_t k = 0;
	for (; k < n; k++) {
		/* In logarithms: 0.5^n is zero in a double from n = 1075 on. */
		const double log_choose =
			lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1);
		below += exp(log_choose - (double)n * log(2));
		if (below > 0.025)
			break;
	}
	return k;
}

struct stats_interval stats_ci95_median(double *v, size_t n)
{
	if (n < MIN_N_CI95)
		return (struct stats_interval){ .low = NAN, .high = NAN };
	stats_sort(v, n);
	const size_t k = ci95_rank(n);
	return (struct stats_interval){ .low = v[k - 1], .high = v[n - k] };
}

struct stats_interval stats_share_interval(double p, double n)
{
	const double z2 = Z95 * Z95;
	const double middle = (p + z2 / (2 * n)) / (1 + z2 / n);
	const double half = Z95 / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
	return (struct stats_interval){ fmax(0, middle - half), fmin(1, middle + half) };
}

struct stats_interval stats_count_interval(double count)
{
	const double middle = count + Z95 * Z95 / 2;
	const double half = Z95 * sqrt(count + Z95 * Z95 / 4);
	return (struct stats_interval){ fmax(0, middle - half), middle + half };
}
