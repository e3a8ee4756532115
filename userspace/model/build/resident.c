/* SPDX-License-Identifier: MIT */
/* What resident memory consisted of when somebody looked, and from that what the tree had when each page
 * is counted once. */
#include "userspace/model/build/internal.h"

#include <string.h>

/* A look tells some hundred; more are not from a collector. */
#define PARTS_MOST 512

_Static_assert((int)SL_PART_OWN - (int)SL_PART_HEAP == (int)PART_OWN, "the same order");

static enum resident_when look_of(uint32_t when)
{
	return when == SL_WHEN_READY	? LOOK_READY
	       : when == SL_WHEN_PEAK	? LOOK_PEAK
	       : when == SL_WHEN_EXIT	? LOOK_END
	       : when == SL_WHEN_LINKED ? LOOK_LINKED
	       : when == SL_WHEN_MAIN	? LOOK_MAIN
					: LOOK_COUNT;
}

void resident_told(struct builder *b, const struct sl_resident *e)
{
	const enum resident_when look = look_of(e->when);
	if (look == LOOK_COUNT || e->part == 0 || e->part >= SL_PART_LIMIT)
		return;
	if (e->event.pid == 0) {
		if (look == LOOK_PEAK && e->part == SL_PART_ALL)
			b->resident_peak = e;
		return;
	}
	const int index = process_of(b, &e->event);
	if (index < 0)
		return;
	struct look_note *note = &b->procs.items[index].looks[look];
	if (e->part == SL_PART_ALL) {
		note->all = e;
		note->tables = NULL;
		note->parts.n = 0;
	} else if (e->part == SL_PART_PAGE_TABLES) {
		note->tables = e;
	} else if (note->all != NULL && note->parts.n < PARTS_MOST) {
		push(b, &note->parts, e);
	}
}

static struct resident_part part_from(struct builder *b, const struct sl_resident *e)
{
	return (struct resident_part){
		.part = (enum memory_part)(e->part - SL_PART_HEAP),
		.name = text_path(b->arena, &e->event, e->text),
		.areas = (int64_t)e->areas,
		.rss_bytes = counter(e->rss_bytes),
		.pss_bytes = counter(e->pss_bytes),
		.private_bytes = counter(e->private_bytes),
		.dirty_bytes = counter(e->dirty_bytes),
		.swap_bytes = counter(e->swap_bytes),
	};
}

static void finish_look(struct builder *b, struct look_note *note, struct resident_look *ret)
{
	const struct sl_resident *all = note->all;
	if (all == NULL || all->result < 0)
		return;
	*ret = (struct resident_look){
		.is_known = true,
		.time_ns = rel(b, all->event.time_ns),
		.rss_bytes = counter(all->rss_bytes),
		.pss_bytes = counter(all->pss_bytes),
		.private_bytes = counter(all->private_bytes),
		.dirty_bytes = counter(all->dirty_bytes),
		.swap_bytes = counter(all->swap_bytes),
		.page_table_bytes =
			note->tables != NULL ? counter(note->tables->rss_bytes) : UNKNOWN,
	};
	if (note->parts.n == 0)
		return;
	ret->parts = keep(b, arena_alloc_array(b->arena, note->parts.n, sizeof(*ret->parts)));
	for (size_t i = 0; ret->parts != NULL && i < note->parts.n; i++)
		ret->parts[ret->n_parts++] = part_from(b, note->parts.items[i]);
}

/* ---- the tree ---- */

struct sums {
	int64_t rss, pss, private_bytes;
	size_t n;
	const struct proc *failed; /* one that could not be read; NULL */
};

static bool add_to(int64_t *sum, int64_t more)
{
	return more != UNKNOWN && !__builtin_add_overflow(*sum, more, sum);
}

/* False: of some process it is not known. */
static bool sum_up(const struct builder *b, enum resident_when look, struct sums *ret)
{
	*ret = (struct sums){ 0 };
	vec_foreach(p, &b->procs) {
		const struct sl_resident *all = p->looks[look].all;
		const struct resident_look *l = &p->out.looks[look];
		if (all != NULL && all->result < 0)
			ret->failed = p;
		if (!l->is_known)
			continue;
		ret->n++;
		int64_t own_private = 0;
		for (size_t i = 0; i < l->n_parts; i++)
			if (l->parts[i].part == PART_OWN)
				(void)add_to(&own_private, l->parts[i].private_bytes);
		if (!add_to(&ret->rss, l->rss_bytes) || !add_to(&ret->pss, l->pss_bytes) ||
		    !add_to(&ret->private_bytes, l->private_bytes) || own_private < 0)
			return false;
		ret->pss -= resident_own_pss(l);
		ret->private_bytes -= own_private;
	}
	return ret->n > 0 && ret->failed == NULL;
}

static int64_t distance(int64_t a, int64_t b)
{
	int64_t d = 0;
	return a == UNKNOWN || b == UNKNOWN || __builtin_sub_overflow(a, b, &d) || d == INT64_MIN
		       ? UNKNOWN
	       : d < 0 ? -d
		       : d;
}

/* Who is not root may not look at all. */
static void note_failed(struct builder *b, const struct proc *p, enum resident_when look)
{
	const struct sl_resident *all = p->looks[look].all;
	b->run->pss_missing =
		keep(b, arena_printf(b->arena, "process %d could not be looked at: %s", p->out.id,
				     text_errno(b->arena, -all->result)));
}

static void ready_sums(struct builder *b)
{
	struct run *run = b->run;
	struct sums sums;
	if (!sum_up(b, LOOK_READY, &sums)) {
		if (sums.failed != NULL)
			note_failed(b, sums.failed, LOOK_READY);
		return;
	}
	run->ready_pss_bytes = sums.pss;
	run->ready_shared_bytes = sums.pss > sums.private_bytes ? sums.pss - sums.private_bytes : 0;
	/* Both were read within a moment of each other: what changed in between. */
	run->ready_pss_error_bytes = distance(sums.rss, run->ready_rss_bytes);
}

/* The highest that any look found. */
static void peak_sums(struct builder *b)
{
	struct run *run = b->run;
	const struct sl_resident *e = b->resident_peak;
	int64_t pss = UNKNOWN, rss = UNKNOWN;
	if (e != NULL && e->result == 0) {
		pss = counter(e->pss_bytes);
		rss = counter(e->rss_bytes);
	}
	for (enum resident_when look = 0; look < LOOK_OF_ALL; look++) {
		struct sums sums;
		if (!sum_up(b, look, &sums))
			continue;
		pss = sums.pss > pss ? sums.pss : pss;
		rss = sums.rss > rss ? sums.rss : rss;
	}
	run->peak_pss_bytes = pss;
	if (pss == UNKNOWN || run->peak_rss_bytes == UNKNOWN)
		return;
	/* What the tree has grown by since may all be its own. */
	run->peak_pss_error_bytes = run->peak_rss_bytes > rss ? run->peak_rss_bytes - rss : 0;
}

/* What the last image was when it began, not one before it. */
static bool is_of_last_image(const struct proc *p, enum resident_when look)
{
	const struct sl_resident *all = p->looks[look].all;
	return look < LOOK_OF_ALL || all == NULL || p->images.n == 0 ||
	       all->event.time_ns >= vec_last(&p->images)->done_ns;
}

void resident_finish(struct builder *b)
{
	vec_foreach(p, &b->procs)
		for (enum resident_when look = 0; look < LOOK_COUNT; look++)
			if (is_of_last_image(p, look))
				finish_look(b, &p->looks[look], &p->out.looks[look]);
	ready_sums(b);
	peak_sums(b);
}
