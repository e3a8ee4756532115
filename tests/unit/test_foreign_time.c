/* SPDX-License-Identifier: MIT */
/* GNU time -v: a file of three reports that time 1.9 wrote (-a). */

#include "tests/unit/foreign_files.h"

static void reports_of_one_command_are_samples(void **state)
{
	(void)state;
	struct session *s = must_read("time-v.txt");
	assert_int_equal(must_find(s, "time.wall")->n_values, 3);
	check_values(s, "mem.peak_rss", 1604 * 1024, 1580 * 1024, 1564 * 1024);
	check_values(s, "cpu.user", 0.1e9, 0.1e9, 0.1e9);
	check_metric(s, "faults.minor", UNIT_COUNT, BETTER_LOWER, CLASS_SIZE);
	assert_string_equal(s->command.items[0],
			    "sh -c i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done");
	(void)session_free(s);
}

static void hours_count_and_what_it_cannot_show_is_missing(void **state)
{
	(void)state;
	struct session *s = NULL;
	assert_int_equal(read_text("output of the program\n\tCommand being timed: \"./a b\"\n"
				   "\tUser time (seconds): 0.00\n"
				   "\tSystem time (seconds): 0.25\n"
				   "\tElapsed (wall clock) time (h:mm:ss or m:ss): 1:02:03\n"
				   "\tMaximum resident set size (kbytes): 3\n"
				   "\tExit status: 3\n",
				   &s),
			 0);
	check_values(s, "time.wall", 3723e9);
	check_values(s, "cpu.user", NAN);
	check_values(s, "cpu.system", 0.25e9);
	check_values(s, "mem.peak_rss", 3072);
	assert_string_equal(s->notes[1], "a run ended with status 3");
	(void)session_free(s);
}

#define ELAPSED "\tElapsed (wall clock) time (h:mm:ss or m:ss): "
static void damage_is_named_with_its_line(void **state)
{
	(void)state;
	check_refused("\tCommand being timed: \"a\"\n" ELAPSED "soon\n",
		      "'x': line 2: 'soon' is not a number");
	check_refused("\tCommand being timed: \"a\"\n" ELAPSED
		      "0:01\n\tCommand being timed: \"b\"\n",
		      "'x': it speaks of several commands, of a and b");
	check_not_recognised("Command being timed: \"a\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports_of_one_command_are_samples),
		cmocka_unit_test(hours_count_and_what_it_cannot_show_is_missing),
		cmocka_unit_test(damage_is_named_with_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
