/* SPDX-License-Identifier: MIT */
/* Escaping and width of text from outside. */

#include <errno.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/utf8.h"

static void check_escape(const char *s, size_t n, const char *expected)
{
	_cleanup_(buf_done) struct buf out;
	buf_init(&out, 1000);
	assert_int_equal(text_escape(&out, s, n), 0);
	assert_string_equal(buf_str(&out), expected);

	char fixed[1000];
	assert_int_equal(text_escape_to(fixed, sizeof(fixed), s, n), strlen(expected));
	assert_string_equal(fixed, expected);
}
#define CHECK_ESCAPE(literal, expected) check_escape(literal, sizeof(literal) - 1, expected)

static void printable_text_is_kept(void **state)
{
	(void)state;
	CHECK_ESCAPE("plain ~!\\", "plain ~!\\");
	CHECK_ESCAPE("gr\xc3\xbc\xc3\x9f \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80",
		     "gr\xc3\xbc\xc3\x9f \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80");
	CHECK_ESCAPE("", "");
}

static void controls_are_escaped(void **state)
{
	(void)state;
	CHECK_ESCAPE("a\x1b]0;title\x07\n\t\r\0b", "a\\x1b]0;title\\x07\\x0a\\x09\\x0d\\x00b");
	CHECK_ESCAPE("\x7f", "\\x7f");
	CHECK_ESCAPE("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f\xc2\xa0");
}

static void invalid_utf8_is_escaped_byte_by_byte(void **state)
{
	(void)state;
	CHECK_ESCAPE("\xff\xfe", "\\xff\\xfe");
	CHECK_ESCAPE("\x80", "\\x80");
	CHECK_ESCAPE("\xc0\xaf", "\\xc0\\xaf");			  /* overlong */
	CHECK_ESCAPE("\xe0\x80\xaf", "\\xe0\\x80\\xaf");	  /* overlong */
	CHECK_ESCAPE("\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"); /* overlong */
	CHECK_ESCAPE("\xed\xa0\x80", "\\xed\\xa0\\x80");	  /* surrogate */
	CHECK_ESCAPE("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
	CHECK_ESCAPE("\xe6\x97", "\\xe6\\x97");			  /* cut */
	CHECK_ESCAPE("\xe6\x97z", "\\xe6\\x97z");
}

static void characters_that_reorder_lines_are_escaped(void **state)
{
	(void)state;
	CHECK_ESCAPE("\xd8\x9c", "\\xd8\\x9c");		 /* U+061C */
	CHECK_ESCAPE("\xe2\x80\xae", "\\xe2\\x80\\xae"); /* U+202E */
	CHECK_ESCAPE("\xe2\x81\xa6", "\\xe2\\x81\\xa6"); /* U+2066 */
	CHECK_ESCAPE("\xe2\x80\xa8", "\\xe2\\x80\\xa8"); /* U+2028 */
	CHECK_ESCAPE("\xef\xbb\xbf", "\\xef\\xbb\\xbf"); /* U+FEFF */
}

static void too_little_room_cuts_between_characters(void **state)
{
	(void)state;
	char out[8];
	assert_int_equal(text_escape_to(out, sizeof(out), "abcd\x1b", 5), 8);
	assert_string_equal(out, "abcd");
	/* Nothing that comes later slips into the rest of the room. */
	assert_int_equal(text_escape_to(out, sizeof(out), "abcd\x1bz", 6), 9);
	assert_string_equal(out, "abcd");
	assert_int_equal(text_escape_to(out, sizeof(out), "abcdef\xc3\xbc", 8), 8);
	assert_string_equal(out, "abcdef");
	assert_int_equal(text_escape_to(NULL, 0, "abc\x1b", 4), 7);
}

static void the_limit_of_the_buffer_holds(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf out;
	buf_init(&out, 6);
	assert_int_equal(text_escape(&out, "ab\x1bz", 4), 0 - EFBIG);
	assert_string_equal(buf_str(&out), "ab\\x1b");
}

static void width_counts_columns_of_the_escaped_form(void **state)
{
	(void)state;
	assert_int_equal(text_width("abc", 3), 3);
	assert_int_equal(text_width("\xc3\xbc", 2), 1);
	assert_int_equal(text_width("\xe6\x97\xa5", 3), 2);	/* CJK */
	assert_int_equal(text_width("\xef\xbc\xa1", 3), 2);	/* fullwidth A */
	assert_int_equal(text_width("\xed\x95\x9c", 3), 2);	/* Hangul */
	assert_int_equal(text_width("\xf0\x9f\x98\x80", 4), 2); /* emoji */
	assert_int_equal(text_width("e\xcc\x81", 3), 1);	/* combining acute */
	assert_int_equal(text_width("\xe2\x80\x8d", 3), 0);	/* zero width joiner */
	assert_int_equal(text_width("\x1b", 1), 4);
	assert_int_equal(text_width("\xc2\x80", 2), 8);
	assert_int_equal(text_width("\xff", 1), 4);
	assert_int_equal(text_width("", 0), 0);
}

static void fitting_never_cuts_a_character(void **state)
{
	(void)state;
	assert_int_equal(text_fit("abcdef", 6, 3), 3);
	assert_int_equal(text_fit("abc", 3, 10), 3);
	assert_int_equal(text_fit("a\xe6\x97\xa5z", 5, 2), 1);
	assert_int_equal(text_fit("a\xe6\x97\xa5z", 5, 3), 4);
	assert_int_equal(text_fit("e\xcc\x81z", 4, 1), 3);
	assert_int_equal(text_fit("abc", 3, 0), 0);
}

/* In columns, whatever a letter takes. */
static void both_ends_fit_and_are_as_long_as_they_may(void **state)
{
	(void)state;
	char letters[2 * 60 + 1] = "";
	for (size_t i = 0; i < 60; i++)
		memcpy(letters + 2 * i, "\xd0\xb6", 2);
	assert_int_equal(text_tail("abcdef", 6, 2), 4);
	assert_int_equal(text_tail("abc", 3, 10), 0);
	assert_int_equal(text_tail(letters, 120, 20), 80);
	/* Never half of one that takes more. */
	assert_int_equal(text_tail("ab\x01z", 4, 3), 3);
	size_t head, tail;
	text_fit_ends(letters, 120, 40, &head, &tail);
	assert_int_equal(head, 40);
	assert_int_equal(tail, 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_fit_and_are_as_long_as_they_may),
		cmocka_unit_test(printable_text_is_kept),
		cmocka_unit_test(controls_are_escaped),
		cmocka_unit_test(invalid_utf8_is_escaped_byte_by_byte),
		cmocka_unit_test(characters_that_reorder_lines_are_escaped),
		cmocka_unit_test(too_little_room_cuts_between_characters),
		cmocka_unit_test(the_limit_of_the_buffer_holds),
		cmocka_unit_test(width_counts_columns_of_the_escaped_form),
		cmocka_unit_test(fitting_never_cuts_a_character),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
