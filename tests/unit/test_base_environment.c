/* SPDX-License-Identifier: MIT */
#include "cmocka.h"

#include <stdlib.h>

#include "userspace/base/environment.h"

static char mode[] = "MODE=slow", path[] = "PATH=/bin", prefix[] = "MODEL=t", fast[] = "MODE=fast",
	    faster[] = "MODE=faster", more[] = "MORE=";

static void what_is_added_replaces_what_is_there(void **state)
{
	char *const before[] = { mode, path, prefix, NULL };
	char *const added[] = { fast, more, faster, NULL };
	(void)state;
	char **after = environment_with(before, added);
	assert_non_null(after);
	assert_ptr_equal(after[0], faster);
	assert_ptr_equal(after[1], path);
	assert_ptr_equal(after[2], prefix);
	assert_ptr_equal(after[3], more);
	assert_null(after[4]);
	assert_string_equal(environment_find(after, "MODE"), "faster");
	assert_string_equal(environment_find(after, "MORE"), "");
	assert_null(environment_find(after, "MOD"));
	free(after);
}

static void without_one_it_is_ours(void **state)
{
	(void)state;
	assert_int_equal(setenv("STARTLINE_TEST", "here", 1), 0);
	assert_string_equal(environment_find(NULL, "STARTLINE_TEST"), "here");
	char **after = environment_with(NULL, NULL);
	assert_string_equal(environment_find(after, "STARTLINE_TEST"), "here");
	free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_replaces_what_is_there),
		cmocka_unit_test(without_one_it_is_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
