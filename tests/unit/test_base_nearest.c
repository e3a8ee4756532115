/* SPDX-License-Identifier: MIT */
/* What was meant by a word that is not known. */

#include <stddef.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/nearest.h"

static const char *const commands[] = { "run",	"report",  "compare", "check",	"baseline",  "ab",
					"wait", "history", "doctor",  "export", "time.wall", NULL };

static void means(const char *word, const char *expected)
{
	const char *found = nearest_word(word, commands);
	if (expected == NULL)
		assert_null(found);
	else
		assert_string_equal(found, expected);
}

static void typing_errors_are_recognised(void **state)
{
	(void)state;
	means("rnu", "run");
	means("runn", "run");
	means("reprot", "report");
	means("histroy", "history");
	means("compar", "compare");
	means("baselnie", "baseline");
	means("time.wal", "time.wall");
	means("abb", "ab");
}

static void another_word_means_nothing(void **state)
{
	(void)state;
	means("stat", NULL);
	means("record", NULL);
	means("exec", NULL);
	means("list", NULL);
	means("top", NULL);
	means("a", NULL);
	means("xy", NULL);
	means("", NULL);
}

static void long_words_are_no_harm(void **state)
{
	(void)state;
	means("a-word-that-is-longer-than-any-command-can-be", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(typing_errors_are_recognised),
		cmocka_unit_test(another_word_means_nothing),
		cmocka_unit_test(long_words_are_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
