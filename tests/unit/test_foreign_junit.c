/* SPDX-License-Identifier: MIT */
/* JUnit XML as several tools write it, and what others could write. */

#include "tests/unit/foreign_files.h"

static void each_test_has_its_time(void **state)
{
	(void)state;
	struct session *s = must_read("junit.xml");
	check_values(s, "test[tests.test_store.test_get[a<b]]", 23e6);
	check_values(s, "test[tests.test_store.test_put]", 1.5e9);
	check_values(s, "test[tests.test_wait.test_long]", 4.1e9);
	check_metric(s, "test[tests.test_wait.test_long]", UNIT_NS, BETTER_LOWER, CLASS_TIME);
	/* Skipped: not measured, whatever the file says. */
	check_values(s, "test[tests.test_store.test_later]", NAN);
	check_values(s, "suite.time", 7.5e9);
	check_values(s, "suite.tests", 5);
	check_values(s, "suite.failed", 1);
	check_values(s, "suite.skipped", 1);
	check_metric(s, "suite.failed", UNIT_COUNT, BETTER_LOWER, CLASS_EXACT);
	assert_string_equal(s->notes[0], "JUnit: 5 tests, 1 failed, 1 skipped");
	assert_int_equal(s->n_series, 9);
	(void)session_free(s);
}

static void suites_nest(void **state)
{
	(void)state;
	struct session *s = must_read("junit-nested.xml");
	/* The commas of surefire. */
	check_values(s, "suite.time", 1234.5e9);
	check_values(s, "test[a]", 1000.25e9, 2e9);
	check_values(s, "test[b]", NAN);
	check_values(s, "test[c]", NAN);
	check_values(s, "suite.failed", 1);
	(void)session_free(s);
	assert_int_equal(read_text("<testsuite time='5'><testsuite time='3'><testcase name='a'/>"
				   "</testsuite></testsuite>",
				   &s),
			 0);
	check_values(s, "suite.time", 5e9);
	(void)session_free(s);
}

static void a_total_is_not_guessed(void **state)
{
	(void)state;
	struct session *s = NULL;
	/* Two suites, and nobody says whether one ran after the other. */
	assert_int_equal(read_text("<testsuites><testsuite time='1'><testcase name='a' time='1'/>"
				   "</testsuite><testsuite time='2'/></testsuites>",
				   &s),
			 0);
	check_values(s, "suite.time", NAN);
	(void)session_free(s);
}

/* What ctest 3.25 wrote. */
static void a_time_of_zero_is_none(void **state)
{
	(void)state;
	struct session *s = must_read("junit-ctest.xml");
	check_values(s, "suite.time", NAN);
	check_values(s, "suite.tests", 3);
	check_values(s, "suite.failed", 1);
	check_values(s, "test[slow.slow]", 206459e3);
	(void)session_free(s);
	assert_int_equal(read_text("<testsuites time='0.000'><testsuite time='3'>"
				   "<testcase name='a' time='0.000'/><testcase name='b' time='-1'/>"
				   "</testsuite></testsuites>",
				   &s),
			 0);
	check_values(s, "suite.time", 3e9);
	check_values(s, "test[a]", NAN);
	check_values(s, "test[b]", NAN);
	(void)session_free(s);
}

static void damage_is_named_with_its_line(void **state)
{
	(void)state;
	check_refused("<testsuite>\n<testcase name='a' time='1'>", "'x': line 2: no element found");
	check_refused("<testsuite>\n<testcase time='1'/></testsuite>",
		      "'x': line 2: a test without a name");
	check_refused("<testsuite><testcase name='a' time='1,5'/></testsuite>",
		      "'x': line 1: a time that is not a number");
	check_refused("<testsuite><testcase name='a' time='nan'/></testsuite>",
		      "'x': line 1: a time that is not a number");
	check_refused("<testsuite></testsuite>", "'x': there is no result in it");
	check_refused("<testsuite><testcase name='&undefined;'/></testsuite>",
		      "'x': line 1: undefined entity");
	check_not_recognised("<html><body/></html>");
}

static void entities_are_not_expanded(void **state)
{
	(void)state;
	const char *refusal = "'x': line 1: a document type declaration, which is not accepted";
	check_refused("<!DOCTYPE t [<!ENTITY a 'xxxxxxxxxx'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>"
		      "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;'>]>\n"
		      "<testsuite><testcase name='&c;' time='1'/></testsuite>",
		      refusal);
	check_refused("<!DOCTYPE t [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>\n"
		      "<testsuite><testcase name='&a;' time='1'/></testsuite>",
		      refusal);
	check_refused("<!DOCTYPE t SYSTEM 'http://127.0.0.1/t.dtd'><testsuite/>", refusal);
}

static void depth_is_bounded(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, 1 << 20);
	for (int i = 0; i < 2000; i++)
		(void)buf_adds(&text, "<testsuite>");
	check_refused(buf_str(&text), "'x': line 1: it is nested too deep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_test_has_its_time),
		cmocka_unit_test(suites_nest),
		cmocka_unit_test(a_total_is_not_guessed),
		cmocka_unit_test(a_time_of_zero_is_none),
		cmocka_unit_test(damage_is_named_with_its_line),
		cmocka_unit_test(entities_are_not_expanded),
		cmocka_unit_test(depth_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
