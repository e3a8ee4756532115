/* SPDX-License-Identifier: MIT */
/* The path of threads that record everything: what hooks.c does, and a record of it (exact.h). All are
 * jumped to, so that whoever has called the hook has called them. */
#include "preload/hooks_exact.h"

#include "preload/exact.h"
#include "preload/hooks.h"
#include "preload/real.h"
#include "preload/shim.h"

#define HOT __attribute__((aligned(64), noinline))

static inline bool is_exact(void)
{
	return likely(thread_state.generation == generation_now() + GENERATION_EXACT);
}

static inline void *allocated(const struct unwind_start *start, struct sl_lane_slot *s, void *p,
			      size_t n)
{
	const __s64 usable = chunk_bytes(p);

	if (slot_allocated(s, n, usable))
		counters_raise(life.lane, s);
	exact_allocated(start, p, usable);
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
	exact_freed(p);
	if (slot_freed(s, SL_HEAP_FREE, chunk_bytes(p)))
		counters_flush(life.lane, s);
	real.free(p);
}

HOT void *calloc_exact(size_t n, size_t size, const void *caller)
{
	const struct unwind_start start = UNWIND_START();

	if (unlikely(!is_exact()))
		return calloc_slow(n, size, caller);
	/* Where this overflows the call fails. */
	size_t total = n * size;
	if (unlikely(size == THREAD_ENTRY))
		total -= added_by_us(n, caller);
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
	exact_freed(p);
	void *q = real.realloc(p, n);
	if (unlikely(q == NULL)) {
		exact_allocated(&start, p, old);
		return allocation_failed(SL_HEAP_REALLOC);
	}
	struct sl_lane_slot *s = current_slot();
	slot_add(&s->calls[SL_HEAP_REALLOC], 1);
	if (slot_freed(s, SL_HEAP_REALLOC_FREE, old))
		counters_flush(life.lane, s);
	return allocated(&start, s, q, n);
}
