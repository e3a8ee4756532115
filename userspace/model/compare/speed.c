/* SPDX-License-Identifier: MIT */
/* On a machine that others use, too, a CPU is slower by half whenever its core's other thread works, and no
 * time is taken away that could be left out. But it is known how fast the CPUs were under each run. How
 * much of that a program feels is its own matter, so it is worked out from the runs: within a side, where
 * nothing but the machine differs, how much longer are those with slower CPUs? */

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/stats.h"
#include "userspace/base/stats_shift.h"
#include "userspace/model/compare/internal.h"

#define LEAST_RUNS 8
/* Nothing is slowed by much more than the loop is; and nothing is made faster. */
#define SLOPE_MAX 1.5
/* Both programs met the same machine. Speeds that differ more surely than that are the doing of one of
 * them, which must not be taken for its excuse. */
#define SAME_SPEED_P 0.05

static bool has_speeds(const struct series *s)
{
	if (s->speeds == NULL || !s->is_interleaved || s->n_values < LEAST_RUNS ||
	    s->summary.n != s->n_values || !(s->summary.min > 0))
		return false;
	for (size_t i = 0; i < s->n_values; i++) {
		if (!(s->speeds[i] > 0))
			return false;
	}
	return true;
}

/* How much less time more speed takes, between any two runs of a side. */
static size_t add_slopes(const struct series *s, double *to)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_values; i++) {
		for (size_t j = 0; j < i; j++) {
			const double faster = log(s->speeds[i] / s->speeds[j]);
			if (faster != 0)
				to[n++] = -log(s->values[i] / s->values[j]) / faster;
		}
	}
	return n;
}

/* The median of them (Theil 1950, Sen 1968), which single runs do not move. */
static int slope_of(const struct series *base, const struct series *head, double *ret)
{
	const size_t most = base->n_values * base->n_values + head->n_values * head->n_values;
	_cleanup_free_ double *slopes = calloc(most, sizeof(*slopes));
	if (slopes == NULL)
		return -ENOMEM;
	size_t n = add_slopes(base, slopes);
	n += add_slopes(head, slopes + n);
	*ret = n > 0 ? fmin(fmax(stats_median(slopes, n), 0), SLOPE_MAX) : 0;
	return 0;
}

static void add_logarithms(const struct series *s, double *to)
{
	for (size_t i = 0; i < s->n_values; i++)
		to[i] = log(s->speeds[i]);
}

int compare_speeds(struct change *c)
{
	const struct series *base = c->base, *head = c->head;
	struct stats_shift shift;
	if (!has_speeds(base) || !has_speeds(head))
		return 0;
	const size_t n = base->n_values + head->n_values;
	_cleanup_free_ double *speeds = calloc(n, sizeof(*speeds));
	if (speeds == NULL)
		return -ENOMEM;
	add_logarithms(base, speeds);
	add_logarithms(head, speeds + base->n_values);
	int r = stats_shift_of(speeds, base->n_values, speeds + base->n_values, head->n_values,
			       c->n_blocks, c->level, &shift);
	if (r < 0 || !(shift.p >= SAME_SPEED_P))
		return r;
	c->log_speed = stats_median(speeds, n);
	return slope_of(base, head, &c->speed_slope);
}

double speed_factor(const struct change *c, double speed)
{
	return exp(c->speed_slope * (log(speed) - c->log_speed));
}

const struct change *compared_at_speed(const struct comparison *c)
{
	for (size_t i = 0; i < c->n_changes; i++) {
		if (c->changes[i].speed_slope != 0)
			return &c->changes[i];
	}
	return NULL;
}

double *change_values(const struct change *c, const struct series *side, bool as_logarithms,
		      size_t *ret_n)
{
	double *v = series_values(side, as_logarithms, ret_n);
	for (size_t i = 0; v != NULL && c->speed_slope != 0 && i < *ret_n; i++) {
		const double factor = speed_factor(c, side->speeds[i]);
		v[i] = as_logarithms ? v[i] + log(factor) : v[i] * factor;
	}
	return v;
}
