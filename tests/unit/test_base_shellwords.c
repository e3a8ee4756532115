/* SPDX-License-Identifier: MIT */
/* A command line is split as a shell would, and nothing in it is expanded. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/shellwords.h"

static void check(const char *text, const char *const *expected)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	char **words = NULL;
	const char *error = NULL;
	size_t n = 0, at = 0;
	assert_int_equal(shellwords_split(arena, text, &words, &n, &error, &at), 0);
	for (size_t i = 0; expected[i] != NULL; i++) {
		assert_true(i < n);
		assert_string_equal(words[i], expected[i]);
		assert_null(expected[i + 1] == NULL ? words[i + 1] : NULL);
	}
}
#define CHECK(text, ...) check((text), (const char *const[]){ __VA_ARGS__, NULL })

static void check_refused(const char *text, const char *why, size_t offset)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	char **words = NULL;
	const char *error = "";
	size_t n = 0, at = 99;
	assert_int_equal(shellwords_split(arena, text, &words, &n, &error, &at), -EINVAL);
	assert_non_null(strstr(error, why));
	assert_int_equal(at, offset);
}

static void blanks_separate_words(void **state)
{
	(void)state;
	CHECK("make", "make");
	CHECK("  make  -j2\tall\n", "make", "-j2", "all");
}

static void single_quotes_keep_everything(void **state)
{
	(void)state;
	CHECK("python -m pytest -m 'not slow'", "python", "-m", "pytest", "-m", "not slow");
	CHECK("a '\\n$x\"' b", "a", "\\n$x\"", "b");
	CHECK("echo ''", "echo", "");
}

static void double_quotes_keep_all_but_four_escapes(void **state)
{
	(void)state;
	CHECK("\"a \\\" \\$b \\\\ \\n\"", "a \" $b \\ \\n");
	CHECK("\"it's\"", "it's");
	CHECK("\"a\\\nb\"", "ab");
}

static void parts_of_a_word_grow_together(void **state)
{
	(void)state;
	CHECK("--cov='my dir'/\"x\"y\\ z", "--cov=my dir/xy z");
}

static void nothing_is_expanded(void **state)
{
	(void)state;
	CHECK("echo $HOME *.c ~ `id` | wc #1;", "echo", "$HOME", "*.c", "~", "`id`", "|", "wc",
	      "#1;");
}

static void a_continued_line_adds_nothing(void **state)
{
	(void)state;
	CHECK("a \\\n b\\\nc", "a", "bc");
}

static void mistakes_are_placed(void **state)
{
	(void)state;
	check_refused("echo 'abc", "not closed", 5);
	check_refused("echo \"abc\\\"", "not closed", 5);
	check_refused("echo abc\\", "backslash", 8);
	check_refused("", "no command", 0);
	check_refused(" \n", "no command", 0);
	check_refused("\\\n", "no command", 0);
}

static void no_more_words_than_the_limit(void **state)
{
	(void)state;
	static char text[2 * SHELLWORDS_WORDS_MAX + 8];
	for (size_t i = 0; i < SHELLWORDS_WORDS_MAX; i++)
		memcpy(text + 2 * i, "a ", 2);
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	char **words = NULL;
	const char *error = "";
	size_t n = 0, at = 0;
	assert_int_equal(shellwords_split(arena, text, &words, &n, &error, &at), 0);
	assert_int_equal(n, SHELLWORDS_WORDS_MAX);
	text[2 * SHELLWORDS_WORDS_MAX] = 'b';
	check_refused(text, "too many", 2 * SHELLWORDS_WORDS_MAX);
}

static void a_text_that_is_too_long_is_refused(void **state)
{
	(void)state;
	_cleanup_free_ char *text = malloc(SHELLWORDS_TEXT_MAX + 2);
	assert_non_null(text);
	memset(text, 'x', SHELLWORDS_TEXT_MAX + 1);
	text[SHELLWORDS_TEXT_MAX + 1] = '\0';
	check_refused(text, "too long", 0);
}

static void what_is_quoted_is_one_word_again(void **state)
{
	static const char *const words[] = {
		"", "a", "it's mine", "$(x) `y` \\", "-f", "a\nb", "*"
	};
	(void)state;
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		const char *const expected[] = { words[i], NULL };
		check(shellwords_quote(arena, words[i]), expected);
	}
	assert_string_equal(shellwords_quote(arena, "./a-b_c.yml"), "./a-b_c.yml");
}

static void what_only_a_shell_understands_is_found(void **state)
{
	static const struct {
		const char *text, *found; /* NULL: nothing */
	} rows[] = {
		{ "echo hi && sleep 1", "&&" },
		{ "make||true", "||" },
		{ "make | tee log", "|" },
		{ "cd app; make", ";" },
		{ "./server &", "&" },
		{ "make >log", ">" },
		{ "make 2>&1", "2>&" },
		{ "sort < in", "<" },
		{ "$HOME/bin/a", "$HOME" },
		{ "a $(cat b)", "$(" },
		{ "a `cat b`", "`" },
		{ "~/bin/a", "~" },
		{ "MODE=fast ./server", "MODE=" },
		{ "sh -c 'a && b | c; d > e &'", NULL },
		{ "sh -c \"a && \\\" $b\"", NULL },
		{ "find . -exec rm {} \\; -name a\\&\\&b", NULL },
		{ "curl http://h/?a=1&b=2 --opt=a;b -k a|b", NULL },
		{ "awk $1 --define a=b", NULL },
		{ "a b~c ~user", NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t n = 0;
		const char *at = shellwords_needs_shell(rows[i].text, &n);
		if (rows[i].found == NULL) {
			assert_null(at);
			continue;
		}
		assert_non_null(at);
		assert_int_equal(n, strlen(rows[i].found));
		assert_memory_equal(at, rows[i].found, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blanks_separate_words),
		cmocka_unit_test(single_quotes_keep_everything),
		cmocka_unit_test(double_quotes_keep_all_but_four_escapes),
		cmocka_unit_test(parts_of_a_word_grow_together),
		cmocka_unit_test(nothing_is_expanded),
		cmocka_unit_test(a_continued_line_adds_nothing),
		cmocka_unit_test(mistakes_are_placed),
		cmocka_unit_test(no_more_words_than_the_limit),
		cmocka_unit_test(a_text_that_is_too_long_is_refused),
		cmocka_unit_test(what_is_quoted_is_one_word_again),
		cmocka_unit_test(what_only_a_shell_understands_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
