/* SPDX-License-Identifier: MIT */
/* Where the difference in memory, CPU, faults and I/O comes from, by process: sums over the processes of one name, mean
 * over the runs of each side. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/id_map.h"
#include "userspace/base/vec.h"
#include "userspace/model/compare/internal.h"

enum { BASE, HEAD, SIDES };

#define NO_GATE	   SIZE_MAX
#define AT(member) offsetof(struct process, member)
#define COUNTER(metric, member)                   \
	{                                         \
		metric, NULL, AT(member), NO_GATE \
	}
#define HEAP(metric, member)                                     \
	{                                                        \
		metric, NULL, AT(heap.member), AT(heap.is_known) \
	}
#define KIND(metric, member, kind)                                          \
	{                                                                   \
		metric, #kind, AT(member.kind##_bytes), AT(member.is_known) \
	}
#define KINDS(metric, member) \
	KIND(metric, member, anonymous), KIND(metric, member, file), KIND(metric, member, shared)

static const struct quantity {
	const char *metric, *kind; /* kind: NULL, or what of the metric's memory it is */
	size_t offset;		   /* in struct process: int64_t … */
	size_t is_known; /* … bool that says whether it is; NO_GATE: it does by itself */
} quantities[] = {
	HEAP("heap.allocs", allocs),
	HEAP("heap.frees", frees),
	HEAP("heap.bytes", bytes),
	HEAP("heap.peak", peak_bytes),
	HEAP("heap.ready", ready_bytes),
	HEAP("heap.exit", exit_bytes),
	COUNTER("mem.peak_rss", peak_rss_bytes),
	KINDS("mem.peak_rss", peak_kinds),
	COUNTER("mem.ready_rss", ready_rss_bytes),
	KINDS("mem.ready_rss", ready_kinds),
	COUNTER("cpu.user", user_ns),
	COUNTER("cpu.system", system_ns),
	COUNTER("faults.minor", minor_faults),
	COUNTER("faults.major", major_faults),
	COUNTER("io.read", read_bytes),
	COUNTER("io.write", write_bytes),
	COUNTER("proc.threads_peak", threads_peak),
};
#define QUANTITIES (sizeof(quantities) / sizeof(*quantities))

struct owner { /* of memory: the processes of one name */
	const char *process;
	bool is_in[SIDES];
	int64_t sums[SIDES][QUANTITIES]; /* UNKNOWN: of one of them it is not known */
};

struct owner_list VEC(struct owner);

struct owners {
	struct owner_list list;
	struct id_map index; /* name -> place in list */
};

static struct owner *owner_of(struct owners *o, const char *process)
{
	const uint64_t key = (uint64_t)(uintptr_t)process;
	const int place = id_map_get(&o->index, key);
	if (place >= 0)
		return &o->list.items[place];
	if (vec_push(&o->list, (struct owner){ .process = process }) < 0 ||
	    id_map_set(&o->index, key, (int)o->list.n - 1) < 0)
		return NULL;
	return vec_last(&o->list);
}

static int64_t amount(const struct process *p, const struct quantity *q)
{
	const char *bytes = (const char *)p;
	if (q->is_known != NO_GATE && !*(const bool *)(bytes + q->is_known))
		return UNKNOWN;
	return *(const int64_t *)(bytes + q->offset);
}

static int add_run(struct owners *o, struct alignment *alignment, const struct run *run, int side)
{
	for (size_t i = 0; i < run->n_processes; i++) {
		const struct process *p = &run->processes[i];
		struct owner *owner = owner_of(o, aligned_process(alignment, run, p->id));
		if (owner == NULL)
			return -ENOMEM;
		owner->is_in[side] = true;
		for (size_t q = 0; q < QUANTITIES; q++) {
			int64_t *sum = &owner->sums[side][q];
			const int64_t more = amount(p, &quantities[q]);
			if (*sum == UNKNOWN || more == UNKNOWN ||
			    __builtin_add_overflow(*sum, more, sum))
				*sum = UNKNOWN;
		}
	}
	return 0;
}

/* What a process that is not there takes is 0; of one that was not counted it is not known. */
static int64_t mean(const struct owner *owner, int side, size_t q, size_t n_runs)
{
	const int64_t sum = owner->sums[side][q], n = (int64_t)n_runs;
	if (!owner->is_in[side] || sum == UNKNOWN || n == 0)
		return owner->is_in[side] ? UNKNOWN : 0;
	const int64_t rest = sum % n;
	return sum / n + (rest > n / 2 ? 1 : 0);
}

static int64_t magnitude(int64_t x)
{
	return x == UNKNOWN ? -1 : x < 0 ? -x : x;
}

/* In the order of the quantities; what differs most first, what is not known last. */
static int by_delta(const void *left, const void *right)
{
	const struct memory_row *a = left, *b = right;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	const int64_t x = magnitude(a->delta), y = magnitude(b->delta);
	if (x != y)
		return x > y ? -1 : 1;
	return strcmp(a->process, b->process);
}

/* Not measured in the same way. */
static bool is_of_other_tier(const struct comparison *c, const char *metric)
{
	const struct change *change = comparison_find(c, metric);
	return change != NULL && change->is_of_other_tier;
}

static int fill(struct comparison *c, const struct owners *o)
{
	c->memory = arena_alloc_array(c->arena, o->list.n * QUANTITIES + 1, sizeof(*c->memory));
	if (c->memory == NULL)
		return -ENOMEM;
	for (size_t q = 0; q < QUANTITIES; q++) {
		vec_foreach(owner, &o->list) {
			const int64_t base = mean(owner, BASE, q, c->base->n_runs);
			const int64_t head = mean(owner, HEAD, q, c->head->n_runs);
			if ((base == UNKNOWN && head == UNKNOWN) ||
			    is_of_other_tier(c, quantities[q].metric))
				continue;
			int64_t delta = 0;
			const bool is_known = base != UNKNOWN && head != UNKNOWN &&
					      !__builtin_sub_overflow(head, base, &delta);
			c->memory[c->n_memory++] = (struct memory_row){
				.metric = quantities[q].metric,
				.kind = quantities[q].kind,
				.order = q,
				.process = owner->process,
				.base = base,
				.head = head,
				.delta = is_known ? delta : UNKNOWN,
			};
		}
	}
	if (c->n_memory > 1)
		qsort(c->memory, c->n_memory, sizeof(*c->memory), by_delta);
	return 0;
}

int compare_memory(struct comparison *c, struct alignment *alignment)
{
	const struct session *const sessions[SIDES] = { c->base, c->head };
	struct owners o = { 0 };
	int r = 0;
	for (int side = 0; side < SIDES; side++)
		for (size_t i = 0; i < sessions[side]->n_runs && r == 0; i++)
			r = add_run(&o, alignment, &sessions[side]->runs[i], side);
	/* Nobody to compare with is no difference. */
	const bool has_base = sessions[BASE]->n_runs > 0 || is_nothing(sessions[BASE]);
	if (r == 0 && has_base && sessions[HEAD]->n_runs > 0)
		r = fill(c, &o);
	vec_done(&o.list);
	id_map_done(&o.index);
	return r;
}
