/* SPDX-License-Identifier: MIT */

#include "tests/unit/cmocka.h"
#include "userspace/collect/bpf/wait_channel.h"

static void the_first_function_that_says_something_is_chosen(void **state)
{
	(void)state;
	char line[] = "12 __schedule schedule schedule_timeout pipe_read vfs_read 0x0";
	uint64_t number = 0;
	assert_string_equal(wait_channel_name(line, &number), "pipe_read");
	assert_int_equal(number, 12);
}

static void plumbing_alone_is_named_by_its_innermost(void **state)
{
	(void)state;
	char line[] = "7 __schedule schedule 0x0 0x0";
	uint64_t number = 0;
	assert_string_equal(wait_channel_name(line, &number), "__schedule");
	assert_int_equal(number, 7);
}

static void lines_without_sense_have_no_name(void **state)
{
	(void)state;
	uint64_t number = 41;
	char empty[] = "", words[] = "pipe_read vfs_read", alone[] = "12",
	     joined[] = "12x pipe_read";
	assert_null(wait_channel_name(empty, &number));
	assert_null(wait_channel_name(words, &number));
	assert_null(wait_channel_name(alone, &number));
	assert_null(wait_channel_name(joined, &number));
	assert_int_equal(number, 41);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_function_that_says_something_is_chosen),
		cmocka_unit_test(plumbing_alone_is_named_by_its_innermost),
		cmocka_unit_test(lines_without_sense_have_no_name),
	};
	return cmocka_run_group_tests_name("collect/place", tests, NULL, NULL);
}
