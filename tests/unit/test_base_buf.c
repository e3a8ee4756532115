/* SPDX-License-Identifier: MIT */
/* The growing buffer: content, limit, sticky error. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"

static void empty_buffer_is_an_empty_string(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 10);
	assert_string_equal(buf_str(&b), "");
	buf_done(&b);
}

static void pieces_are_joined(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf b;
	buf_init(&b, 1000);
	assert_int_equal(buf_adds(&b, "ready in "), 0);
	assert_int_equal(buf_addf(&b, "%d ms", 23), 0);
	assert_int_equal(buf_addc(&b, '!'), 0);
	assert_int_equal(buf_pad(&b, '.', 3), 0);
	assert_int_equal(buf_add(&b, "\0x", 2), 0);
	assert_int_equal(b.len, 20);
	assert_memory_equal(b.data, "ready in 23 ms!...\0x", 20);
	assert_string_equal(buf_str(&b), "ready in 23 ms!...");
}

static void content_may_fill_the_limit_exactly(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf b;
	buf_init(&b, 5);
	assert_int_equal(buf_adds(&b, "hello"), 0);
	assert_int_equal(b.error, 0);
	assert_string_equal(buf_str(&b), "hello");
}

static void beyond_the_limit_nothing_is_added_and_the_error_stays(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf b;
	buf_init(&b, 5);
	assert_int_equal(buf_adds(&b, "hell"), 0);
	assert_int_equal(buf_adds(&b, "oo"), -EFBIG);
	assert_int_equal(buf_addf(&b, "%s", ""), -EFBIG);
	assert_int_equal(buf_adds(&b, "o"), -EFBIG);
	assert_int_equal(b.error, -EFBIG);
	assert_string_equal(buf_str(&b), "hell");
	assert_null(buf_take(&b));
	buf_clear(&b);
	assert_int_equal(buf_adds(&b, "hello"), 0);
}

static void one_piece_larger_than_the_limit_is_refused(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf b;
	buf_init(&b, 5);
	assert_int_equal(buf_adds(&b, "hello world"), -EFBIG);
	assert_string_equal(buf_str(&b), "");
}

static void huge_sizes_do_not_overflow(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf b;
	buf_init(&b, SIZE_MAX);
	assert_int_equal(buf_adds(&b, "x"), 0);
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -EFBIG);
	buf_clear(&b);
	assert_int_equal(buf_adds(&b, "x"), 0);
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 1), -EFBIG);
}

static void taking_hands_over_the_string_and_empties_the_buffer(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 100);
	_cleanup_free_ char *nothing = buf_take(&b);
	assert_string_equal(nothing, "");
	assert_int_equal(buf_adds(&b, "text"), 0);
	_cleanup_free_ char *text = buf_take(&b);
	assert_string_equal(text, "text");
	assert_int_equal(b.len, 0);
	assert_null(b.data);
}

static void growing_keeps_the_content(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf b;
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 4099; i++)
		assert_int_equal(buf_addf(&b, "%07d,", i), 0);
	assert_int_equal(b.len, 4099 * 8);
	assert_memory_equal(b.data + 4098 * 8, "0004098,", 9);
	buf_truncate(&b, 7);
	assert_string_equal(buf_str(&b), "0000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_buffer_is_an_empty_string),
		cmocka_unit_test(pieces_are_joined),
		cmocka_unit_test(content_may_fill_the_limit_exactly),
		cmocka_unit_test(beyond_the_limit_nothing_is_added_and_the_error_stays),
		cmocka_unit_test(one_piece_larger_than_the_limit_is_refused),
		cmocka_unit_test(huge_sizes_do_not_overflow),
		cmocka_unit_test(taking_hands_over_the_string_and_empties_the_buffer),
		cmocka_unit_test(growing_keeps_the_content),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
