/* SPDX-License-Identifier: MIT */
/* When a tree that grows is looked at, where each look takes 0.3 ms and 0.1 ms for each MiB. */

#include "tests/unit/cmocka.h"
#include "userspace/base/units.h"
#include "userspace/collect/run/pace.h"

#define MIB    ((uint64_t)1 << 20)
#define MS     NS_PER_MS
#define TURN   (10 * MS)
#define KIB_NS ((uint64_t)98)

struct walk {
	struct look_pace pace;
	uint64_t now_ns, cost_ns, seen_bytes, last_ns;
	unsigned int n;
};

static uint64_t cost_of(uint64_t bytes)
{
	return 300 * NS_PER_US + bytes / 1024 * KIB_NS;
}

/* As the loop does. */
static void turn(struct walk *w, uint64_t bytes)
{
	w->now_ns += TURN;
	if (!look_is_due(&w->pace, bytes, 1, w->now_ns))
		return;
	look_was_taken(&w->pace, bytes, bytes, cost_of(bytes));
	w->cost_ns += cost_of(bytes);
	w->seen_bytes = bytes;
	w->last_ns = w->now_ns;
	w->n++;
}

static void stay(struct walk *w, uint64_t bytes, uint64_t for_ns)
{
	for (uint64_t until_ns = w->now_ns + for_ns; w->now_ns < until_ns;)
		turn(w, bytes);
}

static void ramp(struct walk *w, uint64_t from, uint64_t to, uint64_t for_ns)
{
	for (uint64_t at = TURN; at <= for_ns; at += TURN)
		turn(w, from + (to - from) * at / for_ns);
}

/* What has been spent on processes that were small, or were soon replaced, does not count then. */
static void a_tree_that_becomes_large_is_looked_at(void **state)
{
	(void)state;
	struct walk w = { .now_ns = 0 };
	for (uint64_t i = 0; i < 40; i++)
		stay(&w, (2 + i / 4) * MIB, TURN);
	w.pace.spent_ns = w.now_ns; /* a hundred times what there was */
	stay(&w, 500 * MIB, 100 * cost_of(500 * MIB) - w.now_ns);
	assert_int_equal(w.seen_bytes / MIB, 500);
	assert_true(w.now_ns > 100 * cost_of(400 * MIB));
}

static void where_it_has_stopped_growing_it_has_been_seen(void **state)
{
	(void)state;
	for (uint64_t last = 30; last < 60; last++) {
		struct walk w = { .now_ns = 0 };
		stay(&w, 3 * MIB, 100 * MS);
		ramp(&w, 3 * MIB, 14 * MIB, 300 * MS);
		w.pace.spent_ns = w.now_ns / 100; /* by many processes, say */
		ramp(&w, 14 * MIB, last * MIB, 100 * MS);
		stay(&w, last * MIB, 100 * MS);
		assert_true((double)w.seen_bytes > 0.92 * (double)(last * MIB));
	}
}

static void all_together_take_a_small_part_of_the_time(void **state)
{
	(void)state;
	/* Slowly and quickly, in steps and without. */
	for (uint64_t step_ns = TURN; step_ns <= 500 * MS; step_ns = step_ns * 3 / 2)
		for (uint64_t growth = 3; growth < 300; growth = growth * 3 / 2) {
			struct walk w = { .now_ns = 0 };
			uint64_t bytes = MIB;
			while (bytes < 2000 * MIB && w.now_ns < 60 * NS_PER_S) {
				stay(&w, bytes, step_ns / TURN * TURN);
				bytes += bytes * growth / 200;
			}
			/* And what may be at once: those that see twice as much, and one more. */
			assert_true(w.cost_ns <= w.now_ns / 50 + 3 * cost_of(bytes));
		}
}

static void what_does_not_grow_is_not_looked_at_again(void **state)
{
	(void)state;
	struct walk w = { .now_ns = 0 };
	stay(&w, 20 * MIB, 10 * NS_PER_S);
	assert_int_equal(w.n, 1);
	stay(&w, 20 * MIB + 400000, 10 * NS_PER_S);
	stay(&w, MIB, 10 * NS_PER_S);
	assert_int_equal(w.n, 1);
	stay(&w, 21 * MIB, 10 * NS_PER_S);
	assert_int_equal(w.n, 2);
}

/* A process in the middle of exec. */
static void what_was_not_found_is_looked_for_again(void **state)
{
	(void)state;
	struct walk w = { .now_ns = NS_PER_S };
	assert_true(look_is_due(&w.pace, 14 * MIB, 1, w.now_ns));
	look_was_taken(&w.pace, 14 * MIB, 4096, MS / 10);
	stay(&w, 14 * MIB, 2 * TURN);
	assert_int_equal(w.n, 1);
	stay(&w, 14 * MIB, NS_PER_S);
	assert_int_equal(w.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_that_becomes_large_is_looked_at),
		cmocka_unit_test(where_it_has_stopped_growing_it_has_been_seen),
		cmocka_unit_test(all_together_take_a_small_part_of_the_time),
		cmocka_unit_test(what_does_not_grow_is_not_looked_at_again),
		cmocka_unit_test(what_was_not_found_is_looked_for_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
