/* SPDX-License-Identifier: MIT */
/* What memory it took: heap counters per image summed per process, and the sums over the tree
 * that only the producers can know, because they are of one instant. */
#include "userspace/model/build/internal.h"

#define MAX_CHAIN 64 /* processes that had the same pid, see threads.c */

/* The process whose life covers the beginning of the image: a HEAP record may be written long
 * after its process ended and its pid was given away. */
static int heap_owner(struct builder *b, const struct sl_heap *e)
{
	struct sl_event at = e->event;
	if (e->since_ns != 0 && e->since_ns < at.time_ns)
		at.time_ns = e->since_ns;
	if (e->ns_pid != 0) {
		const int index = process_lookup_ns(b, e->ns_pid, at.time_ns);
		if (index >= 0)
			return index;
	}
	return process_of(b, &at);
}

void memory_heap(struct builder *b, const struct sl_heap *e)
{
	if (b->heap_tree == NULL || e->tree_peak_bytes >= b->heap_tree->tree_peak_bytes)
		b->heap_tree = e;
	const int proc = heap_owner(b, e);
	if (proc < 0)
		return;
	struct proc *p = &b->procs.items[proc];
	struct heap_note *note = NULL;
	/* Images follow each other, so it is one of the last. */
	for (size_t i = p->heaps.n; i > 0 && i + MAX_CHAIN > p->heaps.n && note == NULL; i--)
		if (p->heaps.items[i - 1].since_ns == e->since_ns)
			note = &p->heaps.items[i - 1];
	if (note == NULL) {
		push(b, &p->heaps, (struct heap_note){ .since_ns = e->since_ns });
		if (b->error < 0)
			return;
		note = vec_last(&p->heaps);
	}
	if (e->when == SL_WHEN_READY)
		note->ready = e;
	if (note->last == NULL || e->when != SL_WHEN_READY ||
	    note->last->event.time_ns <= e->event.time_ns)
		note->last = e;
}

static void add(int64_t *sum, uint64_t value)
{
	const int64_t n = counter(value);
	if (*sum == UNKNOWN || n == UNKNOWN || __builtin_add_overflow(*sum, n, sum))
		*sum = UNKNOWN;
}

static uint64_t allocs_of(const struct sl_heap *e)
{
	const uint64_t tries = e->calls[SL_HEAP_MALLOC] + e->calls[SL_HEAP_CALLOC] +
			       e->calls[SL_HEAP_REALLOC] + e->calls[SL_HEAP_MEMALIGN];
	return tries >= e->calls[SL_HEAP_FAILED] ? tries - e->calls[SL_HEAP_FAILED] : 0;
}

static void add_image(struct heap *heap, const struct sl_heap *e)
{
	add(&heap->allocs, allocs_of(e));
	add(&heap->frees, e->calls[SL_HEAP_FREE] + e->calls[SL_HEAP_REALLOC_FREE]);
	add(&heap->bytes, e->requested_bytes);
	for (int i = 0; i < HEAP_CALLS; i++)
		add(&heap->calls[i], e->calls[i]);
	for (int i = 0; i < HEAP_BUCKETS; i++)
		add(&heap->buckets[i], e->buckets[i]);
}

/* Images of a process do not live at the same time. A look at several threads may find more than
 * the peak that these tell later, which is known to a bound only. */
static void add_peak(struct heap *heap, const struct sl_heap *e)
{
	if (e == NULL || counter(e->peak_bytes) <= heap->peak_bytes)
		return;
	heap->peak_bytes = counter(e->peak_bytes);
	heap->peak_error_bytes = counter(e->peak_error_bytes);
}

static void finish_heap(struct proc *p)
{
	struct heap *heap = &p->out.heap;
	heap->ready_bytes = UNKNOWN;
	heap->exit_bytes = UNKNOWN;
	if (p->heaps.n == 0)
		return;
	heap->is_known = true;
	/* Lanes are folded in any order; what was last is what began last. */
	const struct heap_note *newest = NULL;
	uint64_t ready_since_ns = 0;
	vec_foreach(note, &p->heaps) {
		add_image(heap, note->last);
		add_peak(heap, note->last);
		add_peak(heap, note->ready);
		if (note->ready != NULL && note->since_ns >= ready_since_ns) {
			heap->ready_bytes = counter(note->ready->live_bytes);
			ready_since_ns = note->since_ns;
		}
		if (newest == NULL || note->since_ns >= newest->since_ns)
			newest = note;
	}
	if (newest == NULL)
		return;
	const struct sl_heap *last = newest->last;
	/* What was live when the process ended was never freed. A snapshot of a process that
	 * goes on says nothing about that. */
	if (last->when == SL_WHEN_EXIT || last->when == SL_WHEN_EXEC || p->end_ns != 0)
		heap->exit_bytes = counter(last->live_bytes);
}

static void tree_rss(struct builder *b)
{
	struct run *run = b->run;
	const struct sl_memory *m = b->memory_last;
	if (m != NULL) {
		/* A peak before R0 is that of the launcher, not of the run. */
		const bool is_ours = m->peak_ns == 0 || m->peak_ns >= b->zero_ns;
		run->peak_rss_bytes = is_ours ? counter(m->peak_bytes) : UNKNOWN;
		run->peak_rss_error_bytes = is_ours ? counter(m->error_bytes) : UNKNOWN;
		run->peak_cgroup_bytes = counter(m->cgroup_peak_bytes);
	}
	/* One process: the kernel's own high-water mark is exact. */
	if (b->procs.n == 1 && b->procs.items[0].out.peak_rss_bytes != UNKNOWN &&
	    (m == NULL || b->facts->bpf == NULL)) {
		run->peak_rss_bytes = b->procs.items[0].out.peak_rss_bytes;
		run->peak_rss_error_bytes = 0;
	}
	if (b->memory_ready != NULL) {
		run->ready_rss_bytes = counter(b->memory_ready->now_bytes);
		return;
	}
	vec_foreach(p, &b->procs) {
		if (p->out.ready_rss_bytes == UNKNOWN)
			continue;
		const int64_t sum = run->ready_rss_bytes == UNKNOWN ? 0 : run->ready_rss_bytes;
		run->ready_rss_bytes = sum + p->out.ready_rss_bytes;
	}
}

void memory_finish(struct builder *b)
{
	vec_foreach(p, &b->procs)
		finish_heap(p);
	tree_rss(b);
	if (b->heap_tree != NULL && b->heap_tree->tree_peak_bytes > 0) {
		b->run->heap_peak_bytes = counter(b->heap_tree->tree_peak_bytes);
		b->run->heap_peak_error_bytes = counter(b->heap_tree->tree_peak_error_bytes);
	} else if (b->procs.n == 1 && b->procs.items[0].out.heap.is_known) {
		b->run->heap_peak_bytes = b->procs.items[0].out.heap.peak_bytes;
		b->run->heap_peak_error_bytes = b->procs.items[0].out.heap.peak_error_bytes;
	}
}
