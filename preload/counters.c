/* SPDX-License-Identifier: MIT */
/* The rarer half of counting: handing out slots, and keeping the sums of live bytes over threads
 * and processes whose maximum is the peak. See counters.h for what is claimed.
 *
 * Peak. A thread publishes its live bytes when they moved by more than SL_LANE_FLUSH_BYTES since it
 * last did, so a sum over k threads is off by at most k times that. While one thread alone has
 * allocated, its own highest value, max(high, up), is the exact peak: `up` follows each new maximum
 * (counters_raise) until it reaches flush_up. */
#include "preload/counters.h"

union life_page life_page HIDDEN __attribute__((aligned(4096), section(".bss.wiped")));
__thread struct thread_state thread_state HIDDEN = { .generation = 1 };

static struct sl_tree no_tree __attribute__((section(".cold")));
struct sl_tree *tree HIDDEN = &no_tree;

/* Relaxed throughout: each word is a sum or a maximum of its own, nothing is read by way of it. */
static void raise_to(__s64 *peak, __s64 value)
{
	__s64 old = __atomic_load_n(peak, __ATOMIC_RELAXED);

	while (old < value && !__atomic_compare_exchange_n(peak, &old, value, true,
							   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* Lowers the floor to @now; returns by how much. */
static __s64 lower_floor(struct sl_lane *lane, __s64 now)
{
	__s64 old = slot_get(&lane->floor);

	while (now < old && !__atomic_compare_exchange_n(&lane->floor, &old, now, true,
							 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return now < old ? old - now : 0;
}

static void tree_add(__s64 change)
{
	const __s64 live = __atomic_add_fetch(&tree->live, change, __ATOMIC_RELAXED);

	raise_to(&tree->peak, live - slot_get(&tree->departed));
}

static void publish(struct sl_lane *lane, __s64 change)
{
	const __s64 now = __atomic_add_fetch(&lane->live, change, __ATOMIC_RELAXED);

	raise_to(&lane->peak, now);
	if ((lane->flags & SL_LANE_FORKED) != 0) {
		/* What it frees of its inheritance is not the parent's block. */
		change += lower_floor(lane, now);
		raise_to(&lane->own_peak, now - slot_get(&lane->floor));
	}
	(void)__atomic_add_fetch(&lane->tree_bytes, change, __ATOMIC_RELAXED);
	tree_add(change);
}

static void store(__s64 *word, __s64 value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

void counters_flush(struct sl_lane *lane, struct sl_lane_slot *s)
{
	const __s64 now = slot_get(&s->live);
	__s64 high = slot_get(&s->high);

	if (high < slot_get(&s->up))
		high = slot_get(&s->up);
	if (high < now)
		high = now;
	store(&s->high, high);
	/* An exchange, for a signal handler may flush in here: what it published is subtracted. */
	const __s64 before = __atomic_exchange_n(&s->flushed, now, __ATOMIC_RELAXED);
	store(&s->low, now - SL_LANE_FLUSH_BYTES);
	store(&s->flush_up, now + SL_LANE_FLUSH_BYTES);
	store(&s->up, high < now + SL_LANE_FLUSH_BYTES ? high : now + SL_LANE_FLUSH_BYTES);
	publish(lane, now - before);
}

void counters_raise(struct sl_lane *lane, struct sl_lane_slot *s)
{
	const __s64 now = slot_get(&s->live);

	if (now <= slot_get(&s->flush_up))
		store(&s->up, now);
	else
		counters_flush(lane, s);
}

void counters_shared_allocated(struct sl_lane *lane, size_t n, __s64 usable)
{
	struct sl_lane_slot *s = &lane->shared;

	(void)__atomic_fetch_add(&s->buckets[bucket_of(n) % SL_HEAP_BUCKETS], 1, __ATOMIC_RELAXED);
	(void)__atomic_fetch_add(&s->requested_bytes, n, __ATOMIC_RELAXED);
	(void)__atomic_fetch_add(&s->live, usable, __ATOMIC_RELAXED);
	publish(lane, usable);
}

void counters_shared_freed(struct sl_lane *lane, enum sl_heap_call call, __s64 usable)
{
	struct sl_lane_slot *s = &lane->shared;

	(void)__atomic_fetch_add(&s->calls[call], 1, __ATOMIC_RELAXED);
	(void)__atomic_fetch_sub(&s->live, usable, __ATOMIC_RELAXED);
	publish(lane, -usable);
}

void counters_in_ancestor(struct sl_lane *ancestor, enum sl_heap_call call, bool is_success,
			  size_t n)
{
	struct sl_lane_slot *s = &ancestor->children;
	const bool is_free = call == SL_HEAP_FREE || call == SL_HEAP_REALLOC_FREE;

	if (call != SL_HEAP_MALLOC)
		(void)__atomic_fetch_add(&s->calls[call], 1, __ATOMIC_RELAXED);
	if (!is_success)
		(void)__atomic_fetch_add(&s->calls[SL_HEAP_FAILED], 1, __ATOMIC_RELAXED);
	if (!is_success || is_free)
		return;
	(void)__atomic_fetch_add(&s->buckets[bucket_of(n) % SL_HEAP_BUCKETS], 1, __ATOMIC_RELAXED);
	(void)__atomic_fetch_add(&s->requested_bytes, n, __ATOMIC_RELAXED);
}

static struct sl_lane_slot *slots_of(const struct sl_lane *lane)
{
	return (struct sl_lane_slot *)((uintptr_t)lane + lane->slots_offset);
}

static __u64 slots_in_use(const struct sl_lane *lane)
{
	const __u64 used = __atomic_load_n(&lane->slots_used, __ATOMIC_RELAXED);

	return used < lane->n_slots ? used : lane->n_slots;
}

static void slot_begin(struct sl_lane_slot *s, uint64_t owner)
{
	store(&s->low, -SL_LANE_FLUSH_BYTES);
	store(&s->flush_up, SL_LANE_FLUSH_BYTES);
	__atomic_store_n(&s->owner, owner, __ATOMIC_RELAXED);
}

static __s64 first_peak(const struct sl_lane_slot *first)
{
	const __s64 up = slot_get(&first->up);
	const __s64 high = slot_get(&first->high);

	return up > high ? up : high;
}

/* The second thread ends the time in which the first one's own maximum was the process's peak. */
static void keep_first_peak(struct sl_lane *lane, const struct sl_lane_slot *first)
{
	raise_to(&lane->peak, first_peak(first));
}

/* One thread's own maximum is the process's. */
static __s64 peak_of(const struct sl_lane *lane)
{
	const __s64 peak = slot_get(&lane->peak);
	const __s64 first = first_peak(slots_of(lane));

	return slots_in_use(lane) <= 1 && first > peak ? first : peak;
}

__s64 counters_most(struct sl_lane *lane)
{
	return slot_get(&lane->inherited) + (__s64)slots_in_use(lane) * SL_LANE_FLUSH_BYTES +
	       peak_of(lane);
}

__s64 counters_peak(const struct sl_lane *lane)
{
	return (lane->flags & SL_LANE_FORKED) != 0 ? slot_get(&lane->own_peak) : peak_of(lane);
}

__s64 counters_live(const struct sl_lane *lane)
{
	const struct sl_lane_slot *slots = slots_of(lane);
	const __u64 n = slots_in_use(lane);
	__s64 live = slot_get(&lane->live) - slot_get(&lane->floor);

	/* What others share is published at once. */
	for (__u64 i = 0; i < n; i++)
		live += slot_get(&slots[i].live) - slot_get(&slots[i].flushed);
	return live;
}

struct sl_lane_slot *counters_claim(struct sl_lane *lane, uint64_t owner)
{
	struct sl_lane_slot *slots = slots_of(lane);
	const __u64 n = slots_in_use(lane);

	for (__u64 i = 0; i < n; i++) {
		if (__atomic_load_n(&slots[i].owner, __ATOMIC_RELAXED) == owner)
			return &slots[i];
	}
	/* Looked at first, so that the count stays near the truth however many threads come. */
	if (n < lane->n_slots) {
		const __u64 mine = __atomic_fetch_add(&lane->slots_used, 1, __ATOMIC_RELAXED);
		if (mine == 1)
			keep_first_peak(lane, &slots[0]);
		if (mine < lane->n_slots) {
			slot_begin(&slots[mine], owner);
			return &slots[mine];
		}
	}
	keep_first_peak(lane, &slots[0]);
	return &lane->shared;
}

void counters_leave(struct sl_lane *lane)
{
	const __s64 mine = __atomic_exchange_n(&lane->tree_bytes, 0, __ATOMIC_RELAXED);

	/* Most programs published nothing, and need not touch the page. */
	if (mine != 0)
		(void)__atomic_fetch_sub(&tree->live, mine, __ATOMIC_RELAXED);
}

void counters_join(struct sl_lane *lane)
{
	const __s64 mine = slot_get(&lane->live) - slot_get(&lane->floor);

	(void)__atomic_fetch_add(&lane->tree_bytes, mine, __ATOMIC_RELAXED);
	tree_add(mine);
}
