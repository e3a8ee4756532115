/* SPDX-License-Identifier: MIT */
/* System calls summed: what CALLS told of each process, at readiness and at its end. */
#include "userspace/model/build/internal.h"

#include <stdlib.h>

#define NUMBERS 1024 /* above all that there are; what is higher is made up */

static struct call_sum *sum_of(struct builder *b, struct proc *p, uint32_t number)
{
	for (size_t i = 0; i < p->call_sums.n; i++)
		if (p->call_sums.items[i].number == number)
			return &p->call_sums.items[i];
	const struct call_sum fresh = { .number = number };
	push(b, &p->call_sums, fresh);
	return b->error == 0 ? vec_last(&p->call_sums) : NULL;
}

/* A later telling replaces an earlier one. */
static void begin_moment(struct proc *p, uint32_t when, uint64_t moment_ns)
{
	if (p->calls_told_ns[when] == moment_ns)
		return;
	p->calls_told_ns[when] = moment_ns;
	for (size_t i = 0; i < p->call_sums.n; i++)
		p->call_sums.items[i].at[when] = (struct call_counts){ 0 };
}

void calls_told(struct builder *b, const struct sl_calls *e)
{
	const bool is_number = e->number < NUMBERS || e->number == SL_NO_SYSCALL;
	const int index = is_number ? process_of(b, &e->event) : -1;
	if (index < 0 || (e->when != SL_WHEN_EXIT && e->when != SL_WHEN_READY))
		return;
	struct proc *p = &b->procs.items[index];
	begin_moment(p, e->when, e->event.time_ns);
	struct call_sum *sum = sum_of(b, p, e->number);
	if (sum == NULL)
		return;
	struct call_counts *at = &sum->at[e->when];
	at->calls = sum_or_unknown(at->calls, counter(e->count));
	at->errors = sum_or_unknown(at->errors, counter(e->errors));
	at->total_ns = sum_or_unknown(at->total_ns, counter(e->total_ns));
	at->cpu_ns = sum_or_unknown(at->cpu_ns, counter(e->cpu_ns));
	b->has_call_sums = true;
}

static int by_number(const void *left, const void *right)
{
	const struct call_sum *a = left, *b = right;
	return a->number < b->number ? -1 : a->number > b->number;
}

static void finish_process(struct builder *b, struct proc *p)
{
	const uint32_t last = p->calls_told_ns[SL_WHEN_EXIT] != 0 ? SL_WHEN_EXIT : SL_WHEN_READY;
	const bool has_ready = p->calls_told_ns[SL_WHEN_READY] != 0;
	struct process *out = &p->out;
	/* One that ended told all it had to; of one that lives on nobody may have asked. */
	out->has_syscalls = p->end_ns != 0 || has_ready || last == SL_WHEN_EXIT;
	out->syscalls =
		keep(b, arena_alloc_array(b->arena, p->call_sums.n + 1, sizeof(*out->syscalls)));
	if (out->syscalls == NULL)
		return;
	if (p->call_sums.n > 1)
		qsort(p->call_sums.items, p->call_sums.n, sizeof(*p->call_sums.items), by_number);
	vec_foreach(sum, &p->call_sums) {
		const struct call_counts *at = &sum->at[last];
		if (at->calls == 0)
			continue;
		out->syscalls[out->n_syscalls++] = (struct syscall){
			.name = syscall_name(b->arena, sum->number),
			.calls = at->calls,
			.errors = at->errors,
			.total_ns = at->total_ns,
			.cpu_ns = at->cpu_ns,
			.ready_calls = has_ready ? sum->at[SL_WHEN_READY].calls : UNKNOWN,
		};
	}
}

void call_sums_finish(struct builder *b)
{
	if (!b->has_call_sums || probes_lost_metric(b->facts->session, "sys.calls[]"))
		return;
	vec_foreach(p, &b->procs)
		finish_process(b, p);
}
