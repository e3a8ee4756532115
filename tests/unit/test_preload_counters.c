/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "preload/counters.h"
#include "preload/lane.h"
#include "tests/unit/cmocka.h"

enum { THREADS = 8, ROUNDS = 10007, BLOCK = 4096 };

static struct sl_lane *lane_new(void)
{
	const struct lane_spec spec = { .records_end = SL_LANE_RECORDS, .ns_pid = 7 };
	const uint32_t n = SL_LANE_BYTES(spec.records_end);
	void *memory = NULL;

	assert_int_equal(posix_memalign(&memory, 4096, n), 0);
	memset(memory, 0, n);
	lane_init(memory, &spec, n);
	return memory;
}

static void allocate(struct sl_lane *lane, struct sl_lane_slot *s, size_t n)
{
	if (slot_allocated(s, n, (__s64)n))
		counters_raise(lane, s);
}

static void release(struct sl_lane *lane, struct sl_lane_slot *s, size_t n)
{
	if (slot_freed(s, SL_HEAP_FREE, (__s64)n))
		counters_flush(lane, s);
}

static __s64 peak_of(const struct sl_lane_slot *s)
{
	return s->up > s->high ? s->up : s->high;
}

static void buckets_are_powers_of_two(void **state)
{
	(void)state;
	assert_int_equal(bucket_of(0), 0);
	assert_int_equal(bucket_of(1), 1);
	assert_int_equal(bucket_of(2), 2);
	assert_int_equal(bucket_of(3), 2);
	assert_int_equal(bucket_of(4), 3);
	assert_int_equal(bucket_of(4095), 12);
	assert_int_equal(bucket_of(4096), 13);
	assert_true(bucket_of(SIZE_MAX) <= 63);
}

static void a_thread_finds_its_slot_again(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new();
	struct sl_lane_slot *first = counters_claim(lane, 0x1000);
	struct sl_lane_slot *second = counters_claim(lane, 0x2000);

	assert_ptr_not_equal(first, second);
	assert_ptr_equal(counters_claim(lane, 0x1000), first);
	assert_ptr_equal(counters_claim(lane, 0x2000), second);
	assert_int_equal(lane->slots_used, 2);
	free(lane);
}

static void one_thread_too_many_shares(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new();

	for (uint64_t i = 0; i < SL_LANE_SLOTS; i++)
		assert_ptr_not_equal(counters_claim(lane, 0x1000 + i), &lane->shared);
	for (uint64_t i = 0; i < 3; i++)
		assert_ptr_equal(counters_claim(lane, 0x9000 + i), &lane->shared);
	free(lane);
}

static void the_largest_bucket_stays_inside_the_lane(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new();
	struct sl_lane_slot *last = NULL;

	for (uint64_t i = 0; i < SL_LANE_SLOTS; i++)
		last = counters_claim(lane, 0x1000 + i);
	const unsigned char *end = (const unsigned char *)lane + lane->bytes;
	const size_t reach = offsetof(struct sl_lane_slot, buckets) + 64 * sizeof(last->buckets[0]);
	assert_true((const unsigned char *)last + reach <= end);
	free(lane);
}

static void the_peak_of_one_thread_is_exact(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new();
	struct sl_lane_slot *s = counters_claim(lane, 0x1000);
	__s64 live = 0, peak = 0;
	unsigned int seed = 23;

	/* A walk across many flushes, in steps both smaller and larger than one. */
	for (int i = 0; i < ROUNDS; i++) {
		seed = seed * 1664525u + 1013904223u;
		const size_t n = 1 + seed % (seed % 7 == 0 ? 200000 : 900);
		if (live < (__s64)n || seed >> 31 != 0) {
			allocate(lane, s, n);
			live += (__s64)n;
		} else {
			release(lane, s, n);
			live -= (__s64)n;
		}
		peak = live > peak ? live : peak;
		assert_int_equal(s->live, live);
		assert_int_equal(peak_of(s), peak);
	}
	assert_true(lane->peak <= peak);
	assert_true(lane->peak + SL_LANE_FLUSH_BYTES >= peak);
	free(lane);
}

struct worker {
	struct sl_lane *lane;
	pthread_barrier_t *barrier;
	uint64_t owner;
};

static void *work(void *data)
{
	struct worker *w = data;
	struct sl_lane_slot *s = counters_claim(w->lane, w->owner);

	for (int i = 0; i < ROUNDS; i++)
		allocate(w->lane, s, BLOCK);
	(void)pthread_barrier_wait(w->barrier); /* all is live now: the peak */
	for (int i = 0; i < ROUNDS; i++)
		release(w->lane, s, BLOCK);
	return NULL;
}

static void threads_lose_nothing_and_the_peak_is_within_its_bound(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new();
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	pthread_barrier_t barrier;
	uint64_t n_allocated = 0, n_freed = 0;
	__s64 live = 0;

	assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	for (uint64_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ lane, &barrier, 0x1000 * (i + 1) };
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	const struct sl_lane_slot *slots =
		(const struct sl_lane_slot *)(const void *)((unsigned char *)lane +
							    lane->slots_offset);
	for (int i = 0; i < THREADS; i++) {
		n_allocated += slots[i].buckets[bucket_of(BLOCK)];
		n_freed += slots[i].calls[SL_HEAP_FREE];
		live += slots[i].live;
	}
	assert_int_equal(n_allocated, THREADS * ROUNDS);
	assert_int_equal(n_freed, THREADS * ROUNDS);
	assert_int_equal(live, 0);
	const __s64 truth = (__s64)THREADS * ROUNDS * BLOCK;
	assert_true(lane->peak <= truth);
	assert_true(lane->peak >= truth - (__s64)THREADS * SL_LANE_FLUSH_BYTES);
	(void)pthread_barrier_destroy(&barrier);
	free(lane);
}

static void *work_shared(void *data)
{
	struct sl_lane *lane = data;

	for (int i = 0; i < ROUNDS; i++) {
		counters_shared_allocated(lane, 23, 24);
		counters_shared_freed(lane, SL_HEAP_FREE, 24);
	}
	return NULL;
}

static void the_shared_slot_loses_nothing(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new();
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work_shared, lane), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(lane->shared.calls[SL_HEAP_FREE], THREADS * ROUNDS);
	assert_int_equal(lane->shared.requested_bytes, THREADS * ROUNDS * 23);
	assert_int_equal(lane->shared.live, 0);
	assert_int_equal(lane->live, 0);
	free(lane);
}

static void leaving_takes_the_heap_out_of_the_tree_once(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new();
	struct sl_lane_slot *s = counters_claim(lane, 0x1000);
	const __s64 before = tree->live;

	allocate(lane, s, 1000003);
	assert_int_equal(tree->live, before + 1000003);
	counters_leave(lane);
	counters_leave(lane);
	assert_int_equal(tree->live, before);
	counters_join(lane); /* the exec failed */
	assert_int_equal(tree->live, before + 1000003);
	counters_leave(lane);
	free(lane);
}

static void a_forked_child_frees_its_own_copies(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new();
	lane->flags |= SL_LANE_FORKED;
	struct sl_lane_slot *s = counters_claim(lane, 0x1000);
	const __s64 before = tree->live;

	release(lane, s, 1000003);
	assert_int_equal(tree->live, before);
	allocate(lane, s, 500009);
	assert_int_equal(tree->live, before + 500009);
	assert_int_equal(lane->own_peak, 500009);
	counters_leave(lane);
	assert_int_equal(tree->live, before);
	counters_join(lane);
	assert_int_equal(tree->live, before + 500009);
	release(lane, s, 500009);
	assert_int_equal(tree->live, before);
	free(lane);
}

static void a_child_inherits_no_more_than_there_was(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new();
	struct sl_lane_slot *s = counters_claim(lane, 0x1000);

	allocate(lane, s, 1000003);
	release(lane, s, 1000003);
	lane->inherited = 23;
	assert_int_equal(counters_most(lane), 1000003 + 23 + SL_LANE_FLUSH_BYTES);
	(void)counters_claim(lane, 0x2000);
	assert_int_equal(counters_most(lane), 1000003 + 23 + 2 * SL_LANE_FLUSH_BYTES);
	free(lane);
}

/* Down to blocks that no thread has published yet. */
static void what_is_live_is_known_between_flushes(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new(), *forked = lane_new();
	struct sl_lane_slot *first = counters_claim(lane, 0x1000);

	allocate(lane, first, 41);
	allocate(lane, first, 23);
	release(lane, first, 41);
	assert_int_equal(counters_live(lane), 23);
	assert_int_equal(counters_peak(lane), 64);
	struct sl_lane_slot *second = counters_claim(lane, 0x2000);
	allocate(lane, second, 1000003);
	allocate(lane, second, 11);
	assert_int_equal(counters_live(lane), 23 + 1000003 + 11);
	assert_true(counters_peak(lane) >= 1000003);
	/* A child's are its own. */
	forked->flags |= SL_LANE_FORKED;
	struct sl_lane_slot *s = counters_claim(forked, 0x1000);
	release(forked, s, 1000003);
	allocate(forked, s, 500009);
	assert_int_equal(counters_live(forked), 500009);
	assert_int_equal(counters_peak(forked), 500009);
	free(forked);
	free(lane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_are_powers_of_two),
		cmocka_unit_test(a_thread_finds_its_slot_again),
		cmocka_unit_test(one_thread_too_many_shares),
		cmocka_unit_test(the_largest_bucket_stays_inside_the_lane),
		cmocka_unit_test(the_peak_of_one_thread_is_exact),
		cmocka_unit_test(threads_lose_nothing_and_the_peak_is_within_its_bound),
		cmocka_unit_test(the_shared_slot_loses_nothing),
		cmocka_unit_test(leaving_takes_the_heap_out_of_the_tree_once),
		cmocka_unit_test(a_forked_child_frees_its_own_copies),
		cmocka_unit_test(a_child_inherits_no_more_than_there_was),
		cmocka_unit_test(what_is_live_is_known_between_flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
