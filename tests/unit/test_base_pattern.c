/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "userspace/base/pattern.h"

static int compile(const char *text)
{
	char why[128];
	regex_t regex;
	const int r = pattern_compile(text, 0, &regex, why, sizeof(why));
	if (r == 0)
		regfree(&regex);
	return r;
}

static void back_references_are_refused(void **state)
{
	(void)state;
	assert_int_equal(compile("(a*)\\1"), -EINVAL);
	assert_int_equal(compile("(a*)[[:alpha:]]\\9"), -EINVAL);
	assert_int_equal(compile("(a)[]x]\\1"), -EINVAL);
	assert_int_equal(compile("(a)\\\\\\1"), -EINVAL);
}

static void what_only_looks_like_one_is_not(void **state)
{
	(void)state;
	assert_int_equal(compile("ready \\(1\\)"), 0);
	assert_int_equal(compile("a\\\\1"), 0);
	assert_int_equal(compile("[\\1]"), 0);
	assert_int_equal(compile("[^]\\1]"), 0);
	assert_int_equal(compile("[[:digit:]\\1]"), 0);
}

static void a_broken_one_says_why(void **state)
{
	(void)state;
	char why[128] = "";
	regex_t regex;
	assert_int_equal(pattern_compile("(", 0, &regex, why, sizeof(why)), -EINVAL);
	assert_string_not_equal(why, "");
	assert_int_equal(compile("["), -EINVAL);
	assert_int_equal(compile("[[:"), -EINVAL);
	assert_int_equal(compile("a["), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(back_references_are_refused),
		cmocka_unit_test(what_only_looks_like_one_is_not),
		cmocka_unit_test(a_broken_one_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
