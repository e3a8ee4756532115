/* SPDX-License-Identifier: MIT */
/* Trends made by hand, for the tests of model/history and view/report_trend. */
#ifndef TESTS_UNIT_SAMPLE_TREND_H
#define TESTS_UNIT_SAMPLE_TREND_H

#include <math.h>
#include <stdlib.h>

#include "userspace/base/arena.h"
#include "userspace/base/random.h"
#include "userspace/model/history/history.h"

#define SAMPLE_START_NS 1767225600000000000 /* 2026-01-01 00:00 */
#define SAMPLE_DAY_NS	86400000000000

/* @n points, a day apart, two to a commit, about @level with noise of 2 %, which is the same at each
 * call; the test then changes them. */
static inline struct trend *sample_trend(size_t n, double level)
{
	struct arena *arena = arena_new();
	struct trend *t = arena != NULL ? arena_alloc(arena, sizeof(*t)) : NULL;
	if (t == NULL)
		abort();
	t->arena = arena;
	t->unit = UNIT_NS;
	t->better = BETTER_LOWER;
	t->points = arena_alloc_array(arena, n + 1, sizeof(*t->points));
	t->n_points = n;
	struct random r;
	random_seed(&r, 23);
	for (size_t i = 0; i < n; i++) {
		const double value = level * exp(0.02 * random_normal(&r));
		t->points[i] = (struct point){
			.created_ns = SAMPLE_START_NS + (int64_t)i * SAMPLE_DAY_NS,
			.id = arena_printf(arena, "%015zx", 0x41000 + i),
			.commit = arena_printf(arena, "c0ffee%034zx", i / 2),
			.n = 10,
			.median = value,
			.low = value * 0.99,
			.high = value * 1.01,
		};
	}
	return t;
}

/* The points from @from on are @factor times what they were. */
static inline void sample_scale(struct trend *t, size_t from, double factor)
{
	for (size_t i = from; i < t->n_points; i++) {
		t->points[i].median *= factor;
		t->points[i].low *= factor;
		t->points[i].high *= factor;
	}
}

#endif
