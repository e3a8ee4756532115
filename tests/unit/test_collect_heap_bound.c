/* SPDX-License-Identifier: MIT */
/* By how much the heap peak of a tree may be too low. */

#include "tests/unit/cmocka.h"
#include "userspace/collect/shim/heap_bound.h"

static void the_tree_cannot_be_higher_than_the_sum_of_its_peaks(void **state)
{
	(void)state;
	struct heap_bound at_once = { 0 }, highest = { 0 };

	heap_bound_add(&at_once, &(struct lane_sums){ .peak_bytes = 13000 });
	heap_bound_add(&at_once, &(struct lane_sums){ .peak_bytes = 12900 });
	heap_bound_raise(&highest, &at_once);
	assert_int_equal(heap_bound_error(&highest, 13000), 12900);
	assert_int_equal(heap_bound_error(&highest, 25900), 0);
	assert_int_equal(heap_bound_error(&highest, 99999), 0);
}

static void what_was_published_is_not_lacking(void **state)
{
	(void)state;
	struct heap_bound at_once = { 0 }, highest = { 0 };

	heap_bound_add(&at_once, &(struct lane_sums){ .peak_bytes = 1000000 });
	heap_bound_add(&at_once, &(struct lane_sums){ .peak_bytes = 2000000 });
	heap_bound_raise(&highest, &at_once);
	heap_bound_raise(&highest, &(struct heap_bound){ .lacking = 5 });
	assert_int_equal(heap_bound_error(&highest, 2000000), 2 * SL_LANE_FLUSH_BYTES);
}

static void numbers_of_a_hostile_lane_do_not_overflow(void **state)
{
	(void)state;
	struct heap_bound at_once = { 0 };
	const struct lane_sums wild = { .peak_bytes = INT64_MAX, .peak_error_bytes = INT64_MAX };
	const struct lane_sums negative = { .peak_bytes = INT64_MIN, .peak_error_bytes = -1 };

	for (int i = 0; i < 23; i++) {
		heap_bound_add(&at_once, &wild);
		heap_bound_add(&at_once, &negative);
	}
	assert_true(heap_bound_error(&at_once, INT64_MIN) > 0);
	assert_true(heap_bound_error(&at_once, INT64_MAX) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tree_cannot_be_higher_than_the_sum_of_its_peaks),
		cmocka_unit_test(what_was_published_is_not_lacking),
		cmocka_unit_test(numbers_of_a_hostile_lane_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
