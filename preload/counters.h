/* SPDX-License-Identifier: MIT */
/* The hot path: what happens at every allocation and every free.
 *
 * Claim 1: a thread writes only its own slot, so plain adds lose nothing. A slot is handed out
 * to one thread pointer (counters_claim); two live threads never have the same one, so a slot found
 * under one's own thread pointer belongs to oneself or to a thread that has ended.
 *
 * Claim 2: a signal handler that allocates in the middle of a hook loses nothing either. Each
 * update is one instruction (slot_add), and a thread is only ever interrupted between
 * instructions. The reader in another process sees each word whole.
 *
 * Claim 3: a forked child never writes its parent's lane. `life` lies in a page the kernel clears in
 * the child (MADV_WIPEONFORK), so generation is 0 there, which equals no thread's; the compare that
 * also catches new threads sends it to the slow path. A vfork child shares the memory, its
 * allocations are its parent's: the parent's slot is the right place.
 *
 * Claim 4: all writes stay inside the lane. The slot comes from counters_claim; the only index is
 * the bucket, at most 63, and SL_LANE_PAD bytes follow the last slot.
 *
 * No lock, no system call, no allocation, no waiting anywhere in this file or counters.c. */
#ifndef PRELOAD_COUNTERS_H
#define PRELOAD_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/lane.h"
#include "preload/sys.h"

#define HIDDEN __attribute__((visibility("hidden")))

/* generation: a multiple of 4 while counting; 0: not begun, or wiped by fork. A thread whose own value
 * equals it counts on the fast path; one whose value is more by GENERATION_SLOW has a slot but takes the
 * slow path each time (the allocator is not glibc's, or not yet proven to be, or the slot is the
 * shared one); by GENERATION_SAMPLES, it samples too, on a fast path of its own (hooks_sampling.c), so
 * that counting alone costs no more for it; by GENERATION_EXACT, it records all (hooks_exact.c). Threads
 * start at 1, which is none of these. */
enum { GENERATION_SLOW = 1, GENERATION_SAMPLES = 2, GENERATION_EXACT = 3, GENERATION_STEP = 4 };

struct life {
	uint64_t generation;
	uint32_t is_starting;	       /* one thread is opening the lane */
	uint32_t is_extending;	       /* … or the one for notices */
	uint32_t has_asked_for_blocks; /* … or has made `blocks`, or could not */
	struct sl_lane *lane;
	struct sl_blocks
		*blocks; /* where sampled blocks are told of without kernel probes; NULL: not yet */
	struct sl_lane *notices; /* NULL until `lane` is full */
	/* Never written: its address says "count in the ancestor's lane", where a forked child may not
	 * open its own. */
	struct sl_lane_slot in_ancestor;
} __attribute__((aligned(4096)));

union life_page {
	struct life life;
	unsigned char bytes[4096];
};
extern union life_page life_page HIDDEN;
#define life (life_page.life)

/* A thread's, while the allocator works for it: what that asks of itself is not counted again. */
#define GENERATION_INSIDE UINT64_MAX

struct thread_state {
	struct sl_lane_slot *slot;
	uint64_t generation;
	__s64 until_sample; /* usable bytes; below 0: the block that was just allocated is sampled */
	uint64_t random;    /* see sample.h */
	struct exact_thread
		*recorder; /* see exact.c; of this image or its parent, NULL: not known */
};
extern __thread struct thread_state thread_state HIDDEN __attribute__((tls_model("initial-exec")));

static inline uint64_t generation_now(void)
{
	/* Relaxed: the fork that clears it, or the start that sets it, happens in this thread or
	 * before this thread began; for any other thread a late view only means the slow path. */
	return __atomic_load_n(&life.generation, __ATOMIC_RELAXED);
}

static inline bool is_counting(void)
{
	return likely(thread_state.generation == generation_now());
}

static inline bool is_sampling(void)
{
	return likely(thread_state.generation == generation_now() + GENERATION_SAMPLES);
}

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static inline void slot_add(__u64 *word, __u64 value)
{
	__asm__("addq %1, %0" : "+m"(*word) : "re"(value) : "cc");
}

static inline void slot_subtract(__u64 *word, __u64 value)
{
	__asm__("subq %1, %0" : "+m"(*word) : "re"(value) : "cc");
}

/* As &thread_state, but without keeping its address over the real call, which would cost a saved
 * register: loading it again is cheaper. */
static inline struct sl_lane_slot *current_slot(void)
{
	struct sl_lane_slot *slot;

	__asm__ volatile("movq thread_state@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0"
			 : "=r"(slot));
	return slot;
}

/* A block of @usable bytes was allocated. True: it is to be sampled. The subtraction is one instruction, like
 * the counters'. */
static inline bool sample_is_due(__s64 usable)
{
	uintptr_t at;
	bool is_due;

	__asm__ volatile("movq thread_state@gottpoff(%%rip), %1\n\tsubq %2, %%fs:%c3(%1)"
			 : "=@ccs"(is_due), "=&r"(at)
			 : "re"(usable), "i"(offsetof(struct thread_state, until_sample)));
	return is_due;
}
#else
static inline void slot_add(__u64 *word, __u64 value)
{
	(void)__atomic_fetch_add(word, value, __ATOMIC_RELAXED);
}

static inline void slot_subtract(__u64 *word, __u64 value)
{
	(void)__atomic_fetch_sub(word, value, __ATOMIC_RELAXED);
}

static inline struct sl_lane_slot *current_slot(void)
{
	return thread_state.slot;
}

static inline bool sample_is_due(__s64 usable)
{
	return (thread_state.until_sample -= usable) < 0;
}
#endif

static inline void slot_add_signed(__s64 *word, __s64 value)
{
	slot_add((__u64 *)word, (__u64)value);
}

static inline void slot_subtract_signed(__s64 *word, __s64 value)
{
	slot_subtract((__u64 *)word, (__u64)value);
}

static inline __s64 slot_get(const __s64 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* Size 0: 0; sizes 2^(b-1) to 2^b - 1: b. */
static inline unsigned int bucket_of(size_t n)
{
	return 63u - (unsigned int)__builtin_clzll(2 * (unsigned long long)n + 1);
}

/* Usable bytes of a glibc block, from the size word in front of it: flags in the low three bits;
 * bit 1 says it was mapped on its own and then lacks the next chunk's overlap (malloc.c,
 * "chunksize" and "memsize"). */
static inline __s64 chunk_bytes(const void *p)
{
	const size_t word = ((const size_t *)p)[-1];
	__s64 bytes = (__s64)((word & ~(size_t)7) - 8);

	if (unlikely((word & 2) != 0)) {
		bytes -= 8;
		/* A branch that is never taken is cheaper than a conditional move that always is. */
		__asm__("" : "+r"(bytes));
	}
	return bytes;
}

/* What to do when live passed `up`, or fell below `low`. */
void counters_raise(struct sl_lane *lane, struct sl_lane_slot *s) HIDDEN;
void counters_flush(struct sl_lane *lane, struct sl_lane_slot *s) HIDDEN;
/* Live bytes of the process, without what it has inherited. Exact but for what other threads are just doing. */
__s64 counters_live(const struct sl_lane *lane) HIDDEN;
/* The most of that so far; of several threads only known in steps of SL_LANE_FLUSH_BYTES. */
__s64 counters_peak(const struct sl_lane *lane) HIDDEN;

/* One successful allocation of @n requested and @usable bytes. True: call counters_raise(). */
static inline bool slot_allocated(struct sl_lane_slot *s, size_t n, __s64 usable)
{
	slot_add(&s->buckets[bucket_of(n)], 1);
	slot_add(&s->requested_bytes, n);
	slot_add_signed(&s->live, usable);
	return unlikely(slot_get(&s->live) > slot_get(&s->up));
}

/* One block of @usable bytes is about to be freed; @call is SL_HEAP_FREE or …REALLOC_FREE. True: call
 * counters_flush(). */
static inline bool slot_freed(struct sl_lane_slot *s, enum sl_heap_call call, __s64 usable)
{
	slot_add(&s->calls[call], 1);
	slot_subtract_signed(&s->live, usable);
	return unlikely(slot_get(&s->live) < slot_get(&s->low));
}

/* The same for the shared slot, with atomic adds. */
void counters_shared_allocated(struct sl_lane *lane, size_t n, __s64 usable) HIDDEN;
void counters_shared_freed(struct sl_lane *lane, enum sl_heap_call call, __s64 usable) HIDDEN;

/* The slot of the thread whose thread pointer is @owner: its own from before, a new one, or the
 * shared one when all are taken. Never NULL. */
struct sl_lane_slot *counters_claim(struct sl_lane *lane, uint64_t owner) HIDDEN;

/* A forked child without a lane: counts in @ancestor's `children`. */
void counters_in_ancestor(struct sl_lane *ancestor, enum sl_heap_call call, bool is_success,
			  size_t n) HIDDEN;

/* At most so many bytes have been live at once in the process of @lane, with what it inherited. */
__s64 counters_most(struct sl_lane *lane) HIDDEN;

/* This lane's bytes no longer count in the tree: its process ends or executes something else.
 * Idempotent; what is flushed later counts again. counters_join() undoes it. */
void counters_leave(struct sl_lane *lane) HIDDEN;
void counters_join(struct sl_lane *lane) HIDDEN;

/* The session's page; never NULL (a private one until the session's is mapped). */
extern struct sl_tree *tree HIDDEN;

#endif
