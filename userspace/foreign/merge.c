/* SPDX-License-Identifier: MIT */
/* Several results of one benchmark suite as one: each file is another process, which is what tells
 * how much processes differ. */

#include <math.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/foreign/internal.h"

/* A summary is one value of its process: that it has no others is lost where there are many processes. */
static void take_summary(struct gathering *g, const struct series *s)
{
	const struct summary *summary = &s->summary;
	gather_value(g, s->id, s->metric,
		     !isnan(summary->median) ? summary->median : summary->mean);
	gather_process(g, s->id, 1);
}

/* What is not known to be of several processes is of one. */
static void take_series(struct gathering *g, const struct series *s)
{
	if (s->is_summary) {
		take_summary(g, s);
		return;
	}
	for (size_t i = 0; i < s->n_values; i++)
		gather_value(g, s->id, s->metric, s->values[i]);
	for (size_t i = 0; i < s->n_processes; i++)
		gather_process(g, s->id, s->processes[i]);
	if (s->n_processes == 0)
		gather_process(g, s->id, (double)s->n_values);
}

static bool is_of_same_cpu(const struct session *a, const struct session *b)
{
	return a->host.cpu == NULL || b->host.cpu == NULL || strcmp(a->host.cpu, b->host.cpu) == 0;
}

int foreign_merge(struct session *into, struct session *const *parts, size_t n, const char *path)
{
	_cleanup_(gather_done) struct gathering g;
	/* What is put together replaces them; they stay in the arena. */
	const struct series *own = into->series;
	const size_t n_own = into->n_series;
	size_t n_strange = 0;
	bool has_runs = into->n_runs > 0;
	gather_init(&g, path, into);
	g.samples = SAMPLES_UNKNOWN;
	into->series = NULL;
	into->n_series = 0;
	for (size_t i = 0; i < n_own; i++)
		take_series(&g, &own[i]);
	for (size_t k = 0; k < n; k++) {
		has_runs |= parts[k]->n_runs > 0;
		for (size_t i = 0; i < parts[k]->n_series; i++)
			take_series(&g, &parts[k]->series[i]);
		n_strange += !is_of_same_cpu(into, parts[k]);
	}
	if (has_runs)
		gather_fail(&g, "recordings among the results are not put together");
	gather_note(&g, "%zu results put together, of a process each", n + 1);
	if (n_strange > 0)
		gather_note(&g, "%zu of them are of another processor", n_strange);
	return gather_finish(&g);
}
