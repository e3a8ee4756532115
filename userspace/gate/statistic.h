/* SPDX-License-Identifier: MIT */
/* A statistic of a sample and how sure it is. */
#ifndef USERSPACE_GATE_STATISTIC_H
#define USERSPACE_GATE_STATISTIC_H

#include <stddef.h>

#include "userspace/gate/budget.h"

/* Fewer values than that have no interval (base/stats.h: no order statistics cover the median at
 * 95 %). */
#define STATISTIC_INTERVAL_MIN 6

struct estimate {
	double value, low, high; /* NAN: none */
	size_t n;
};

/* What statistic_of() may be asked for; a budget names it. */
struct statistic_spec {
	enum statistic statistic;
	double quantile;
};

/* Of @v[0..@n), finite; sorts it. NAN when n is too small for it. */
double statistic_value(struct statistic_spec spec, double *v, size_t n);

/* With its 95 % interval: order statistics for the median and quantiles, as far as n suffices, else
 * bootstrap samples, drawn from a fixed seed so that the same values give the same verdict.
 * The extremes have none. A series of which only a summary is known gives what that holds.
 * -ENOMEM. */
int statistic_of(const struct series *series, struct statistic_spec spec, struct estimate *ret);

/* The ratio of a statistic between two series, by bootstrap of both. */
int statistic_ratio(const struct series *head, const struct series *base,
		    struct statistic_spec spec, struct estimate *ret);

/* The same where @c was compared by processes: the values of one are alike, so each process has one statistic, and
 * these are compared, with the interval that a claim takes in the family of @c. -ENOMEM. */
int statistic_ratio_by_process(const struct change *c, struct statistic_spec spec,
			       struct estimate *ret);

/* The middle 95 % of @samples[0..@n), which are sorted. */
void statistic_interval(double *samples, size_t n, double *ret_low, double *ret_high);

#define STATISTIC_SEED 0x5eed
/* How many bootstrap samples of @n values are drawn: 2000, fewer of more than 10,000. */
size_t statistic_samples(size_t n);
struct random;
/* As many values as there are in @sorted[0..@n), drawn from them with replacement: *ret, in order too.
 * @hits: room for @n. */
void statistic_resample(struct random *random, const double *sorted, size_t n, size_t *hits,
			double *ret);

#endif
