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

static int by_beginning(const void *a, const void *b)
{
	const struct heap_note *x = a, *y = b;
	return (x->since_ns > y->since_ns) - (x->since_ns < y->since_ns);
}

static void finish_heap(struct proc *p)
{
	struct heap *heap = &p->out.heap;
	*heap = (struct heap){ .ready_bytes = UNKNOWN,
			       .exit_bytes = UNKNOWN,
			       .sites_cut = UNKNOWN };
	if (p->heaps.n == 0)
		return;
	heap->is_known = true;
	/* Lanes are folded in any order; what was last is what began last. */
	qsort(p->heaps.items, p->heaps.n, sizeof(p->heaps.items[0]), by_beginning);
	vec_foreach(note, &p->heaps) {
		add_image(heap, note->last);
		add_peak(heap, note->last);
		add_peak(heap, note->ready);
		if (note->ready != NULL)
			heap->ready_bytes = counter(note->ready->live_bytes);
	}
	const struct sl_heap *last = vec_last(&p->heaps)->last;
	/* What was live when the process ended was never freed. A snapshot of a process that
	 * goes on says nothing about that. */
	if (last->when == SL_WHEN_EXIT || last->when == SL_WHEN_EXEC || p->end_ns != 0)
		heap->exit_bytes = counter(last->live_bytes);
}

/* ---- the heap of the tree ---- */

/* An image begins or ends: what it had at most, as measured and as it may have been. */
struct turn {
	uint64_t at_ns;
	int64_t peak_bytes, most_bytes; /* negative at the end */
};

static int by_time(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return (x->most_bytes < 0) - (y->most_bytes < 0);
}

static struct turn turn_of(const struct heap_note *note)
{
	struct turn turn = { .at_ns = note->since_ns };
	const struct sl_heap *looks[] = { note->last, note->ready };
	for (size_t i = 0; i < 2; i++) {
		if (looks[i] == NULL)
			continue;
		const int64_t peak = counter(looks[i]->peak_bytes);
		int64_t most = 0;
		if (__builtin_add_overflow(peak, counter(looks[i]->peak_error_bytes), &most))
			most = peak;
		turn.peak_bytes = peak > turn.peak_bytes ? peak : turn.peak_bytes;
		turn.most_bytes = most > turn.most_bytes ? most : turn.most_bytes;
	}
	return turn;
}

/* Adds the images of @p at @to: two turns each. An image ends with the next one or the process. Without
 * kernel events an exec is only told of by the image that came of it. */
static size_t add_turns(const struct builder *b, const struct proc *p, struct turn *to)
{
	size_t n = 0, next_image = 0;
	vec_foreach(note, &p->heaps) {
		const struct turn begin = turn_of(note);
		uint64_t end_ns = p->end_ns != 0 ? p->end_ns : FOREVER;
		if (note != vec_last(&p->heaps) && note[1].since_ns < end_ns)
			end_ns = note[1].since_ns;
		while (b->facts->bpf == NULL && next_image < p->images.n) {
			const struct image_note *image = &p->images.items[next_image];
			if (image->is_ok && image->done_ns > note->since_ns) {
				end_ns = image->done_ns < end_ns ? image->done_ns : end_ns;
				break;
			}
			next_image++;
		}
		to[n++] = begin;
		to[n++] = (struct turn){ end_ns, -begin.peak_bytes, -begin.most_bytes };
	}
	return n;
}

/* The peaks of the images that were there together, at the worst moment: the tree's was no higher than
 * the sum of what they had at most. False: out of memory, or hostile numbers. */
static bool peaks_together(struct builder *b, struct turn *ret)
{
	size_t n = 0;
	vec_foreach(p, &b->procs)
		n += 2 * p->heaps.n;
	struct turn *turns = keep(b, arena_alloc_array(b->arena, n, sizeof(*turns)));
	if (turns == NULL)
		return false;
	n = 0;
	vec_foreach(p, &b->procs)
		n += add_turns(b, p, &turns[n]);
	qsort(turns, n, sizeof(*turns), by_time);
	struct turn now = { 0 };
	*ret = now;
	for (size_t i = 0; i < n; i++) {
		if (__builtin_add_overflow(now.peak_bytes, turns[i].peak_bytes, &now.peak_bytes) ||
		    __builtin_add_overflow(now.most_bytes, turns[i].most_bytes, &now.most_bytes))
			return false;
		ret->peak_bytes =
			now.peak_bytes > ret->peak_bytes ? now.peak_bytes : ret->peak_bytes;
		ret->most_bytes =
			now.most_bytes > ret->most_bytes ? now.most_bytes : ret->most_bytes;
	}
	return true;
}

static int64_t at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t at_least(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What was measured as the sum may be too high, because processes were killed, and too low, because
 * they say late what they allocate. Who was there together, and what single ones had, bounds it further.
 * What was never freed was live at once unless that is impossible. */
static void tree_heap(struct builder *b)
{
	struct run *run = b->run;
	int64_t least = UNKNOWN, left = 0;
	vec_foreach(p, &b->procs) {
		if (!p->out.heap.is_known)
			continue;
		least = at_least(least, p->out.heap.peak_bytes);
		if (__builtin_add_overflow(left, at_least(p->out.heap.exit_bytes, 0), &left))
			left = INT64_MAX;
	}
	struct turn together;
	if (least == UNKNOWN || !peaks_together(b, &together))
		return;
	int64_t most = together.most_bytes, peak = together.peak_bytes;
	const struct sl_heap *e = b->heap_tree;
	if (e != NULL) {
		const int64_t measured = at_least(counter(e->tree_peak_bytes), 0);
		const int64_t error = at_least(counter(e->tree_peak_error_bytes), 0);
		most = at_most(most, measured > INT64_MAX - error ? INT64_MAX : measured + error);
		least = at_least(least, measured - at_least(counter(e->tree_peak_excess_bytes), 0));
		peak = at_most(peak, measured);
	}
	most = at_least(most, least);
	peak = at_most(at_least(peak, left > most ? least : at_least(left, least)), most);
	run->heap_peak_bytes = peak;
	run->heap_peak_error_bytes = at_least(most - peak, peak - least);
}

/* Without kernel events samples may have missed short processes: no less than what the largest had, and
 * at most what all had together. */
static void bound_rss(struct builder *b)
{
	struct run *run = b->run;
	int64_t largest = 0, sum = 0;
	vec_foreach(p, &b->procs) {
		if (p->out.peak_rss_bytes == UNKNOWN ||
		    __builtin_add_overflow(sum, p->out.peak_rss_bytes, &sum))
			return;
		largest = at_least(largest, p->out.peak_rss_bytes);
	}
	if (largest <= 0 || b->facts->bpf == NULL || run->peak_rss_bytes >= largest)
		return;
	run->peak_rss_bytes = largest;
	run->peak_rss_error_bytes = sum - largest;
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
	bound_rss(b);
	/* … and what the tree had is its. */
	if (b->procs.n == 1 && b->facts->bpf != NULL)
		b->procs.items[0].out.peak_rss_bytes =
			at_least(b->procs.items[0].out.peak_rss_bytes, run->peak_rss_bytes);
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
	tree_heap(b);
}
