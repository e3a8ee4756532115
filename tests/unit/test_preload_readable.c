/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/mman.h>

#include "preload/readable.h"
#include "tests/unit/cmocka.h"

enum { PAGE = 4096 };

/* Three pages, of which the middle one can be read. */
static char *middle_page(void)
{
	char *at = mmap(NULL, (size_t)3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(mprotect(at, PAGE, PROT_NONE), 0);
	assert_int_equal(mprotect(at + (size_t)2 * PAGE, PAGE, PROT_NONE), 0);
	return at + PAGE;
}

static void done(char *page)
{
	assert_int_equal(munmap(page - PAGE, (size_t)3 * PAGE), 0);
}

static void only_whole_ranges_can_be_read(void **state)
{
	(void)state;
	char *page = middle_page();
	struct reader r = { 0 };

	assert_true(reader_may_read(&r, page, PAGE));
	assert_true(reader_may_read(&r, page + PAGE - 1, 1));
	assert_false(reader_may_read(&r, page + PAGE - 1, 2));
	assert_false(reader_may_read(&r, page - 1, 1));
	assert_false(reader_may_read(&r, NULL, 1));
	assert_false(reader_may_read(&r, (char *)8, 1));
	assert_false(reader_may_read(&r, page, SIZE_MAX));
	assert_true(reader_may_read(&r, NULL, 0));
	done(page);
}

static void texts_are_read_no_further_than_needed(void **state)
{
	(void)state;
	char *page = middle_page(), *cut = page + PAGE - 3;
	struct reader r = { 0 };
	bool is_readable = true;

	memcpy(cut, "A=1", 3);
	assert_ptr_equal(reader_after(&r, cut, "A=", &is_readable), cut + 2);
	assert_null(reader_after(&r, cut, "B=12", &is_readable));
	assert_true(is_readable);
	assert_null(reader_after(&r, cut, "A=12", &is_readable));
	assert_false(is_readable);
	done(page);
}

static void a_text_without_end_has_no_length(void **state)
{
	(void)state;
	char *page = middle_page(), *cut = page + PAGE - 3;
	struct reader r = { 0 };

	memcpy(cut, "A=1", 3);
	assert_int_equal(reader_length(&r, cut, 100), SIZE_MAX);
	assert_int_equal(reader_length(&r, cut, 3), 3);
	cut[2] = '\0';
	assert_int_equal(reader_length(&r, cut, 100), 2);
	done(page);
}

static void what_can_be_read_is_asked_for_once(void **state)
{
	(void)state;
	char *page = middle_page();
	struct reader r = { 0 };

	for (int i = 0; i < 41; i++)
		assert_true(reader_may_read(&r, page + i, 1));
	assert_int_equal(r.n_asked, 1);
	done(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_whole_ranges_can_be_read),
		cmocka_unit_test(texts_are_read_no_further_than_needed),
		cmocka_unit_test(a_text_without_end_has_no_length),
		cmocka_unit_test(what_can_be_read_is_asked_for_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
