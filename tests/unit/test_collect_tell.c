/* SPDX-License-Identifier: MIT */
/* What became of the stacks that a recording does not have. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/collect/perf/tell.h"

static struct {
	char notes[4][256];
	size_t n_notes;
	uint64_t n_dropped;
} heard;

static int hear(void *data, const struct sl_event *event)
{
	(void)data;
	if (event->kind == SL_KIND_DROPS)
		heard.n_dropped += ((const struct sl_drops *)(const void *)event)->count;
	if (event->kind == SL_KIND_META && heard.n_notes < 4)
		(void)snprintf(heard.notes[heard.n_notes++], sizeof(heard.notes[0]), "%s",
			       ((const struct sl_meta *)(const void *)event)->text);
	return 0;
}

static size_t tell(struct samples_told told)
{
	memset(&heard, 0, sizeof(heard));
	assert_true(tell_lost(&told, (struct sink){ hear, NULL }) >= 0);
	return heard.n_notes;
}

static void nothing_is_said_of_nothing(void **state)
{
	(void)state;
	assert_int_equal(tell((struct samples_told){ .n_kept = 9 }), 0);
	assert_int_equal(heard.n_dropped, 0);
}

static void a_few_lost_anywhere_are_counted(void **state)
{
	(void)state;
	assert_int_equal(tell((struct samples_told){ .n_kept = 1000, .n_lost = 9, .n_late = 7 }),
			 0);
	assert_int_equal(heard.n_dropped, 16);
	assert_int_equal(tell((struct samples_told){ .n_kept = 1000, .n_lost = 90 }), 1);
	assert_non_null(strstr(heard.notes[0], "up to 90 stacks were lost, and 1000 kept"));
	assert_non_null(strstr(heard.notes[0], "--ring"));
}

/* They are all of the last run: nine in a thousand may be half of what it has. */
static void where_no_more_fits_is_always_said(void **state)
{
	(void)state;
	assert_int_equal(tell((struct samples_told){ .n_kept = 1000, .n_full = 9 }), 1);
	assert_int_equal(heard.n_dropped, 9);
	assert_non_null(strstr(heard.notes[0], "9 stacks were lost, and 991 kept"));
	assert_null(strstr(heard.notes[0], "--ring"));
	assert_int_equal(tell((struct samples_told){ .n_kept = 1000, .n_mappings = 3 }), 1);
	assert_non_null(strstr(heard.notes[0], "3 mappings were left out"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_said_of_nothing),
		cmocka_unit_test(a_few_lost_anywhere_are_counted),
		cmocka_unit_test(where_no_more_fits_is_always_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
