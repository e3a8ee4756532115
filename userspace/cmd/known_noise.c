/* SPDX-License-Identifier: MIT */
#include "userspace/cmd/known_noise.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/vec.h"
#include "userspace/cmd/store_access.h"

#define POINTS_OF_NOISE 50
#define SCENARIOS_MAX	100
#define LOOK_UPS_MAX	2000 /* a few queries each */

struct search {
	struct arena *arena;
	struct session *base;
	const char *scenario, *host_class;
	struct names VEC(const char *) names;
};

static int take_scenario(void *context, const char *scenario, const char *host_class,
			 int64_t n_sessions, int64_t latest_ns)
{
	struct search *s = context;
	(void)n_sessions;
	(void)latest_ns;
	if (strcmp(host_class, s->host_class) != 0 ||
	    (s->scenario != NULL && strcmp(scenario, s->scenario) != 0) ||
	    s->names.n == SCENARIOS_MAX)
		return 0;
	const char *name = arena_strdup(s->arena, scenario);
	return name != NULL ? vec_push(&s->names, name) : -ENOMEM;
}

/* The results of a scenario are of as many processes as this one, and differ by less than these do. */
static int look_up(struct store *store, const struct search *search, const char *scenario,
		   struct series *s)
{
	struct trend *t = NULL;
	const int r = store_trend(store, scenario, search->host_class, s->id, POINTS_OF_NOISE, &t);
	if (r == 0)
		s->noise = trend_noise(t);
	s->noise.sigma *= sqrt((double)s->n_processes);
	(void)trend_free(t);
	return r;
}

static int look_up_all(struct store *store, const struct search *search)
{
	const struct session *s = search->base;
	int r = 0;
	for (size_t k = 0, n = 0; k < search->names.n; k++) {
		for (size_t i = 0; r == 0 && i < s->n_series && n < LOOK_UPS_MAX; i++) {
			struct series *series = &s->series[i];
			if (series->n_processes == 0 || series->noise.n > 0)
				continue;
			r = look_up(store, search, search->names.items[k], series);
			n++;
		}
	}
	return r;
}

static bool has_processes(const struct session *s)
{
	for (size_t i = 0; i < s->n_series; i++) {
		if (s->series[i].n_processes > 0)
			return true;
	}
	return false;
}

int known_noise_of(struct session *base, const char *scenario)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	const char *fingerprint = base->host.fingerprint;
	struct search search = {
		arena, base, scenario, fingerprint != NULL ? fingerprint : "", { 0 }
	};
	struct store *store = NULL;
	if (!has_processes(base))
		return 0;
	if (arena == NULL)
		return fail(-ENOMEM, "not enough memory for what the store knows");
	int r = store_access_open(false, &store);
	if (r == 0)
		r = store_scenarios(store, take_scenario, &search);
	if (r == 0)
		r = look_up_all(store, &search);
	(void)store_close(store);
	vec_done(&search.names);
	return r == -ENOENT ? 0 : r;
}
