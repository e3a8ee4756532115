/* SPDX-License-Identifier: MIT */
/* The path of threads that record everything: what hooks.c does, and a record of it (exact.h). All are
 * jumped to, so that whoever has called the hook has called them. */
#include "preload/hooks_exact.h"

#include "preload/exact.h"
#include "preload/hooks.h"
#include "preload/real.h"
#include "preload/shim.h"

#define HOT	__attribute__((aligned(64), noinline))
#define UNUSUAL __attribute__((noinline, cold))

static inline bool is_exact(void)
{
	return likely(thread_state.generation == generation_now() + GENERATION_EXACT);
}

/* ---- when it is over ---- */

/* Its threads go on as those that sample, each when it comes by. */
static UNUSUAL void note_end(void)
{
	if (!exact_is_over())
		return;
	shim.is_exact = false;
	if (is_exact())
		thread_state.generation = generation_now() + GENERATION_SAMPLES;
}

/* Until it is over a sample would stand for others, which were recorded. */
static UNUSUAL void not_recorded(void *p, __s64 usable, bool is_sampled)
{
	note_end();
	if (is_sampled && !shim.is_exact)
		sample_tell(p, usable);
}

static UNUSUAL void free_not_recorded(void *p, bool was_sampled, unsigned int flags)
{
	if (was_sampled)
		sample_tell_freed(p, flags);
	note_end();
}

/* ---- what is recorded ---- */

static inline void record_allocated(const struct unwind_start *start, void *p, __s64 usable)
{
	const bool is_sampled = unlikely(sample_is_due(usable)) && sample_add(p);

	if (unlikely(!exact_allocated(start, p, usable, is_sampled)))
		not_recorded(p, usable, is_sampled);
}

static inline void record_freed(void *p)
{
	unsigned int flags = 0;
	const bool was_sampled = sample_may_have(p) && sample_remove(p, &flags);

	if (unlikely(!exact_freed(p)))
		free_not_recorded(p, was_sampled, flags);
}

/* Frames of the shim are innermost. */
UNUSUAL void exact_block_allocated(void *p, __s64 usable)
{
	const struct unwind_start start = UNWIND_START();

	record_allocated(&start, p, usable);
}

void exact_block_freed(void *p)
{
	record_freed(p);
}

/* Told again; as a sample it is lost. */
UNUSUAL void exact_block_kept(void *p, __s64 usable)
{
	const struct unwind_start start = UNWIND_START();

	if (!exact_allocated(&start, p, usable, false))
		sample_lost();
}

/* ---- the fast path ---- */

static inline void *allocated(const struct unwind_start *start, struct sl_lane_slot *s, void *p,
			      size_t n)
{
	const __s64 usable = chunk_bytes(p);

	if (slot_allocated(s, n, usable))
		counters_raise(life.lane, s);
	record_allocated(start, p, usable);
	return p;
}

HOT void *malloc_exact(size_t n)
{
	const struct unwind_start start = UNWIND_START();

	if (unlikely(!is_exact()))
		return malloc_slow(n);
	void *p = real.malloc(n);
	if (unlikely(p == NULL))
		return allocation_failed(SL_HEAP_MALLOC);
	return allocated(&start, current_slot(), p, n);
}

HOT void free_exact(void *p)
{
	if (unlikely(!is_exact() || p == NULL)) {
		free_slow(p);
		return;
	}
	struct sl_lane_slot *s = current_slot();
	record_freed(p);
	if (slot_freed(s, SL_HEAP_FREE, chunk_bytes(p)))
		counters_flush(life.lane, s);
	real.free(p);
}

HOT void *calloc_exact(size_t n, size_t size, const void *caller)
{
	const struct unwind_start start = UNWIND_START();

	if (unlikely(!is_exact()))
		return calloc_slow(n, size, caller);
	const size_t total = calloc_bytes(n, size, caller);
	void *p = real.calloc(n, size);
	if (unlikely(p == NULL))
		return allocation_failed(SL_HEAP_CALLOC);
	struct sl_lane_slot *s = current_slot();
	slot_add(&s->calls[SL_HEAP_CALLOC], 1);
	return allocated(&start, s, p, total);
}

/* It is told to be freed before it is resized: afterwards its old place may be another thread's. */
HOT void *realloc_exact(void *p, size_t n)
{
	const struct unwind_start start = UNWIND_START();

	if (unlikely(!is_exact() || n == 0 || p == NULL))
		return realloc_slow(p, n);
	const __s64 old = chunk_bytes(p);
	record_freed(p);
	void *q = real.realloc(p, n);
	if (unlikely(q == NULL)) {
		exact_block_kept(p, old);
		return allocation_failed(SL_HEAP_REALLOC);
	}
	struct sl_lane_slot *s = current_slot();
	slot_add(&s->calls[SL_HEAP_REALLOC], 1);
	if (slot_freed(s, SL_HEAP_REALLOC_FREE, old))
		counters_flush(life.lane, s);
	return allocated(&start, s, q, n);
}
