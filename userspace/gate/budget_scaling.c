/* SPDX-License-Identifier: MIT */
/* Budgets over the cells of a matrix: how time grows with a parameter, and what each further worker
 * is worth. Intervals come from resampling the runs within each cell. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/random.h"
#include "userspace/base/stats.h"
#include "userspace/gate/budget_internal.h"

struct cell {
	double x;
	double *values, *drawn; /* sorted; as many */
	size_t *hits, n;
	double median; /* of what was drawn last */
};

/* Least squares through the logarithms of the medians. */
static double slope_of(const struct cell *cells, size_t n)
{
	double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
	for (size_t i = 0; i < n; i++) {
		mean_x += log(cells[i].x) / (double)n;
		mean_y += log(cells[i].median) / (double)n;
	}
	for (size_t i = 0; i < n; i++) {
		const double dx = log(cells[i].x) - mean_x;
		xx += dx * dx;
		xy += dx * (log(cells[i].median) - mean_y);
	}
	return xx > 0 ? xy / xx : (double)NAN;
}

/* The worst cell's; the one with the smallest parameter has 1. */
static double efficiency_of(const struct cell *cells, size_t n)
{
	const struct cell *first = cells;
	double worst = INFINITY;
	for (size_t i = 1; i < n; i++) {
		if (cells[i].x < first->x)
			first = &cells[i];
	}
	for (size_t i = 0; i < n; i++) {
		const double e = first->x * first->median / (cells[i].x * cells[i].median);
		if (&cells[i] != first && e < worst)
			worst = e;
	}
	return worst;
}

static double figure_of(const struct budget *b, const struct cell *cells, size_t n)
{
	return b->kind == BUDGET_SCALING ? slope_of(cells, n) : efficiency_of(cells, n);
}

static int interval_of(const struct budget *b, struct cell *cells, size_t n, struct estimate *ret)
{
	struct random random;
	size_t n_values = 0;
	for (size_t i = 0; i < n; i++)
		n_values += cells[i].n;
	const size_t n_samples = statistic_samples(n_values);
	_cleanup_free_ double *samples = malloc(n_samples * sizeof(*samples));
	if (samples == NULL)
		return -ENOMEM;
	random_seed(&random, STATISTIC_SEED);
	for (size_t s = 0; s < n_samples; s++) {
		for (size_t i = 0; i < n; i++) {
			statistic_resample(&random, cells[i].values, cells[i].n, cells[i].hits,
					   cells[i].drawn);
			cells[i].median = stats_median(cells[i].drawn, cells[i].n);
		}
		samples[s] = figure_of(b, cells, n);
	}
	statistic_interval(samples, n_samples, &ret->low, &ret->high);
	return 0;
}

/* -EDOM: nothing to take a logarithm of. */
static int fill_cell(struct arena *arena, struct cell *cell, double x, const struct series *series)
{
	_cleanup_free_ double *v = NULL;
	if (series == NULL)
		return -ENODATA;
	v = series_values(series, false, &cell->n);
	if (v == NULL)
		return -ENOMEM;
	if (cell->n == 0)
		return -ENODATA;
	cell->x = x;
	cell->median = stats_median(v, cell->n);
	cell->values = arena_memdup(arena, v, cell->n * sizeof(*v));
	cell->drawn = arena_alloc_array(arena, cell->n, sizeof(*v));
	cell->hits = arena_alloc_array(arena, cell->n, sizeof(*cell->hits));
	if (cell->values == NULL || cell->drawn == NULL || cell->hits == NULL)
		return -ENOMEM;
	return cell->median > 0 && stats_min(v, cell->n) > 0 && x > 0 ? 0 : -EDOM;
}

static size_t count_different(const double *x, size_t n)
{
	size_t different = 0;
	for (size_t i = 0; i < n; i++) {
		bool is_new = true;
		for (size_t k = 0; k < i; k++)
			is_new &= x[k] != x[i];
		different += is_new;
	}
	return different;
}

static int say_why_not(struct arena *arena, const struct budget *b, struct judgement *j, int error)
{
	if (error == -ENODATA)
		(void)judgement_say(arena, j, "%s was not captured for every {%s}", b->metric,
				    b->parameter);
	else if (error == -EDOM)
		(void)judgement_say(arena, j, "needs two values of {%s} and times above 0",
				    b->parameter);
	return error;
}

int budget_judge_scaling(struct arena *arena, const struct budget *b, const double *x,
			 const struct series *const *series, size_t n, const struct levels *levels,
			 struct judgement *ret)
{
	bool has_interval = true;
	struct estimate e = { .low = NAN, .high = NAN };
	judgement_init(ret, b, UNIT_RATIO);
	ret->is_slope = b->kind == BUDGET_SCALING;
	struct cell *cells = arena_alloc_array(arena, n, sizeof(*cells));
	if (cells == NULL)
		return -ENOMEM;
	if (count_different(x, n) < 2)
		return say_why_not(arena, b, ret, -EDOM);
	for (size_t i = 0; i < n; i++) {
		const int r = fill_cell(arena, &cells[i], x[i], series[i]);
		if (r < 0)
			return say_why_not(arena, b, ret, r);
		has_interval &= cells[i].n >= STATISTIC_INTERVAL_MIN;
		e.n = i == 0 || cells[i].n < e.n ? cells[i].n : e.n;
	}
	e.value = figure_of(b, cells, n);
	const int r = has_interval ? interval_of(b, cells, n, &e) : 0;
	if (r < 0)
		return r;
	ret->actual = e.value;
	ret->actual_low = e.low;
	ret->actual_high = e.high;
	return judge_value(arena, b, &e, levels, ret);
}
