/* SPDX-License-Identifier: MIT */
/* What startline itself cost the program on the way to the end of startup: for each process what
 * the probes and the shim took of its running time, and of that the share that lies on the critical
 * path. What each part is, and what is in none of them: docs/metrics.md, "Overhead". */
#include "userspace/model/build/internal.h"

#include <math.h>

#define PS_PER_NS 1000.0

/* What was used until startup ended, and maybe a moment longer: see share_of(). */
static const struct sl_usage *usage_of(const struct builder *b, const struct proc *p)
{
	if (b->run->has_ready && p->usage[SL_WHEN_READY] != NULL)
		return p->usage[SL_WHEN_READY];
	return p->usage[SL_WHEN_EXIT];
}

static double probes_ns(const struct overhead_facts *t, const struct sl_usage *u)
{
	return (double)u->probe_ns + (double)u->probe_calls * (double)t->call_ps / PS_PER_NS +
	       (double)u->probe_hits * (double)t->hit_ps / PS_PER_NS;
}

static double hooks_called(const struct builder *b, const struct proc *p)
{
	double n = 0;
	vec_foreach(note, &p->heaps) {
		const bool is_ready = b->run->has_ready && note->ready != NULL;
		const struct sl_heap *e = is_ready ? note->ready : note->last;
		if (note->since_ns > b->end_ns)
			continue;
		for (int i = SL_HEAP_MALLOC; i <= SL_HEAP_REALLOC_FREE; i++)
			n += (double)e->calls[i];
	}
	return n;
}

static double shim_ns(const struct builder *b, const struct proc *p)
{
	const struct overhead_facts *t = &b->facts->overhead;
	double sum = (double)p->shim_ns + hooks_called(b, p) * (double)t->hook_ps / PS_PER_NS;
	vec_foreach(i, &p->images)
		if (i->linked_ns != 0 && i->linked_ns <= b->end_ns)
			sum += (double)t->image_ns;
	return sum;
}

/* Running time on the critical path, by process; in the arena. */
static double *path_times(struct builder *b)
{
	const struct run *run = b->run;
	double *times = keep(b, arena_alloc_array(b->arena, b->procs.n, sizeof(*times)));
	for (size_t i = 0; times != NULL && i < run->n_segments; i++)
		if (run->segments[i].state == ACTIVITY_RUNNING)
			times[run->segments[i].process - 1] += (double)run->segments[i].duration_ns;
	return times;
}

/* Of what a process ran, the share on the path. The rest ran beside it, or after the end of startup,
 * when the counters were read. */
static double share_of(const struct sl_usage *u, double on_path_ns)
{
	const bool has_time = (u->flags & SL_USAGE_NO_CPU) == 0 && u->run_ns > 0;
	const double share = has_time ? on_path_ns / (double)u->run_ns : 1;
	return share < 1 ? share : 1;
}

void overhead_mark(struct builder *b, const struct sl_mark *e)
{
	const struct sl_event *event = &e->event;
	const int proc = (event->flags & SL_FLAG_NS_IDS) != 0
				 ? process_lookup_ns(b, event->pid, event->time_ns)
				 : process_lookup(b, event->pid, event->time_ns);
	/* What ended after readiness, or went on, was told at readiness. */
	if (proc < 0 || (e->detail == SL_WHEN_EXIT && b->has_ready_usage))
		return;
	uint64_t *sum = &b->procs.items[proc].shim_ns;
	if (__builtin_add_overflow(*sum, e->value, sum))
		*sum = UINT64_MAX;
}

/* Rounded, and no more than there was; the shim's figures are the target's. */
static int64_t rounded(const struct run *run, double ns)
{
	const double most = run->startup_total_ns > 0 ? (double)run->startup_total_ns : 0;
	return (int64_t)llround(ns < most ? ns : most);
}

static bool is_known(const struct builder *b)
{
	const struct overhead_facts *t = &b->facts->overhead;
	const bool has_bpf = b->facts->bpf == NULL, has_shim = b->facts->shim == NULL;

	if (has_bpf && (t->call_ps == UNKNOWN || t->hit_ps == UNKNOWN || !b->run->has_segments))
		return false;
	if (has_shim && (t->image_ns == UNKNOWN || t->hook_ps == UNKNOWN))
		return false;
	return has_bpf || has_shim;
}

void overhead_finish(struct builder *b)
{
	struct run *run = b->run;
	const bool has_bpf = b->facts->bpf == NULL, has_shim = b->facts->shim == NULL;
	double probes = 0, shim = 0;

	if (b->error < 0 || !is_known(b))
		return;
	const double *on_path_ns = path_times(b);
	for (size_t i = 0; on_path_ns != NULL && i < b->procs.n; i++) {
		const struct proc *p = &b->procs.items[i];
		const struct sl_usage *u = usage_of(b, p);
		/* Without kernel events there is no path: then all processes count. */
		if (has_bpf && on_path_ns[i] == 0)
			continue;
		if (has_bpf && u == NULL)
			return; /* it had costs, and nobody knows which */
		const double share = has_bpf ? share_of(u, on_path_ns[i]) : 1;
		probes += has_bpf ? share * probes_ns(&b->facts->overhead, u) : 0;
		shim += has_shim ? share * shim_ns(b, p) : 0;
	}
	run->overhead_ns = rounded(run, probes + shim);
	run->overhead_probes_ns = has_bpf ? rounded(run, probes) : UNKNOWN;
	run->overhead_shim_ns = has_shim ? rounded(run, shim) : UNKNOWN;
}
