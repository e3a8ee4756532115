/* SPDX-License-Identifier: MIT */
/* See exact.h. */
#include "preload/exact.h"

#include <time.h>

#include "preload/exact_file.h"
#include "preload/lane.h"
#include "preload/shim.h"
#include "preload/sys.h"

#define UNUSUAL __attribute__((noinline, cold))

enum {
	RECORD_MAX = 4, /* words */
	TIMED_EACH = 64,
	TICKS_MOST =
		1
		<< 16, /* some 25 us: whoever took longer was interrupted, and stands for no others */
	NAP_NS = 100000,
	NAPS_MAX = 20000, /* some seconds: whoever reads is gone, or stands still */
};

static inline bool is_wanted(void)
{
	return __atomic_load_n(&tree->exact, __ATOMIC_RELAXED) != SL_EXACT_OFF;
}

/* ---- whose ring ---- */

static void add(__u64 *sum, uint64_t value)
{
	/* Relaxed: a sum of its own. */
	(void)__atomic_fetch_add(sum, value, __ATOMIC_RELAXED);
}

/* NULL: nothing is recorded. */
static inline struct exact *recording(void)
{
	struct exact *e = exact_memory;

	return e != NULL && e->file != NULL &&
			       !__atomic_load_n(&e->file->is_over, __ATOMIC_RELAXED) && is_wanted()
		       ? e
		       : NULL;
}

/* Threads that have no slot of their own have rings by thread pointer. NULL: no more are left. */
static UNUSUAL struct exact_thread *thread_without_slot(struct exact *e)
{
	const uint64_t self = thread_pointer();
	const size_t n = sizeof(e->owners) / sizeof(e->owners[0]);

	for (size_t i = 0, at = (self >> 12) % n; i < n; i++, at = (at + 1) % n) {
		uint64_t owner = 0;
		/* Relaxed: nobody else asks for this thread. */
		if (__atomic_load_n(&e->owners[at], __ATOMIC_RELAXED) == self ||
		    __atomic_compare_exchange_n(&e->owners[at], &owner, self, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return &e->threads[SL_LANE_SLOTS + at];
	}
	return NULL;
}

/* The thread's place in its lane is its ring. */
static UNUSUAL struct exact_thread *thread_of(struct exact *e)
{
	const uintptr_t at =
		(uintptr_t)thread_state.slot - (uintptr_t)life.lane - life.lane->slots_offset;
	const uintptr_t i = at / sizeof(struct sl_lane_slot);

	return likely(i < SL_LANE_SLOTS) ? &e->threads[i] : thread_without_slot(e);
}

/* Without this thread nothing would be exact any more. */
static UNUSUAL void give_up(struct exact *e)
{
	__atomic_store_n(&e->file->is_over, 1, __ATOMIC_RELAXED);
}

/* Whether the record that is being made was left by siglongjmp(), and not interrupted by who stands at @here.
 * Nobody comes back to the thread's own stack but by leaving what stood further in, or elsewhere. Handlers have
 * other stacks, too, anywhere: there no place tells. */
static UNUSUAL bool was_left(const struct exact_thread *t, uintptr_t here)
{
	return unwind_is_own(&t->unwind, here) &&
	       !(unwind_is_own(&t->unwind, t->busy) && here < t->busy);
}

/* A signal handler that allocates while its thread makes a record goes without one. */
static inline struct exact_thread *enter(struct exact *e)
{
	struct exact_thread *t = thread_state.recorder;
	const uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	if (unlikely(t == NULL || t->state != RING_THERE)) {
		t = thread_state.recorder = thread_of(e);
		if (t == NULL || t->state == RING_REFUSED || !exact_ring_begin(e, t)) {
			give_up(e);
			return NULL;
		}
	}
	if (unlikely(t->busy != 0 && !was_left(t, here))) {
		add(&e->file->n_unrecorded, 1);
		return NULL;
	}
	if (unlikely(t->busy != 0))
		exact_ring_mend(t);
	t->busy = here;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->timed_since = unlikely(++t->n_calls % TIMED_EACH == 0) ? __builtin_ia32_rdtsc() : 0;
	return t;
}

static UNUSUAL void note_time(uint64_t since)
{
	const uint64_t ticks = __builtin_ia32_rdtsc() - since;

	add(&life.lane->own_ticks, (ticks < TICKS_MOST ? ticks : TICKS_MOST) * TIMED_EACH);
}

static inline void leave(struct exact_thread *t)
{
	if (unlikely(t->timed_since != 0))
		note_time(t->timed_since);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->busy = 0;
}

bool exact_begin(void)
{
	return exact_file_begin();
}

void exact_thread_begin(void)
{
	struct exact *e = exact_memory;
	struct exact_thread *t = e != NULL && e->file != NULL ? thread_of(e) : NULL;

	thread_state.recorder = t;
	/* Another thread may have had the place before. */
	if (t != NULL) {
		exact_ring_mend(t);
		t->busy = 0;
		t->unwind.low = t->unwind.high = 0;
		t->unwind.n_last = 0;
	}
}

/* ---- room ---- */

static inline bool has_words(const struct exact_thread *t)
{
	return t->head + RECORD_MAX <= t->limit;
}

/* The reader's word is not believed beyond what was written. */
static bool look_at_tail(struct exact_thread *t)
{
	/* Acquire: what was read may be overwritten. */
	const uint64_t tail = __atomic_load_n(&t->ring->tail, __ATOMIC_ACQUIRE);

	/* What lies in the small part still takes no room of the large one. */
	if (tail <= t->head && tail + t->size > t->limit)
		t->limit = tail + t->size;
	return has_words(t);
}

static bool may_wait(void)
{
	return __atomic_load_n(&tree->exact, __ATOMIC_RELAXED) == SL_EXACT_SLOW && shim_may_call();
}

/* For the reader to make some. False: it does not. */
static bool wait_for_room(struct exact *e, struct exact_thread *t)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	const uint64_t begin_ns = clock_ns();
	bool has_room = false;

	for (int i = 0; i < NAPS_MAX && !has_room && may_wait(); i++) {
		(void)sys_call3(SYS_nanosleep, (long)&nap, 0, 0);
		has_room = look_at_tail(t);
	}
	t->timed_since = 0;
	add(&e->file->n_waits, 1);
	add(&e->file->waited_ns, clock_ns() - begin_ns);
	shim_spent(begin_ns);
	return has_room;
}

static UNUSUAL bool make_room(struct exact *e, struct exact_thread *t)
{
	if (look_at_tail(t) || exact_ring_grow(e, t) || (may_wait() && wait_for_room(e, t)))
		return true;
	give_up(e);
	return false;
}

static inline void put(const struct exact_thread *t, uint64_t n, uint64_t word)
{
	t->words[n & (t->size - 1)] = word;
}

/* The first word of a record, behind those that it needs before: *n words are written so far. */
static UNUSUAL uint64_t put_wide(struct exact_thread *t, enum sl_exact_kind kind, const void *p,
				 uint64_t ticks, uint64_t *n)
{
	uint64_t block = (uintptr_t)p >> SL_EXACT_BLOCK_SHIFT;

	if (ticks >> SL_EXACT_TICKS_BITS != 0) {
		put(t, (*n)++, (t->clock + ticks) << SL_EXACT_KIND_BITS | SL_EXACT_CLOCK);
		ticks = 0;
	}
	if (block >> SL_EXACT_BLOCK_BITS != 0 || block << SL_EXACT_BLOCK_SHIFT != (uintptr_t)p) {
		put(t, (*n)++, (uintptr_t)p << SL_EXACT_KIND_BITS | SL_EXACT_ADDRESS);
		block = 0;
	}
	return block << SL_EXACT_BLOCK_AT | ticks << SL_EXACT_KIND_BITS | kind;
}

/* Writes what tells of block @p, behind *n words; *ret_clock: when that was. */
static inline void put_block(struct exact_thread *t, enum sl_exact_kind kind, const void *p,
			     uint64_t *n, uint64_t *ret_clock)
{
	const uint64_t clock = __builtin_ia32_rdtsc(), ticks = clock - t->clock;
	/* What is too large, and what is no multiple, together. */
	const uint64_t block = (uintptr_t)p << (64 - SL_EXACT_BLOCK_SHIFT) |
			       (uintptr_t)p >> (SL_EXACT_BLOCK_BITS + SL_EXACT_BLOCK_SHIFT);

	if (unlikely((ticks >> SL_EXACT_TICKS_BITS | block) != 0))
		put(t, *n, put_wide(t, kind, p, ticks, n));
	else
		put(t, *n,
		    (uintptr_t)p << (SL_EXACT_BLOCK_AT - SL_EXACT_BLOCK_SHIFT) |
			    ticks << SL_EXACT_KIND_BITS | kind);
	++*n;
	*ret_clock = clock;
}

/* Words up to @n are written. */
static inline void publish(struct exact_thread *t, uint64_t n, uint64_t clock)
{
	t->head = n;
	t->clock = clock;
	/* Release: pairs with the collector's acquire; what is below was written. */
	__atomic_store_n(&t->ring->head, n, __ATOMIC_RELEASE);
}

/* ---- records ---- */

static inline bool has_room(struct exact *e, struct exact_thread *t)
{
	return likely(has_words(t)) || make_room(e, t);
}

bool exact_allocated(const struct unwind_start *start, const void *p, __s64 usable, bool is_sampled)
{
	struct exact *e = recording();
	struct exact_thread *t = e == NULL ? NULL : enter(e);

	if (unlikely(t == NULL))
		return false;
	const uint64_t stack =
		unwind_stack(&e->code, &e->nodes, &t->unwind, start, exact_may_call());
	const bool fits = has_room(e, t);
	if (likely(fits)) {
		const uint64_t bytes = (uint64_t)usable < SL_EXACT_USABLE_MAX ? (uint64_t)usable
									      : SL_EXACT_USABLE_MAX;
		uint64_t n = t->head, clock;
		put_block(t, is_sampled ? SL_EXACT_SAMPLED : SL_EXACT_ALLOCATED, p, &n, &clock);
		put(t, n++, stack << SL_EXACT_USABLE_BITS | bytes);
		publish(t, n, clock);
	}
	leave(t);
	return fits;
}

bool exact_freed(const void *p)
{
	struct exact *e = recording();
	struct exact_thread *t = e == NULL ? NULL : enter(e);

	if (unlikely(t == NULL))
		return false;
	const bool fits = has_room(e, t);
	if (likely(fits)) {
		uint64_t n = t->head, clock;
		put_block(t, SL_EXACT_FREED, p, &n, &clock);
		publish(t, n, clock);
	}
	leave(t);
	return fits;
}

bool exact_is_over(void)
{
	return recording() == NULL;
}

void exact_stop(void)
{
	if (exact_memory != NULL && exact_memory->file != NULL)
		give_up(exact_memory);
}

void exact_code_changed(void)
{
	if (exact_memory != NULL && exact_memory->file != NULL)
		code_changed(&exact_memory->code);
}
