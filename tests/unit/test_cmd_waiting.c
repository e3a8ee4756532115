/* SPDX-License-Identifier: MIT */
/* How long it may still take is told by what is done, and never beyond the limit. */

#include <math.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/units.h"
#include "userspace/cmd/waiting.h"

static void what_is_left_follows_from_what_is_done(void **state)
{
	(void)state;
	assert_true(isnan(waiting_left_ns(NS_PER_S, 0, 0, 10)));
	assert_true(isnan(waiting_left_ns(NS_PER_S, 0, 10, 10)));
	assert_true(waiting_left_ns(2 * NS_PER_S, 0, 2, 10) == 8e9);
	assert_true(waiting_left_ns(2 * NS_PER_S, 60 * NS_PER_S, 2, 10) == 8e9);
	assert_true(waiting_left_ns(2 * NS_PER_S, 5 * NS_PER_S, 2, 10) == 3e9);
	assert_true(waiting_left_ns(6 * NS_PER_S, 5 * NS_PER_S, 2, 10) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_follows_from_what_is_done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
