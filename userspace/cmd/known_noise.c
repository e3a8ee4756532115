/* SPDX-License-Identifier: MIT */
#include "userspace/cmd/known_noise.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/vec.h"
#include "userspace/cmd/store_access.h"

#define POINTS_OF_NOISE 50

struct wanted {
	const char *name; /* as the store has it */
	struct series *series;
	int64_t latest_ns; /* of the points that its noise is from */
};

struct wanted_list VEC(struct wanted);

static int by_name(const void *a, const void *b)
{
	const struct wanted *left = a, *right = b;
	return strcmp(left->name, right->name);
}

/* What is compared by processes. */
static int collect(struct arena *arena, struct session *s, struct wanted_list *ret)
{
	for (size_t i = 0; i < s->n_series; i++) {
		struct series *series = &s->series[i];
		const char *name = stored_text(arena, series->id);
		if (series->n_processes > 0 &&
		    vec_push(ret, (struct wanted){ name, series, INT64_MIN }) < 0)
			return -ENOMEM;
	}
	if (ret->n > 0)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_name);
	return 0;
}

static int take_trend(void *context, const char *metric, const struct trend *t)
{
	const struct wanted_list *all = context;
	const struct wanted key = { .name = metric };
	struct wanted *w =
		all->n > 0 ? bsearch(&key, all->items, all->n, sizeof(key), by_name) : NULL;
	const int64_t latest_ns = t->points[t->n_points - 1].created_ns;
	if (w == NULL || latest_ns <= w->latest_ns)
		return 0;
	const struct known_noise noise = trend_noise(t, w->series->n_processes);
	if (noise.n == 0)
		return 0;
	w->series->noise = noise;
	w->latest_ns = latest_ns;
	return 0;
}

int known_noise_of(struct session *base, const char *scenario)
{
	const char *host = base->host.fingerprint != NULL ? base->host.fingerprint : "";
	struct wanted_list wanted = { 0 };
	struct store *store = NULL;
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	int r = arena != NULL ? collect(arena, base, &wanted) : -ENOMEM;
	if (r == 0 && wanted.n > 0)
		r = store_access_open(false, &store);
	if (r == 0 && store != NULL)
		r = store_trends(store, scenario, host, POINTS_OF_NOISE, take_trend, &wanted);
	(void)store_close(store);
	vec_done(&wanted);
	if (r == -ENOMEM)
		return fail(r, "not enough memory for what the store knows of the noise");
	return r == -ENOENT ? 0 : r;
}
