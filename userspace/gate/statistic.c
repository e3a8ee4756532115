/* SPDX-License-Identifier: MIT */
/* Intervals that assume no distribution: ranks where the binomial distribution allows it, else the
 * bootstrap. */

#include "userspace/gate/statistic.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/random.h"
#include "userspace/base/stats.h"

#define TAIL 0.025 /* on each side of the interval */
/* Of many values each sample takes longer, and fewer do: bounds a budget to a second or so. */
#define SAMPLES_MOST  ((size_t)2000)
#define SAMPLES_LEAST ((size_t)200)
#define VALUES_DRAWN  ((size_t)20000000)

double statistic_value(struct statistic_spec spec, double *v, size_t n)
{
	switch (spec.statistic) {
	case STATISTIC_MEDIAN:
		return stats_median(v, n);
	case STATISTIC_MEAN:
		return stats_mean(v, n);
	case STATISTIC_MIN:
		return stats_min(v, n);
	case STATISTIC_MAX:
		return stats_max(v, n);
	case STATISTIC_STDDEV:
		return stats_stddev(v, n);
	case STATISTIC_CV: {
		const double mean = stats_mean(v, n);
		return mean > 0 ? stats_stddev(v, n) / mean : (double)NAN;
	}
	case STATISTIC_QUANTILE:
		break;
	}
	return stats_quantile(v, n, spec.quantile);
}

void statistic_interval(double *samples, size_t n, double *ret_low, double *ret_high)
{
	n = stats_drop_missing(samples, n);
	*ret_low = stats_quantile(samples, n, TAIL);
	*ret_high = stats_quantile(samples, n, 1 - TAIL);
}

size_t statistic_samples(size_t n)
{
	const size_t affordable = n > 0 ? VALUES_DRAWN / n : SAMPLES_MOST;
	return affordable > SAMPLES_MOST    ? SAMPLES_MOST
	       : affordable < SAMPLES_LEAST ? SAMPLES_LEAST
					    : affordable;
}

void statistic_resample(struct random *random, const double *sorted, size_t n, size_t *hits,
			double *ret)
{
	memset(hits, 0, n * sizeof(*hits));
	for (size_t i = 0; i < n; i++)
		hits[random_below(random, n)]++;
	for (size_t i = 0; i < n; i++) {
		for (; hits[i] > 0; hits[i]--)
			*ret++ = sorted[i];
	}
}

static bool has_bootstrap(struct statistic_spec spec, size_t n)
{
	return n >= STATISTIC_INTERVAL_MIN && spec.statistic != STATISTIC_MIN &&
	       spec.statistic != STATISTIC_MAX;
}

/* Of @v, or of the ratio of @v to @base, which is NULL else. Both are sorted. */
static int bootstrap(const double *v, size_t n, const double *base, size_t n_base,
		     struct statistic_spec spec, struct estimate *ret)
{
	struct random random;
	const size_t n_samples = statistic_samples(n + n_base), n_most = n > n_base ? n : n_base;
	_cleanup_free_ double *samples = malloc(n_samples * sizeof(*samples));
	_cleanup_free_ double *drawn = malloc((n_most + 1) * sizeof(*drawn));
	_cleanup_free_ size_t *hits = malloc((n_most + 1) * sizeof(*hits));
	if (samples == NULL || drawn == NULL || hits == NULL)
		return -ENOMEM;
	random_seed(&random, STATISTIC_SEED);
	for (size_t i = 0; i < n_samples; i++) {
		statistic_resample(&random, v, n, hits, drawn);
		samples[i] = statistic_value(spec, drawn, n);
		if (base == NULL)
			continue;
		statistic_resample(&random, base, n_base, hits, drawn);
		samples[i] /= statistic_value(spec, drawn, n_base);
	}
	statistic_interval(samples, n_samples, &ret->low, &ret->high);
	return 0;
}

/* The ranks between which the quantile lies with 95 %: the number of values below it is binomial
 * (n, q). False: so few values do not reach around it. */
static bool rank_interval(const double *sorted, size_t n, double q, struct estimate *ret)
{
	double below = 0; /* P(count <= k) */
	size_t low = 0, high = 0;
	bool has_low = false, has_high = false;
	for (size_t k = 0; k < n; k++) {
		const double log_p = lgamma((double)n + 1) - lgamma((double)k + 1) -
				     lgamma((double)(n - k) + 1) + (double)k * log(q) +
				     (double)(n - k) * log1p(-q);
		below += exp(log_p);
		/* X(k+1) > Q is count <= k: the last such rank that is unlikely enough. */
		if (below <= TAIL) {
			low = k;
			has_low = true;
		}
		if (!has_high && below >= 1 - TAIL) {
			high = k;
			has_high = true;
		}
	}
	if (!has_low || !has_high)
		return false;
	ret->low = sorted[low];
	ret->high = sorted[high];
	return true;
}

static void estimate_of_summary(const struct summary *s, struct statistic_spec spec,
				struct estimate *ret)
{
	const double values[] = {
		[STATISTIC_MEDIAN] = s->median,
		[STATISTIC_MEAN] = s->mean,
		[STATISTIC_MIN] = s->min,
		[STATISTIC_MAX] = s->max,
		[STATISTIC_STDDEV] = s->stddev,
		[STATISTIC_CV] = s->mean > 0 ? s->stddev / s->mean : (double)NAN,
		[STATISTIC_QUANTILE] = spec.quantile == 0.95   ? s->p95
				       : spec.quantile == 0.99 ? s->p99
							       : (double)NAN,
	};
	ret->value = values[spec.statistic];
	if (spec.statistic == STATISTIC_MEDIAN && isnan(ret->value))
		ret->value = !isnan(s->mean) ? s->mean : (s->min + s->max) / 2;
	if (spec.statistic == STATISTIC_MEDIAN || spec.statistic == STATISTIC_MEAN) {
		ret->low = s->ci95_low;
		ret->high = s->ci95_high;
	}
}

int statistic_of(const struct series *series, struct statistic_spec spec, struct estimate *ret)
{
	*ret = (struct estimate){ .value = NAN, .low = NAN, .high = NAN, .n = series->summary.n };
	if (series->is_summary) {
		estimate_of_summary(&series->summary, spec, ret);
		return 0;
	}
	_cleanup_free_ double *v = series_values(series, false, &ret->n);
	if (v == NULL)
		return -ENOMEM;
	ret->value = statistic_value(spec, v, ret->n);
	if (isnan(ret->value) || !has_bootstrap(spec, ret->n))
		return 0;
	stats_sort(v, ret->n);
	if (spec.statistic == STATISTIC_MEDIAN) {
		const struct stats_interval i = stats_ci95_median(v, ret->n);
		ret->low = i.low;
		ret->high = i.high;
		return 0;
	}
	if (spec.statistic == STATISTIC_QUANTILE && rank_interval(v, ret->n, spec.quantile, ret))
		return 0;
	return bootstrap(v, ret->n, NULL, 0, spec, ret);
}

int statistic_ratio(const struct series *head, const struct series *base,
		    struct statistic_spec spec, struct estimate *ret)
{
	struct estimate of_head, of_base;
	size_t n_head = 0, n_base = 0;
	*ret = (struct estimate){ .value = NAN, .low = NAN, .high = NAN };
	int r = statistic_of(head, spec, &of_head);
	if (r >= 0)
		r = statistic_of(base, spec, &of_base);
	if (r < 0)
		return r;
	ret->value = of_base.value > 0 ? of_head.value / of_base.value : (double)NAN;
	ret->n = of_head.n;
	if (head->is_summary || base->is_summary || !has_bootstrap(spec, of_head.n) ||
	    !has_bootstrap(spec, of_base.n))
		return 0;
	_cleanup_free_ double *h = series_values(head, false, &n_head);
	_cleanup_free_ double *b = series_values(base, false, &n_base);
	if (h == NULL || b == NULL)
		return -ENOMEM;
	stats_sort(h, n_head);
	stats_sort(b, n_base);
	return bootstrap(h, n_head, b, n_base, spec, ret);
}

/* ---- by process ---- */

struct by_process {
	struct series series;
	double *values, *ones;
};

static void by_process_done(struct by_process *p)
{
	free(p->values);
	free(p->ones);
}

static int by_process_of(const struct series *s, struct statistic_spec spec, struct by_process *ret)
{
	size_t at = 0;
	ret->values = calloc(s->n_processes, sizeof(*ret->values));
	ret->ones = calloc(s->n_processes, sizeof(*ret->ones));
	_cleanup_free_ double *v = calloc(s->n_values + 1, sizeof(*v));
	if (ret->values == NULL || ret->ones == NULL || v == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_processes; i++) {
		const size_t left = s->n_values - at;
		const size_t n = s->processes[i] < (double)left ? (size_t)s->processes[i] : left;
		memcpy(v, s->values + at, n * sizeof(*v));
		ret->values[i] = statistic_value(spec, v, stats_drop_missing(v, n));
		ret->ones[i] = 1;
		at += n;
	}
	ret->series = *s;
	ret->series.values = ret->values;
	ret->series.n_values = s->n_processes;
	ret->series.processes = ret->ones;
	summary_of(ret->values, s->n_processes, &ret->series.summary);
	return 0;
}

int statistic_ratio_by_process(const struct change *c, struct statistic_spec spec,
			       struct estimate *ret)
{
	_cleanup_(by_process_done) struct by_process base = { 0 };
	_cleanup_(by_process_done) struct by_process head = { 0 };
	struct change of_statistic;
	*ret = (struct estimate){ .value = NAN, .low = NAN, .high = NAN };
	int r = by_process_of(c->base, spec, &base);
	if (r >= 0)
		r = by_process_of(c->head, spec, &head);
	if (r >= 0)
		r = change_of(&base.series, &head.series, c->level, &of_statistic);
	if (r < 0)
		return r;
	ret->value = of_statistic.ratio;
	ret->n = head.series.summary.n;
	const double alpha = c->claim_alpha > 0 ? c->claim_alpha : TAIL;
	return of_statistic.processes.n_base > 0
		       ? change_interval(&of_statistic, alpha, &ret->low, &ret->high)
		       : 0;
}
