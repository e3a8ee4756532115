/* SPDX-License-Identifier: MIT */
/* Catch2's XML: version 2.13.10 wrote the files. */

#include "tests/unit/foreign_files.h"

static void benchmarks_have_their_interval(void **state)
{
	(void)state;
	struct session *s = must_read("catch2.xml");
	const struct summary *ten = &must_find(s, "bench[sorting/ten numbers]")->summary;
	assert_int_equal(ten->n, 10);
	check_value(ten->mean, 14.0438);
	check_value(ten->ci95_low, 13.9654);
	check_value(ten->ci95_high, 14.1165);
	check_value(ten->stddev, 0.125262);
	check_values(s, "test[sorting]", 3378480e3);
	check_values(s, "test[failing]", 8295e3);
	check_values(s, "suite.tests", 3);
	check_values(s, "suite.failed", 1);
	check_values(s, "suite.time", NAN);
	(void)session_free(s);
	s = must_read("catch2-no-analysis.xml");
	ten = &must_find(s, "bench[sorting/ten numbers]")->summary;
	check_value(ten->mean, 16.1304);
	check_value(ten->ci95_low, NAN);
	check_value(ten->stddev, NAN);
	(void)session_free(s);
}

static void sections_are_part_of_the_name(void **state)
{
	(void)state;
	struct session *s = NULL;
	assert_int_equal(
		read_text("<Catch2TestRun name='t'><TestCase name='a'><Section name='b'>"
			  "<BenchmarkResults name='c' samples='5'><mean value='7' ci='0'/>"
			  "</BenchmarkResults><BenchmarkResults name='d'><failed message='no'/>"
			  "</BenchmarkResults></Section><OverallResult success='true' skips='1' "
			  "durationInSeconds='3'/></TestCase></Catch2TestRun>",
			  &s),
		0);
	check_value(must_find(s, "bench[a/b/c]")->summary.mean, 7);
	check_values(s, "test[a]", NAN);
	check_values(s, "suite.skipped", 1);
	assert_string_equal(s->notes[1], "a/b/d: failed");
	(void)session_free(s);
}

static void damage_is_named_with_its_line(void **state)
{
	(void)state;
	check_refused("<Catch2TestRun>\n<TestCase name='a'>", "'x': line 2: no element found");
	check_refused("<Catch2TestRun><BenchmarkResults name='c'/>\n<BenchmarkResults name='c'/>"
		      "</Catch2TestRun>",
		      "'x': line 2: a benchmark that is there twice");
	check_not_recognised("<Catch3/>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(benchmarks_have_their_interval),
		cmocka_unit_test(sections_are_part_of_the_name),
		cmocka_unit_test(damage_is_named_with_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
