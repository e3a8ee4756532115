/* SPDX-License-Identifier: MIT */
/* The interposed allocation functions. Each calls the real one exactly as it was called and counts
 * what happened; arguments, results, addresses, sizes and errno stay the real function's.
 *
 * The fast path is: one compare (is_counting), the real call, then three or two adds into the
 * thread's own slot. Whatever is unusual (first call, new thread, forked child, an allocator that is
 * not glibc's, failure) fails the compare or takes a branch into a function that is kept out of
 * line. */
#include "preload/hooks.h"

#include <errno.h>

#include "preload/hooks_exact.h"
#include "preload/hooks_sampling.h"
#include "preload/real.h"
#include "preload/shim.h"

#define EXPORT	__attribute__((visibility("default")))
#define HOT	EXPORT __attribute__((hot, aligned(64)))
#define UNUSUAL __attribute__((noinline, cold))

void *malloc(size_t n);
void free(void *p);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);
int posix_memalign(void **ret, size_t alignment, size_t n);
void *aligned_alloc(size_t alignment, size_t n);
void *memalign(size_t alignment, size_t n);
void *valloc(size_t n);
void *pvalloc(size_t n);
void cfree(void *p);
void free_sized(void *p, size_t n);
void free_aligned_sized(void *p, size_t alignment, size_t n);

/* ---- the slow side ---- */

enum { PROOFS_WANTED = 8 };

/* Compares the size word with what the allocator says, on blocks the program asked for itself, until
 * it was right often enough. No allocation of our own: addresses stay as they were. */
static __s64 usable_of(void *p)
{
	/* An allocator may have to allocate before it can answer, the first time (tcmalloc): that must not
	 * ask again. Another thread that comes meanwhile goes without. */
	enum { NEVER, NOW, BEFORE };
	static uint32_t was_asked;
	uint32_t when = __atomic_load_n(&was_asked, __ATOMIC_RELAXED);

	if (real.malloc_usable_size == NULL || when == NOW ||
	    (when == NEVER && !__atomic_compare_exchange_n(&was_asked, &when, NOW, false,
							   __ATOMIC_RELAXED, __ATOMIC_RELAXED)))
		return 0;
	const __s64 usable = (__s64)real.malloc_usable_size(p);
	if (when != BEFORE)
		__atomic_store_n(&was_asked, BEFORE, __ATOMIC_RELAXED);
	return usable;
}

__s64 usable_proven(void *p)
{
	const __s64 usable = usable_of(p);

	if (!real.is_glibc || shim.is_trusted || shim.is_distrusted)
		return usable;
	if (chunk_bytes(p) != usable)
		shim.is_distrusted = true;
	else if (++shim.n_proofs >= PROOFS_WANTED)
		shim.is_trusted = true;
	return usable;
}

/* An allocator that is not ready yet may not know (tcmalloc, before its constructor): then what was
 * asked for stands for it. */
static __s64 usable_or_asked(void *p, size_t n)
{
	const __s64 usable = usable_proven(p);

	return usable != 0 || real.malloc_usable_size == NULL ? usable : (__s64)n;
}

/* Of a block that is about to be freed. It may be none: glibc then says so and aborts, where asking it
 * for the size could crash; the size word it reads itself. */
static __s64 usable_freed(void *p)
{
	return real.is_glibc && !shim.is_distrusted ? chunk_bytes(p) : usable_proven(p);
}

static void count_allocated(struct sl_lane_slot *s, size_t n, __s64 usable)
{
	if (slot_allocated(s, n, usable))
		counters_raise(life.lane, s);
}

/* Everything but the fast path comes here after the real call: @p is its result. */
void allocated_slow(struct sl_lane_slot *s, enum sl_heap_call call, void *p, size_t n)
{
	if (s == &life.in_ancestor) {
		counters_in_ancestor(shim.lane, call, p != NULL, n);
		return;
	}
	const bool is_shared = s == &life.lane->shared;
	/* Asked once: it is a call of an allocator that is not glibc's. */
	const __s64 usable = p != NULL ? usable_or_asked(p, n) : 0;
	/* malloc's attempts follow from the others (bpf/lane.h). */
	__u64 *attempts = call == SL_HEAP_MALLOC ? NULL : &s->calls[call];
	__u64 *failures = p == NULL ? &s->calls[SL_HEAP_FAILED] : NULL;

	if (is_shared && attempts != NULL)
		(void)__atomic_fetch_add(attempts, 1, __ATOMIC_RELAXED);
	else if (attempts != NULL)
		slot_add(attempts, 1);
	if (is_shared && failures != NULL)
		(void)__atomic_fetch_add(failures, 1, __ATOMIC_RELAXED);
	else if (failures != NULL)
		slot_add(failures, 1);
	else if (is_shared)
		counters_shared_allocated(life.lane, n, usable);
	else
		count_allocated(s, n, usable);
	if (p != NULL)
		block_allocated(p, usable);
}

void freed_slow(struct sl_lane_slot *s, enum sl_heap_call call, __s64 usable)
{
	if (s == &life.in_ancestor)
		counters_in_ancestor(shim.lane, call, true, 0);
	else if (s == &life.lane->shared)
		counters_shared_freed(life.lane, call, usable);
	else if (slot_freed(s, call, usable))
		counters_flush(life.lane, s);
}

static void count_free(void *p)
{
	struct sl_lane_slot *s = p == NULL ? NULL : shim_slot();

	if (s == NULL)
		return;
	(void)block_freed(p);
	freed_slow(s, SL_HEAP_FREE, usable_freed(p));
}

/* Makes sure there is something to forward to. */
static bool is_resolved(void)
{
	if (unlikely(!shim.is_prepared))
		shim_prepare();
	return likely(real.malloc != NULL);
}

/* An allocator may do its work by functions that are hooked: musl's calloc calls malloc, its
 * posix_memalign aligned_alloc. Between these two only the call of the program is counted. None of them is
 * left but by return. */
static uint64_t begin_inside(const struct sl_lane_slot *s)
{
	const uint64_t before = thread_state.generation;

	if (s != NULL)
		thread_state.generation = GENERATION_INSIDE;
	return before;
}

static void end_inside(uint64_t before)
{
	thread_state.generation = before;
}

UNUSUAL void *malloc_slow(size_t n)
{
	if (!is_resolved())
		return emergency_alloc(n, 16);
	struct sl_lane_slot *s = shim_slot();
	const uint64_t before = begin_inside(s);
	void *p = real.malloc(n);
	end_inside(before);
	if (s != NULL)
		allocated_slow(s, SL_HEAP_MALLOC, p, n);
	return p;
}

UNUSUAL void free_slow(void *p)
{
	if (!is_resolved())
		return;
	count_free(p);
	real.free(p);
}

UNUSUAL size_t added_by_us(size_t n, const void *caller)
{
	const bool is_loader = (uintptr_t)caller - real.loader_start < real.loader_bytes;

	return is_loader && n != 0 ? THREAD_ENTRY : 0;
}

UNUSUAL void *calloc_slow(size_t n, size_t size, const void *caller)
{
	size_t total = 0;
	const bool overflows = __builtin_mul_overflow(n, size, &total);

	if (!is_resolved())
		return overflows ? NULL : emergency_alloc(total, 16);
	struct sl_lane_slot *s = shim_slot();
	const uint64_t before = begin_inside(s);
	void *p = real.calloc(n, size);
	end_inside(before);
	if (s != NULL)
		allocated_slow(s, SL_HEAP_CALLOC, p, calloc_bytes(n, size, caller));
	return p;
}

/* The fast paths' exceptions. They return what the hook is to return, so that the hooks end in a
 * jump and need no stack frame for them. */
UNUSUAL void *allocation_failed(enum sl_heap_call call)
{
	allocated_slow(thread_state.slot, call, NULL, 0);
	return NULL;
}

static UNUSUAL void *raised(void *p)
{
	counters_raise(life.lane, thread_state.slot);
	return p;
}

static UNUSUAL void flush_and_free(void *p)
{
	counters_flush(life.lane, thread_state.slot);
	real.free(p);
}

/* A block that is resized counts as a free and an allocation. The size is read before the call, since
 * afterwards the block may be another thread's; a failed call leaves the old block alone. */
UNUSUAL void *realloc_slow(void *p, size_t n)
{
	if (!is_resolved()) {
		void *fresh = emergency_alloc(n, 16);
		const size_t old = p == NULL ? 0 : emergency_size(p);
		if (fresh != NULL && p != NULL)
			copy_bytes(fresh, p, old < n ? old : n);
		return fresh;
	}
	struct sl_lane_slot *s = shim_slot();
	const __s64 old = s == NULL || p == NULL ? 0 : usable_freed(p);
	const bool was_sampled = s != NULL && p != NULL && block_freed(p);
	const uint64_t before = begin_inside(s);
	void *q = real.realloc(p, n);
	end_inside(before);
	if (s == NULL)
		return q;
	if (was_sampled && q == NULL && n != 0)
		block_kept(p, old);
	if (p != NULL && (q != NULL || n == 0))
		freed_slow(s, SL_HEAP_REALLOC_FREE, old);
	if (q != NULL || p == NULL || n != 0)
		allocated_slow(s, SL_HEAP_REALLOC, q, n);
	return q;
}

/* Aligned requests are rare enough to have no fast path of their own. */
static void aligned_done(struct sl_lane_slot *s, uint64_t before, void *p, size_t n)
{
	end_inside(before);
	if (s != NULL)
		allocated_slow(s, SL_HEAP_MEMALIGN, p, n);
}

/* ---- the interposed functions ---- */

HOT void *malloc(size_t n)
{
	if (unlikely(!is_counting()))
		return malloc_sampling(n);
	void *p = real.malloc(n);
	if (unlikely(p == NULL))
		return allocation_failed(SL_HEAP_MALLOC);
	if (slot_allocated(current_slot(), n, chunk_bytes(p)))
		return raised(p);
	return p;
}

HOT void free(void *p)
{
	if (unlikely(!is_counting() || p == NULL)) {
		free_sampling(p);
		return;
	}
	if (slot_freed(current_slot(), SL_HEAP_FREE, chunk_bytes(p))) {
		flush_and_free(p);
		return;
	}
	real.free(p);
}

HOT void *calloc(size_t n, size_t size)
{
	if (unlikely(!is_counting()))
		return calloc_sampling(n, size, __builtin_return_address(0));
	const size_t total = calloc_bytes(n, size, __builtin_return_address(0));
	void *p = real.calloc(n, size);
	if (unlikely(p == NULL))
		return allocation_failed(SL_HEAP_CALLOC);
	struct sl_lane_slot *s = current_slot();
	slot_add(&s->calls[SL_HEAP_CALLOC], 1);
	if (slot_allocated(s, total, chunk_bytes(p)))
		return raised(p);
	return p;
}

HOT void *realloc(void *p, size_t n)
{
	if (unlikely(!is_counting() || n == 0 || p == NULL))
		return realloc_sampling(p, n);
	const __s64 old = chunk_bytes(p);
	void *q = real.realloc(p, n);
	if (unlikely(q == NULL))
		return allocation_failed(SL_HEAP_REALLOC);
	struct sl_lane_slot *s = current_slot();
	slot_add(&s->calls[SL_HEAP_REALLOC], 1);
	if (slot_freed(s, SL_HEAP_REALLOC_FREE, old))
		counters_flush(life.lane, s);
	if (slot_allocated(s, n, chunk_bytes(q)))
		return raised(q);
	return q;
}

/* A libc need not have all of these (musl has no pvalloc), but exporting them makes it look so. */
static void *aligned_any(size_t alignment, size_t n)
{
	void *p = NULL;

	if (!is_resolved())
		return emergency_alloc(n, alignment);
	struct sl_lane_slot *s = shim_slot();
	const uint64_t before = begin_inside(s);
	if (real.memalign != NULL)
		p = real.memalign(alignment, n);
	else if (real.aligned_alloc != NULL)
		p = real.aligned_alloc(alignment, n);
	aligned_done(s, before, p, n);
	return p;
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t n)
{
	if (!is_resolved() || real.posix_memalign == NULL) {
		void *p = aligned_any(alignment, n);
		if (p != NULL)
			*ret = p;
		return p == NULL ? ENOMEM : 0;
	}
	struct sl_lane_slot *s = shim_slot();
	const uint64_t before = begin_inside(s);
	const int rc = real.posix_memalign(ret, alignment, n);
	aligned_done(s, before, rc == 0 ? *ret : NULL, n);
	return rc;
}

EXPORT void *aligned_alloc(size_t alignment, size_t n)
{
	if (!is_resolved() || real.aligned_alloc == NULL)
		return aligned_any(alignment, n);
	struct sl_lane_slot *s = shim_slot();
	const uint64_t before = begin_inside(s);
	void *p = real.aligned_alloc(alignment, n);
	aligned_done(s, before, p, n);
	return p;
}

EXPORT void *memalign(size_t alignment, size_t n)
{
	return aligned_any(alignment, n);
}

enum { PAGE = 4096 };

EXPORT void *valloc(size_t n)
{
	if (!is_resolved() || real.valloc == NULL)
		return aligned_any(PAGE, n);
	struct sl_lane_slot *s = shim_slot();
	const uint64_t before = begin_inside(s);
	void *p = real.valloc(n);
	aligned_done(s, before, p, n);
	return p;
}

EXPORT void *pvalloc(size_t n)
{
	if (!is_resolved() || real.pvalloc == NULL)
		return aligned_any(PAGE, (n + PAGE - 1) & ~(size_t)(PAGE - 1));
	struct sl_lane_slot *s = shim_slot();
	const uint64_t before = begin_inside(s);
	void *p = real.pvalloc(n);
	aligned_done(s, before, p, n);
	return p;
}

EXPORT void cfree(void *p)
{
	free(p);
}

EXPORT void free_sized(void *p, size_t n)
{
	if (!is_resolved() || real.free_sized == NULL) {
		free(p);
		return;
	}
	count_free(p);
	real.free_sized(p, n);
}

EXPORT void free_aligned_sized(void *p, size_t alignment, size_t n)
{
	if (!is_resolved() || real.free_aligned_sized == NULL) {
		free(p);
		return;
	}
	count_free(p);
	real.free_aligned_sized(p, alignment, n);
}
