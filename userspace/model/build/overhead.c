/* SPDX-License-Identifier: MIT */
/* What startline itself cost the program on the way to the end of startup: for each process what
 * the probes, the shim and samples took of its running time, and of that the share that lies on the critical
 * path. What each part is, and what is in none of them: docs/metrics.md, "Overhead". */
#include "userspace/model/build/internal.h"

#include <math.h>

#define PS_PER_NS 1000.0
#define SAMPLED	  17 /* of so many runs of a probe one is timed: bpf/overhead.bpf.h */

/* What was used until startup ended, and maybe a moment longer: see share_of(). */
static const struct sl_usage *usage_of(const struct builder *b, const struct proc *p)
{
	if (b->run->has_ready && p->usage[SL_WHEN_READY] != NULL)
		return p->usage[SL_WHEN_READY];
	return p->usage[SL_WHEN_EXIT];
}

/* What adds up over processes. The errors of costs that were measured once are the same for all, so
 * they add up too; those of samples even each other out. */
struct sums {
	double probes_ns, shim_ns, stacks_ns;
	double sample_error_ns, call_error_ns, hit_error_ns, image_error_ns, hook_error_ns;
	double sampled_variance; /* of probes_ns, ns squared */
	double untold_ns;	 /* running time of processes whose counters are missing */
	double told_ns;		 /* … and of the others */
};

static void add_probes(const struct overhead_facts *t, const struct sl_usage *u, double share,
		       struct sums *sums)
{
	const double calls = share * (double)u->probe_calls, hits = share * (double)u->probe_hits;
	const double n_sampled = ((double)u->probe_calls + (double)u->probe_hits) / SAMPLED;
	const double sampled = share * (double)u->probe_ns;
	sums->probes_ns += sampled + calls * (double)t->call_ps / PS_PER_NS +
			   hits * (double)t->hit_ps / PS_PER_NS;
	sums->call_error_ns += calls * (double)t->call_error_ps / PS_PER_NS;
	sums->hit_error_ns += hits * (double)t->hit_error_ps / PS_PER_NS;
	/* Runs differ by about as much as they take; twice the error of their mean. */
	sums->sampled_variance += 4 * sampled * sampled / (n_sampled > 1 ? n_sampled : 1);
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

static void add_shim(const struct builder *b, const struct proc *p, double share, struct sums *sums)
{
	const struct overhead_facts *t = &b->facts->overhead;
	const double hooks = share * hooks_called(b, p);
	double images = 0;
	vec_foreach(i, &p->images)
		if (i->linked_ns != 0 && i->linked_ns <= b->end_ns)
			images += share;
	sums->shim_ns += share * (double)p->shim_ns + hooks * (double)t->hook_ps / PS_PER_NS +
			 images * (double)t->image_ns;
	sums->hook_error_ns += hooks * (double)t->hook_error_ps / PS_PER_NS;
	sums->image_error_ns += images * (double)t->image_error_ns;
}

static void add_stacks(const struct overhead_facts *t, const struct proc *p, double share,
		       struct sums *sums)
{
	sums->stacks_ns += share * (double)p->n_timer * (double)t->sample_ns;
	sums->sample_error_ns += share * (double)p->n_timer * (double)t->sample_error_ns;
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

	if (has_bpf && (t->call_ps == UNKNOWN || t->hit_ps == UNKNOWN))
		return false;
	if (has_shim && (t->image_ns == UNKNOWN || t->hook_ps == UNKNOWN))
		return false;
	return has_bpf || has_shim || t->sample_ns != UNKNOWN;
}

static bool has_errors(const struct builder *b)
{
	const struct overhead_facts *t = &b->facts->overhead;
	return (b->facts->bpf != NULL ||
		(t->call_error_ps != UNKNOWN && t->hit_error_ps != UNKNOWN)) &&
	       (b->facts->shim != NULL ||
		(t->image_error_ns != UNKNOWN && t->hook_error_ps != UNKNOWN));
}

static void add_process(const struct builder *b, const struct proc *p, double on_path_ns,
			struct sums *sums)
{
	const bool has_bpf = b->facts->bpf == NULL, has_path = b->run->has_segments;
	const struct sl_usage *u = usage_of(b, p);
	/* Without a path all processes count. */
	if (has_path && on_path_ns == 0)
		return;
	if (has_bpf && u == NULL) {
		sums->untold_ns += on_path_ns;
		return;
	}
	const double share = has_path && u != NULL ? share_of(u, on_path_ns) : 1;
	sums->told_ns += on_path_ns;
	if (has_bpf)
		add_probes(&b->facts->overhead, u, share, sums);
	if (b->facts->shim == NULL)
		add_shim(b, p, share, sums);
	if (b->facts->overhead.sample_ns != UNKNOWN)
		add_stacks(&b->facts->overhead, p, share, sums);
}

static double error_of(const struct sums *s)
{
	const double calls = s->call_error_ns + s->hit_error_ns; /* measured as one */
	return sqrt(calls * calls + s->image_error_ns * s->image_error_ns +
		    s->hook_error_ns * s->hook_error_ns + s->sample_error_ns * s->sample_error_ns +
		    s->sampled_variance);
}

void overhead_finish(struct builder *b)
{
	struct run *run = b->run;
	const bool has_bpf = b->facts->bpf == NULL, has_shim = b->facts->shim == NULL;
	struct sums sums = { 0 };

	if (b->error < 0 || !is_known(b))
		return;
	const double *on_path_ns = path_times(b);
	for (size_t i = 0; on_path_ns != NULL && i < b->procs.n; i++)
		add_process(b, &b->procs.items[i], on_path_ns[i], &sums);
	/* Who left no counters had costs as the others had, give or take all of that. */
	if (sums.untold_ns > 0 && sums.told_ns == 0)
		return;
	const double more = sums.untold_ns > 0 ? sums.untold_ns / sums.told_ns : 0;
	const double error =
		error_of(&sums) + more * (sums.probes_ns + sums.shim_ns + sums.stacks_ns);
	sums.probes_ns *= 1 + more;
	sums.shim_ns *= 1 + more;
	sums.stacks_ns *= 1 + more;
	run->overhead_ns = rounded(run, sums.probes_ns + sums.shim_ns + sums.stacks_ns);
	run->overhead_error_ns = has_errors(b) ? rounded(run, error) : UNKNOWN;
	run->overhead_probes_ns = has_bpf ? rounded(run, sums.probes_ns) : UNKNOWN;
	run->overhead_shim_ns = has_shim ? rounded(run, sums.shim_ns) : UNKNOWN;
	run->overhead_stacks_ns =
		b->facts->overhead.sample_ns != UNKNOWN ? rounded(run, sums.stacks_ns) : UNKNOWN;
}
