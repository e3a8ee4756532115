/* SPDX-License-Identifier: MIT */
/* What an allocator that was not counted says: at looks the sums of its threads' own counters, at exit also
 * what it knows as a whole. Counters are exact, but those of a thread go with it; the whole includes what
 * the allocator needs itself. */
#include "userspace/model/build/allocator.h"

static const char *const names[SL_ALLOCATOR_LIMIT] = {
	[SL_ALLOCATOR_JEMALLOC] = "jemalloc",
	[SL_ALLOCATOR_MIMALLOC] = "mimalloc",
	[SL_ALLOCATOR_TCMALLOC] = "tcmalloc",
};

static int look_of(uint32_t when)
{
	return when == SL_WHEN_READY  ? LOOK_READY
	       : when == SL_WHEN_PEAK ? LOOK_PEAK
	       : when == SL_WHEN_EXIT ? LOOK_END
				      : -1;
}

void allocator_told(struct builder *b, const struct sl_allocator *e)
{
	const int index = process_of(b, &e->event);
	if (index < 0 || e->allocator == 0 || e->allocator >= SL_ALLOCATOR_LIMIT)
		return;
	struct allocator_note *note = &b->procs.items[index].allocator;
	/* Another image. */
	if (e->when == SL_WHEN_START)
		*note = (struct allocator_note){ .start = e };
	else if (look_of(e->when) >= 0)
		note->looks[look_of(e->when)] = e;
}

/* How many threads each has had, and of these had ended by each look. */
static void count_threads(struct builder *b)
{
	vec_foreach(t, &b->threads) {
		struct allocator_note *note = &b->procs.items[t->proc].allocator;
		if (note->start == NULL)
			continue;
		note->n_threads++;
		for (int look = 0; look < LOOK_OF_ALL; look++)
			note->n_ended[look] += note->looks[look] != NULL && t->end_ns != 0 &&
					       t->end_ns <= note->looks[look]->event.time_ns;
	}
}

static int64_t known(uint64_t value)
{
	return value == SL_UNKNOWN ? UNKNOWN : counter(value);
}

/* Of the whole, as the allocator sums it up. */
static void take_whole(const struct proc *p, const struct sl_allocator *e,
		       struct allocator_look *ret)
{
	const int64_t threads = p->out.threads_peak > 0 ? p->out.threads_peak : 1;
	ret->live_bytes = known(e->live_bytes);
	ret->threads_ended = 0;
	if (ret->live_bytes == UNKNOWN ||
	    __builtin_mul_overflow(threads, counter(e->thread_error_bytes), &ret->error_bytes))
		ret->error_bytes = UNKNOWN;
}

static void finish_look(const struct builder *b, const struct proc *p, int look,
			struct allocator_look *ret)
{
	const struct sl_allocator *e = p->allocator.looks[look];
	const bool knows_threads = b->facts->bpf == NULL;
	if (e == NULL)
		return;
	*ret = (struct allocator_look){
		.is_known = true,
		.time_ns = rel(b, e->event.time_ns),
		.live_bytes = UNKNOWN,
		.error_bytes = UNKNOWN,
		.allocated_bytes = UNKNOWN,
		.held_bytes = known(e->held_bytes),
		.threads_ended = UNKNOWN,
	};
	/* Counters of the threads that lived, or, told by the program itself, of its first thread alone. */
	const bool is_all = e->when == SL_WHEN_EXIT && e->live_bytes != SL_UNKNOWN
				    ? knows_threads && p->allocator.n_threads == 1
				    : e->threads > 0;
	if (is_all && e->allocated_bytes >= e->freed_bytes) {
		ret->live_bytes = counter(e->allocated_bytes - e->freed_bytes);
		ret->allocated_bytes = counter(e->allocated_bytes);
		ret->threads_ended = knows_threads ? p->allocator.n_ended[look] : UNKNOWN;
		ret->error_bytes = ret->threads_ended == 0 ? 0 : UNKNOWN;
	} else {
		take_whole(p, e, ret);
	}
}

void allocators_finish(struct builder *b)
{
	count_threads(b);
	vec_foreach(p, &b->procs) {
		const struct sl_allocator *start = p->allocator.start;
		if (start == NULL)
			continue;
		p->out.allocator.is_known = true;
		p->out.allocator.name = names[start->allocator];
		p->out.allocator.version = text_of(b->arena, &start->event, start->text);
		for (int look = 0; look < LOOK_OF_ALL; look++)
			finish_look(b, p, look, &p->out.allocator.looks[look]);
	}
}
