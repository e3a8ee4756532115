/* SPDX-License-Identifier: MIT */
#include "tests/unit/cmocka.h"
#include "userspace/base/tick_clock.h"

/* Two ticks are 3 ns; it stood at 1000 when the clock said 5000. */
static struct tick_clock looked(void)
{
	struct tick_clock c = { 0 };
	tick_clock_look(&c, 1000, 5000);
	tick_clock_look(&c, 3000, 8000);
	return c;
}

static void ticks_between_and_behind_the_looks_are_times(void **state)
{
	(void)state;
	const struct tick_clock c = looked();
	assert_int_equal(tick_clock_ns(&c, 1000), 5000);
	assert_int_equal(tick_clock_ns(&c, 2000), 6500);
	assert_int_equal(tick_clock_ns(&c, 5000), 11000);
	assert_int_equal(tick_clock_ns(&c, 0), 3500);
	assert_int_equal(tick_clock_length_ns(&c, 46), 69);
	assert_int_equal(tick_clock_ticks(&c, 5000), 1000);
	assert_int_equal(tick_clock_ticks(&c, 6500), 2000);
	assert_int_equal(tick_clock_ticks(&c, 3500), 0);
}

static void the_last_look_counts_unless_it_goes_back(void **state)
{
	(void)state;
	struct tick_clock c = looked();
	tick_clock_look(&c, 900, 9000);
	assert_int_equal(tick_clock_ns(&c, 2000), 6500);
	tick_clock_look(&c, 5000, 9000);
	assert_int_equal(tick_clock_ns(&c, 2000), 6000);
}

static void impossible_numbers_are_none(void **state)
{
	(void)state;
	const struct tick_clock c = looked(), none = { 0 };
	assert_int_equal(tick_clock_ns(&c, UINT64_MAX / 3), 0);
	assert_int_equal(tick_clock_ns(&c, 1000 - 5000), 0);
	assert_int_equal(tick_clock_ns(&c, UINT64_MAX / 2 + 1000), 0);
	assert_true(tick_clock_length_ns(&c, UINT64_MAX) <= 1ull << 60);
	assert_int_equal(tick_clock_length_ns(&none, UINT64_MAX), 0);
	assert_int_equal(tick_clock_ticks(&c, 1), 0);
	assert_int_equal(tick_clock_ticks(&c, UINT64_MAX), UINT64_MAX);
	assert_int_equal(tick_clock_ticks(&none, 5), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_between_and_behind_the_looks_are_times),
		cmocka_unit_test(the_last_look_counts_unless_it_goes_back),
		cmocka_unit_test(impossible_numbers_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
