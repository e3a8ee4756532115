/* SPDX-License-Identifier: MIT */
/* The statistics of a metric over the runs of a session. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/stats.h"
#include "userspace/model/metrics.h"

double *series_values(const struct series *series, bool as_logarithms, size_t *ret_n)
{
	double *v = malloc((series->n_values + 1) * sizeof(*v));
	*ret_n = 0;
	if (v == NULL)
		return NULL;
	if (series->n_values > 0)
		memcpy(v, series->values, series->n_values * sizeof(*v));
	*ret_n = stats_drop_missing(v, series->n_values);
	for (size_t i = 0; as_logarithms && i < *ret_n; i++)
		v[i] = log(v[i]);
	return v;
}

void summary_of(const double *values, size_t n, struct summary *ret)
{
	*ret = (struct summary){
		.min = NAN,
		.max = NAN,
		.mean = NAN,
		.stddev = NAN,
		.median = NAN,
		.mad = NAN,
		.q1 = NAN,
		.q3 = NAN,
		.p95 = NAN,
		.p99 = NAN,
		.ci95_low = NAN,
		.ci95_high = NAN,
	};
	if (n == 0)
		return;
	_cleanup_free_ double *v = calloc(n, sizeof(*v));
	if (v == NULL)
		return;
	memcpy(v, values, n * sizeof(*v));
	n = stats_drop_missing(v, n);
	const struct stats_interval ci95 = stats_ci95_median(v, n);
	const struct stats_interval quartiles = stats_quartiles(v, n);
	ret->n = n;
	ret->min = stats_min(v, n);
	ret->max = stats_max(v, n);
	ret->mean = stats_mean(v, n);
	ret->stddev = stats_stddev(v, n);
	ret->median = stats_median(v, n);
	ret->mad = stats_mad(v, n);
	ret->q1 = quartiles.low;
	ret->q3 = quartiles.high;
	ret->p95 = stats_p95(v, n);
	ret->p99 = stats_p99(v, n);
	ret->ci95_low = ci95.low;
	ret->ci95_high = ci95.high;
	ret->n_outliers = stats_count_outliers(v, n);
}
