/* SPDX-License-Identifier: MIT */
/* No run was tainted, but what is proven of a difference is waiting for a CPU, or the CPUs were slower: is that
 * the program's? */

#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/gate/disturbance.h"

#define MS 1000000

static struct arena *arena;
static struct session *side;
enum { TIME, CPU, SPEED, CHANGES };
static struct change changes[CHANGES];
static struct contribution rows[2];
static struct comparison whole;
static struct run runs[4];

static void add_row(size_t at, enum cause cause, int64_t delta_ns)
{
	rows[at] = (struct contribution){ .cause = cause,
					  .delta_ns = delta_ns,
					  .low_ns = 0.9 * (double)delta_ns,
					  .high_ns = 1.1 * (double)delta_ns };
	whole.n_contributions = at + 1;
}

static int setup(void **state)
{
	(void)state;
	arena = arena_new();
	changes[TIME] = (struct change){ .id = "time.wall",
					 .metric = metrics_row("time.wall"),
					 .basis = BASIS_SHIFT,
					 .base_estimate = 100 * MS,
					 .head_estimate = 140 * MS,
					 .ratio = 1.4,
					 .low = 1.3,
					 .high = 1.5 };
	whole = (struct comparison){
		.changes = changes, .n_changes = 1, .contributions = rows, .has_contributions = true
	};
	const int r = session_new(&side);
	if (r == 0) {
		side->runs = runs;
		side->n_runs = sizeof(runs) / sizeof(*runs);
	}
	whole.base = whole.head = side;
	return arena == NULL || r < 0;
}

static int teardown(void **state)
{
	(void)state;
	side = session_free(side);
	arena = arena_free(arena);
	return 0;
}

static const char *disturbed(void)
{
	const char *reason = NULL;
	assert_int_equal(disturbance_of(arena, &whole, &changes[TIME], &reason), 0);
	return reason;
}

static void most_of_it_is_waiting(void **state)
{
	(void)state;
	add_row(0, CAUSE_RUNQUEUE, 30 * MS);
	assert_non_null(disturbed());
	assert_non_null(strstr(disturbed(), "withheld: 30.0 ms of it is waiting for a CPU, "));
	rows[0].cause = CAUSE_THROTTLED;
	assert_non_null(disturbed());
}

static void less_than_half_of_it_is(void **state)
{
	(void)state;
	add_row(0, CAUSE_RUNQUEUE, 15 * MS);
	assert_null(disturbed());
}

/* What is not proven is no reason, and as little one that went the other way. */
static void the_waits_may_be_chance(void **state)
{
	(void)state;
	add_row(0, CAUSE_RUNQUEUE, 30 * MS);
	rows[0].low_ns = -1 * MS;
	assert_null(disturbed());
	add_row(0, CAUSE_RUNQUEUE, -30 * MS);
	assert_null(disturbed());
}

static void another_row_carries_it(void **state)
{
	(void)state;
	add_row(0, CAUSE_RUNQUEUE, 30 * MS);
	add_row(1, CAUSE_SLEEP, 25 * MS);
	assert_null(disturbed());
}

/* Of 100 ms all are CPU time, and of 140 as well. */
static void set_speed(double of_head)
{
	changes[CPU] = changes[TIME];
	changes[CPU].id = "cpu.user";
	changes[CPU].base_value = 100 * MS;
	changes[CPU].head_value = 140 * MS;
	changes[SPEED] = (struct change){ .id = METRIC_SPEED,
					  .metric = metrics_row(METRIC_SPEED),
					  .base_value = 900000,
					  .head_value = of_head };
	whole.n_changes = CHANGES;
	add_row(0, CAUSE_CPU, 40 * MS);
}

static void slower_cpus_carry_nothing(void **state)
{
	(void)state;
	set_speed(900000);
	assert_null(disturbed());
	/* A tenth more time is theirs at most, of four. */
	set_speed(840000);
	assert_null(disturbed());
	set_speed(640000);
	assert_non_null(
		strstr(disturbed(), "the CPUs were slower (cpu.speed), by as much as 40.0 ms"));
	/* CPU time is as long for that as the whole is. */
	const char *reason = NULL;
	assert_int_equal(disturbance_of(arena, &whole, &changes[CPU], &reason), 0);
	assert_non_null(reason);
	/* A sleep is not. */
	add_row(1, CAUSE_SLEEP, 65 * MS);
	assert_null(disturbed());
	/* Faster ones make nothing slower. */
	set_speed(1200000);
	assert_null(disturbed());
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(most_of_it_is_waiting),	 TEST(less_than_half_of_it_is),
		TEST(the_waits_may_be_chance),	 TEST(another_row_carries_it),
		TEST(slower_cpus_carry_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
