/* SPDX-License-Identifier: MIT */
/* Metrics that come with their values instead of being worked out from a run: those of other tools,
 * and numbers typed by hand. */

#include <errno.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/log.h"
#include "userspace/model/hosts.h"
#include "userspace/model/metrics.h"

int session_new(struct session **ret)
{
	struct arena *arena = arena_new();
	struct session *s = arena != NULL ? arena_alloc(arena, sizeof(*s)) : NULL;
	if (s == NULL) {
		(void)arena_free(arena);
		return fail(-ENOMEM, "not enough memory for a session");
	}
	s->arena = arena;
	s->version = STARTLINE_VERSION;
	s->host = HOST_UNKNOWN;
	s->design.runs = UNKNOWN;
	s->design.warmup = UNKNOWN;
	*ret = s;
	return 0;
}

const struct metric *session_own_metric(struct session *s, const char *id,
					const struct metric *like)
{
	struct metric *metric = arena_memdup(s->arena, like, sizeof(*like));
	if (metric == NULL)
		return NULL;
	metric->id = arena_intern(s->arena, id);
	metric->label = metric->id;
	metric->get = NULL;
	metric->collect = NULL;
	return metric->id != NULL ? metric : NULL;
}

/* Room for one more series; it doubles when a power of two is full. */
static struct series *next_series(struct session *s)
{
	const size_t n = s->n_series;
	if ((n & (n - 1)) != 0)
		return &s->series[n];
	struct series *grown = arena_alloc_array(s->arena, n == 0 ? 1 : 2 * n, sizeof(*grown));
	if (grown == NULL)
		return NULL;
	if (n > 0)
		memcpy(grown, s->series, n * sizeof(*grown));
	s->series = grown;
	return &s->series[n];
}

static struct series *add_series(struct session *s, const char *id, const struct metric *like)
{
	struct series *series = next_series(s);
	if (series == NULL)
		return NULL;
	*series = (struct series){ .metric = metrics_row(id) };
	if (series->metric == NULL)
		series->metric = session_own_metric(s, id, like);
	series->id = arena_intern(s->arena, id);
	return series->metric != NULL && series->id != NULL ? series : NULL;
}

int session_add_values(struct session *s, const char *id, const struct metric *like,
		       const double *values, size_t n)
{
	struct series *series = add_series(s, id, like);
	if (series == NULL)
		return -ENOMEM;
	series->values = arena_memdup(s->arena, values, n * sizeof(*values));
	series->n_values = n;
	if (series->values == NULL)
		return -ENOMEM;
	summary_of(series->values, n, &series->summary);
	s->n_series++;
	return 0;
}

int session_add_summary(struct session *s, const char *id, const struct metric *like,
			const struct summary *summary)
{
	struct series *series = add_series(s, id, like);
	if (series == NULL)
		return -ENOMEM;
	series->is_summary = true;
	series->summary = *summary;
	s->n_series++;
	return 0;
}

int session_set_processes(struct session *s, const double *processes, size_t n)
{
	struct series *series = &s->series[s->n_series - 1];
	series->processes = arena_memdup(s->arena, processes, n * sizeof(*processes));
	series->n_processes = series->processes != NULL ? n : 0;
	return series->processes != NULL ? 0 : -ENOMEM;
}
