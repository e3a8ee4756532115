/* SPDX-License-Identifier: MIT */
/* What is held back of a program's output before its lines are judged. */
#include <string.h>

#include "tests/unit/cmocka.h"

#include "userspace/collect/ready/log_filter.h"

static void plain_text_is_what_each_match_has(void **state)
{
	static const struct {
		const char *pattern, *literal;
	} cases[] = {
		{ "Ready to accept connections", "Ready to accept connections" },
		{ "^server is [a-z]+$", "server is " },
		{ "[[:space:]]up[]x]*", "up" },
		{ "abc*", "ab" },
		{ "abc+d", "abc" },
		{ "(optional)? word", " word" },
		{ "ab{0,3}cdef", "cdef" },
		{ "a|b", "" },
		{ "(a|b)cd", "" },
		{ "port \\(80\\)", "port " },
		{ "gr\303\274n?e", "gr" },
		{ "", "" },
		{ "[", "" },
		{ "\\", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *at = NULL;
		const size_t n = log_filter_literal(cases[i].pattern, &at);
		assert_int_equal(n, strlen(cases[i].literal));
		assert_memory_equal(at, cases[i].literal, n);
	}
}

static bool passes(const char *spec, const char *text, size_t n)
{
	struct ready_rule rule = { 0 };
	struct log_filter *f = NULL;
	assert_int_equal(ready_rule_parse(spec, &rule), 0);
	assert_int_equal(log_filter_new(&rule, 1, &f), 0);
	const bool does = log_filter_passes(f, text, n);
	(void)log_filter_free(f);
	ready_rule_done(&rule);
	return does;
}

#define PASSES(spec, text) passes(spec, text, sizeof(text) - 1)

static void a_line_among_others_passes(void **state)
{
	(void)state;
	assert_true(PASSES("log:^up$", "down\nup\ndown\n"));
	assert_true(PASSES("log:^up$", "down\r\nup\r\ndown\r\n"));
	assert_true(PASSES("log:^up$", "up"));
	assert_true(PASSES("log:^$", "x\n\ny\n"));
	assert_true(PASSES("log:a.b", "x\na\0b\ny\n"));
	assert_true(PASSES("log:up.*now|ready", "up, and now"));
}

static void what_cannot_match_is_held_back(void **state)
{
	(void)state;
	assert_false(PASSES("log:^up$", "upper\nnot up\n"));
	assert_false(PASSES("log:up.*now", "up\nnow\n"));
	assert_false(PASSES("log:up.*now|ready", "down\n"));
	assert_false(PASSES("log:ready", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_is_what_each_match_has),
		cmocka_unit_test(a_line_among_others_passes),
		cmocka_unit_test(what_cannot_match_is_held_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
