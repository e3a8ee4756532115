/* SPDX-License-Identifier: MIT */
/* How far the heap peak of a tree may be from the truth. */

#include "tests/unit/cmocka.h"
#include "userspace/collect/shim/heap_bound.h"

static void nothing_lacks_more_than_it_had(void **state)
{
	(void)state;
	struct heap_bound at_once = { 0 }, highest = { 0 };

	heap_bound_add(&at_once, &(struct lane_sums){ .peak_bytes = 13000 });
	heap_bound_add(&at_once, &(struct lane_sums){ .peak_bytes = 1000, .peak_error_bytes = 70 });
	heap_bound_raise(&highest, &at_once);
	assert_int_equal(highest.lacking, 14070);
}

static void what_was_published_is_not_lacking(void **state)
{
	(void)state;
	struct heap_bound at_once = { 0 }, highest = { 0 };

	heap_bound_add(&at_once, &(struct lane_sums){ .peak_bytes = 1000000 });
	heap_bound_add(&at_once,
		       &(struct lane_sums){ .peak_bytes = 2000000, .hidden_bytes = 7000 });
	heap_bound_raise(&highest, &at_once);
	heap_bound_raise(&highest, &(struct heap_bound){ .lacking = 5 });
	assert_int_equal(highest.lacking, 2 * SL_LANE_FLUSH_BYTES + 7000);
}

static void what_ended_may_have_been_in_the_peak(void **state)
{
	(void)state;
	struct heap_bound bound = { .lag = 100 };

	heap_bound_looked(&bound, 5000);
	assert_int_equal(bound.least, 4900);
	/* It was raised, perhaps after these had ended. */
	heap_bound_ended(&bound, 3000);
	heap_bound_ended(&bound, 4000);
	heap_bound_looked(&bound, 9000);
	assert_int_equal(bound.least, 4900);
	/* They were still found while the peak of this look was read. */
	heap_bound_looked(&bound, 12500);
	assert_int_equal(bound.least, 5400);
	heap_bound_looked(&bound, 13000);
	assert_int_equal(bound.least, 12900);
	/* Who ends later was there. */
	heap_bound_ended(&bound, 9000);
	heap_bound_looked(&bound, 13000);
	assert_int_equal(bound.least, 12900);
}

static void numbers_of_a_hostile_lane_do_not_overflow(void **state)
{
	(void)state;
	struct heap_bound at_once = { 0 };
	const struct lane_sums wild = { .peak_bytes = INT64_MAX,
					.peak_error_bytes = INT64_MAX,
					.lag_bytes = INT64_MAX,
					.hidden_bytes = INT64_MAX };
	const struct lane_sums negative = { .peak_bytes = INT64_MIN,
					    .peak_error_bytes = -1,
					    .lag_bytes = INT64_MIN,
					    .hidden_bytes = INT64_MIN };

	for (int i = 0; i < 23; i++) {
		heap_bound_add(&at_once, &wild);
		heap_bound_add(&at_once, &negative);
		heap_bound_ended(&at_once, INT64_MAX);
		heap_bound_ended(&at_once, INT64_MIN);
		heap_bound_looked(&at_once, i % 2 == 0 ? INT64_MAX : INT64_MIN);
	}
	assert_true(at_once.lacking > 0);
	assert_true(at_once.lag > 0);
	assert_int_equal(at_once.least, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_lacks_more_than_it_had),
		cmocka_unit_test(what_was_published_is_not_lacking),
		cmocka_unit_test(what_ended_may_have_been_in_the_peak),
		cmocka_unit_test(numbers_of_a_hostile_lane_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
