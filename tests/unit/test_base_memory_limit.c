/* SPDX-License-Identifier: MIT */

#include <stdbool.h>
#include <stdlib.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/memory_limit.h"

enum { MORE = 32 << 20 };

/* Whether there are so many bytes to have. */
static bool has(size_t bytes)
{
	void *volatile memory = malloc(bytes);
	const bool is_there = memory != NULL;
	free(memory);
	return is_there;
}

static void what_is_above_it_is_refused_while_it_holds(void **state)
{
	(void)state;
	struct memory_limit limit;
	memory_limit_init(&limit, MORE);
	if (limit.low.rlim_cur == limit.usual.rlim_cur)
		skip(); /* a sanitizer */
	memory_limit_begin(&limit);
	const bool has_less = has(MORE / 2), has_more = has(2 * MORE);
	memory_limit_end(&limit);
	assert_true(has_less);
	assert_false(has_more);
	assert_true(has(2 * MORE));
}

static void a_lower_one_stays(void **state)
{
	(void)state;
	const struct rlimit set = { 1 << 30, RLIM_INFINITY };
	struct rlimit before, now;
	struct memory_limit limit;
	assert_int_equal(getrlimit(RLIMIT_DATA, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_DATA, &set), 0);
	memory_limit_init(&limit, (size_t)2 << 30);
	memory_limit_begin(&limit);
	assert_int_equal(getrlimit(RLIMIT_DATA, &now), 0);
	assert_int_equal(now.rlim_cur, set.rlim_cur);
	memory_limit_end(&limit);
	assert_int_equal(setrlimit(RLIMIT_DATA, &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_above_it_is_refused_while_it_holds),
		cmocka_unit_test(a_lower_one_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
