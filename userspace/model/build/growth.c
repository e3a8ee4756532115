/* SPDX-License-Identifier: MIT */
/* How memory has grown: sums of each memory that the kernel tells of on their way, put together for processes,
 * phases, and a course of the tree. */
#include "userspace/model/build/internal.h"

#include <stdlib.h>
#include <string.h>

enum { PHASES_MOST = 5 };

/* Of the course: more than a wide terminal has columns. */
#define POINTS_MOST 240

_Static_assert((int)GROWTH_WAYS == (int)SL_GROWTH_WAYS &&
		       (int)GROWTH_MREMAP == (int)SL_GROWTH_MREMAP,
	       "the same order");

void growth_mapped(struct builder *b, const struct sl_mapped *e)
{
	const int proc = e->event.time_ns < b->zero_ns ? -1 : process_of(b, &e->event);
	if (proc >= 0)
		push(b, &b->growth.mapped, (struct mapped_note){ .event = e, .proc = proc });
}

void growth_live(struct builder *b, const struct sl_live *e)
{
	if (e->event.time_ns >= b->zero_ns)
		push(b, &b->growth.lives, e);
}

static int by_time(const void *left, const void *right)
{
	const struct mapped_note *a = left, *b = right;
	const uint64_t x = a->event->event.time_ns, y = b->event->event.time_ns;
	return x < y ? -1 : x > y;
}

static void add_mapped(struct growth_sum ways[GROWTH_WAYS], const struct sl_mapped *e)
{
	for (int i = 0; i < GROWTH_WAYS; i++)
		growth_add(&ways[i], e->grown[i].calls, e->grown[i].bytes);
}

/* ---- memories, as they are told of ---- */

struct memory {
	const struct sl_mapped *last;
	int proc;  /* that told first */
	int asked; /* for this phase what comes next was looked at */
};

struct memories {
	struct VEC(struct memory) list;
	struct id_map of_number;
};

/* NULL: nothing was told of it yet. */
static struct memory *memory_of(const struct memories *m, uint32_t number)
{
	const int place = id_map_get(&m->of_number, number);
	return place >= 0 && m->list.items != NULL ? &m->list.items[place] : NULL;
}

static void memories_take(struct builder *b, struct memories *m, const struct mapped_note *note)
{
	const struct sl_mapped *e = note->event;
	struct memory *known = memory_of(m, e->memory);
	if (known != NULL) {
		known->last = e;
		return;
	}
	if (id_map_set(&m->of_number, e->memory, (int)m->list.n) < 0)
		b->error = -ENOMEM;
	else
		push(b, &m->list, (struct memory){ .last = e, .proc = note->proc });
}

/* What is told after a moment, but has not changed since, holds then. */
static void memories_look_ahead(struct builder *b, struct memories *m, size_t from, int phase,
				int64_t time_ns)
{
	for (size_t i = from; i < b->growth.mapped.n && b->error == 0; i++) {
		const struct mapped_note *note = &b->growth.mapped.items[i];
		struct memory *known = memory_of(m, note->event->memory);
		if (known != NULL && known->asked == phase)
			continue;
		if (note->event->grown_ns != 0 && rel(b, note->event->grown_ns) <= time_ns) {
			memories_take(b, m, note);
			known = memory_of(m, note->event->memory);
		}
		if (known != NULL)
			known->asked = phase;
	}
}

static void memories_done(struct memories *m)
{
	vec_done(&m->list);
	id_map_done(&m->of_number);
}

/* ---- phases ---- */

static int64_t milestone_ns(const struct run *run, const char *name)
{
	for (size_t i = 0; i < run->n_milestones; i++)
		if (strcmp(run->milestones[i].name, name) == 0)
			return run->milestones[i].time_ns;
	return UNKNOWN;
}

/* The heap is known at moments of its own; in between as the counters were last read. */
static int64_t heap_at(const struct builder *b, int64_t time_ns)
{
	int64_t bytes = UNKNOWN;
	for (size_t i = 0; i < b->growth.lives.n; i++) {
		const struct sl_live *e = b->growth.lives.items[i];
		if (rel(b, e->event.time_ns) > time_ns)
			break;
		bytes = counter(e->bytes);
	}
	return bytes;
}

static bool heap_sums(const struct builder *b, int64_t *ret_ready, int64_t *ret_exit)
{
	bool has_any = false;
	*ret_ready = *ret_exit = 0;
	vec_foreach(p, &b->procs) {
		const struct heap *heap = &p->out.heap;
		if (!heap->is_known)
			continue;
		has_any = true;
		if (heap->ready_bytes != UNKNOWN &&
		    __builtin_add_overflow(*ret_ready, heap->ready_bytes, ret_ready))
			*ret_ready = INT64_MAX;
	}
	/* Of several, they did not end at one time. */
	*ret_exit = b->procs.n == 1 ? b->procs.items[0].out.heap.exit_bytes : UNKNOWN;
	return has_any;
}

/* At readiness all processes were looked at, where nothing was missed. */
static void ready_kinds(const struct builder *b, struct memory_phase *phase)
{
	struct resident_kinds sum = { 0 };
	vec_foreach(p, &b->procs) {
		const struct resident_kinds *kinds = &p->out.ready_kinds;
		if (p->out.ready_rss_bytes == UNKNOWN)
			continue;
		if (!kinds->is_known)
			return;
		sum.anonymous_bytes = sum_or_unknown(sum.anonymous_bytes, kinds->anonymous_bytes);
		sum.file_bytes = sum_or_unknown(sum.file_bytes, kinds->file_bytes);
		sum.shared_bytes = sum_or_unknown(sum.shared_bytes, kinds->shared_bytes);
	}
	phase->anonymous_bytes = sum.anonymous_bytes;
	phase->file_bytes = sum.file_bytes;
	phase->shared_bytes = sum.shared_bytes;
}

/* What is known of a moment from elsewhere. */
static void refine(const struct builder *b, struct memory_phase *phase)
{
	int64_t ready, at_exit;
	const bool has_heap = heap_sums(b, &ready, &at_exit);
	const bool is_ready = strcmp(phase->until, "ready") == 0;
	phase->heap_bytes = has_heap ? heap_at(b, phase->time_ns) : UNKNOWN;
	if (has_heap && is_ready)
		phase->heap_bytes = ready;
	if (has_heap && at_exit != UNKNOWN && strcmp(phase->until, "exit") == 0)
		phase->heap_bytes = at_exit;
	if (is_ready && b->run->ready_rss_bytes != UNKNOWN) {
		phase->rss_bytes = b->run->ready_rss_bytes;
		ready_kinds(b, phase);
	}
}

/* What of the tree is resident, by kind. NULL: nobody knows. */
static void phase_kinds(struct memory_phase *phase, const __u64 *bytes)
{
	static const __u64 unknown[SL_MEMORY_KINDS] = { SL_UNKNOWN, SL_UNKNOWN, SL_UNKNOWN };
	const __u64 *kinds = bytes != NULL ? bytes : unknown;
	phase->anonymous_bytes = counter(kinds[SL_MEMORY_ANONYMOUS]);
	phase->file_bytes = counter(kinds[SL_MEMORY_FILE]);
	phase->shared_bytes = counter(kinds[SL_MEMORY_SHARED]);
}

/* When the first image had what exec gave it. */
static int64_t exec_ns(const struct builder *b)
{
	vec_foreach(note, &b->growth.mapped)
		if (note->event->when == SL_WHEN_START)
			return rel(b, note->event->event.time_ns);
	return UNKNOWN;
}

/* Those that are known, in order. Returns how many. */
static size_t list_phases(const struct builder *b, struct memory_phase ret[PHASES_MOST])
{
	const struct run *run = b->run;
	const struct {
		const char *until;
		int64_t at_ns;
	} moments[PHASES_MOST] = {
		{ "exec", exec_ns(b) },
		{ "linked", milestone_ns(run, "linked") },
		{ "main", milestone_ns(run, "main") },
		{ "ready", run->has_ready ? run->ready_ns : UNKNOWN },
		{ "exit", INT64_MAX },
	};
	int64_t before = 0;
	size_t n = 0;
	for (size_t i = 0; i < PHASES_MOST; i++) {
		const int64_t at_ns = moments[i].at_ns;
		if (at_ns == UNKNOWN || at_ns < before)
			continue;
		ret[n++] = (struct memory_phase){ .until = moments[i].until,
						  .time_ns = at_ns,
						  .rss_bytes = UNKNOWN,
						  .heap_bytes = UNKNOWN };
		phase_kinds(&ret[n - 1], NULL);
		before = at_ns;
	}
	return n;
}

static void fill_phases(struct builder *b, struct memories *m)
{
	struct memory_phase phases[PHASES_MOST];
	const size_t n = list_phases(b, phases);
	const struct sl_mapped *last = NULL; /* of those that tell of the tree */
	size_t at = 0;
	for (size_t i = 0; i < n && b->error == 0; i++) {
		for (; at < b->growth.mapped.n; at++) {
			const struct mapped_note *note = &b->growth.mapped.items[at];
			if (rel(b, note->event->event.time_ns) > phases[i].time_ns)
				break;
			memories_take(b, m, note);
			if (counter(note->event->tree_bytes) != UNKNOWN)
				last = note->event;
		}
		memories_look_ahead(b, m, at, (int)i + 1, phases[i].time_ns);
		vec_foreach(memory, &m->list)
			add_mapped(phases[i].ways, memory->last);
		if (last != NULL) {
			phases[i].rss_bytes = counter(last->tree_bytes);
			phase_kinds(&phases[i], last->tree_kinds);
		}
		if (phases[i].time_ns == INT64_MAX)
			phases[i].time_ns = b->run->wall_ns;
		refine(b, &phases[i]);
	}
	b->run->memory_phases = keep(b, arena_memdup(b->arena, phases, n * sizeof(*phases)));
	b->run->n_memory_phases = b->run->memory_phases != NULL ? n : 0;
}

/* ---- the course ---- */

static struct memory_point *point_at(struct memory_point *points, const struct sl_event *e,
				     const struct builder *b, int64_t whole_ns)
{
	const int64_t at = rel(b, e->time_ns);
	const double share = at <= 0 ? 0 : (double)at / (double)whole_ns;
	const size_t i = share >= 1 ? POINTS_MOST - 1 : (size_t)(share * POINTS_MOST);
	return &points[i];
}

/* What was not told of in between has not changed. */
static void fill_gaps(struct memory_point *points, const int64_t *last_rss, int64_t whole_ns)
{
	int64_t rss = UNKNOWN;
	for (size_t i = 0; i < POINTS_MOST; i++) {
		points[i].time_ns =
			(int64_t)((double)whole_ns * (double)(i + 1) / (double)POINTS_MOST);
		if (points[i].rss_bytes == UNKNOWN)
			points[i].rss_bytes = rss;
		else
			rss = last_rss[i];
		if (i > 0 && points[i].heap_bytes == UNKNOWN)
			points[i].heap_bytes = points[i - 1].heap_bytes;
	}
}

static void fill_course(struct builder *b)
{
	int64_t last_rss[POINTS_MOST];
	const int64_t whole_ns = b->run->wall_ns;
	if (whole_ns == UNKNOWN || whole_ns <= 0)
		return;
	struct memory_point *points =
		keep(b, arena_alloc_array(b->arena, POINTS_MOST, sizeof(*points)));
	for (size_t i = 0; points != NULL && i < POINTS_MOST; i++)
		points[i].rss_bytes = points[i].heap_bytes = UNKNOWN;
	if (points == NULL)
		return;
	vec_foreach(note, &b->growth.mapped) {
		struct memory_point *p = point_at(points, &note->event->event, b, whole_ns);
		const int64_t bytes = counter(note->event->tree_bytes);
		p->rss_bytes = bytes > p->rss_bytes ? bytes : p->rss_bytes;
		if (bytes != UNKNOWN)
			last_rss[p - points] = bytes;
	}
	for (size_t i = 0; i < b->growth.lives.n; i++)
		point_at(points, &b->growth.lives.items[i]->event, b, whole_ns)->heap_bytes =
			counter(b->growth.lives.items[i]->bytes);
	fill_gaps(points, last_rss, whole_ns);
	b->run->memory_points = points;
	b->run->n_memory_points = POINTS_MOST;
}

static void finish_processes(struct builder *b, const struct memories *m)
{
	vec_foreach(memory, &m->list) {
		struct growth *growth = &b->procs.items[memory->proc].out.growth;
		if (!growth->is_known)
			*growth = (struct growth){ .is_known = true };
		add_mapped(growth->ways, memory->last);
		growth->touched_bytes =
			sum_or_unknown(growth->touched_bytes, counter(memory->last->touched_bytes));
	}
	growth_finish_sites(b);
}

void growth_notes_done(struct growth_notes *n)
{
	vec_done(&n->sites);
	vec_done(&n->mapped);
	vec_done(&n->lives);
}

void growth_finish(struct builder *b)
{
	struct memories m = { 0 };
	if (b->growth.mapped.n == 0)
		return;
	qsort(b->growth.mapped.items, b->growth.mapped.n, sizeof(*b->growth.mapped.items), by_time);
	b->run->has_memory = true;
	fill_phases(b, &m);
	finish_processes(b, &m);
	fill_course(b);
	memories_done(&m);
}
