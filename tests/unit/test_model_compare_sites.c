/* SPDX-License-Identifier: MIT */
/* Whose heap has grown: rows by function that add up to what was counted. */

#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/heap_story.h"
#include "tests/unit/stories.h"
#include "userspace/model/compare/compare.h"

#define SMALL HEAP_BEGIN HEAP_RUN HEAP_SITES("3000000", "547723", "30", "4100000")
#define LARGE HEAP_BEGIN HEAP_RUN HEAP_SITES("6200000", "787401", "62", "7300003")
#define ALIKE HEAP_BEGIN HEAP_RUN HEAP_SITES("3200000", "565685", "32", "4250000")
#define UNSAMPLED                                                                             \
	HEAP_BOTH HEAP_RUN "4ms heap 9 ready since=1ms malloc=23 live=5000000 peak=5000000\n" \
			   "9ms heap 9 exit since=1ms malloc=41 live=5000000\n9ms exit 9 code=0\n"

static struct session *base, *head;
static struct comparison *comparison;

static void compare(const char *base_story, const char *head_story)
{
	base = build(base_story);
	head = build(head_story);
	assert_int_equal(comparison_build(base, head, 0.99, &comparison), 0);
}

static int teardown(void **state)
{
	(void)state;
	comparison = comparison_free(comparison);
	base = session_free(base);
	head = session_free(head);
	return 0;
}

static const struct site_row *row_of(const char *metric, const char *function)
{
	for (size_t i = 0; i < comparison->n_sites; i++) {
		const struct site_row *row = &comparison->sites[i];
		if (strcmp(row->metric, metric) == 0 &&
		    (function == NULL
			     ? row->function == NULL
			     : row->function != NULL && strcmp(row->function, function) == 0))
			return row;
	}
	return NULL;
}

static int64_t sum_of(const char *metric)
{
	int64_t sum = 0;
	for (size_t i = 0; i < comparison->n_sites; i++)
		if (strcmp(comparison->sites[i].metric, metric) == 0)
			sum += comparison->sites[i].delta;
	return sum;
}

static void rows_add_up_to_what_was_counted(void **state)
{
	(void)state;
	static const char *const ids[] = { "heap.ready", "heap.peak", "heap.exit" };
	compare(SMALL, LARGE);
	assert_true(comparison->has_sites);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(sum_of(ids[i]), 7300003 - 4100000);
		const struct site_row *row = row_of(ids[i], "load_catalog");
		assert_non_null(row);
		assert_string_equal(row->module, "");
		assert_true(row->delta > 3000000 && row->delta < 3400000);
	}
	/* 10 samples each say nothing about a small change. */
	assert_null(row_of("heap.ready", "parse"));
	assert_non_null(row_of("heap.ready", NULL));
}

static void chance_is_no_row(void **state)
{
	(void)state;
	compare(SMALL, ALIKE);
	assert_int_equal(comparison->n_sites, 3);
	assert_null(comparison->sites[0].function);
	assert_int_equal(sum_of("heap.ready"), 150000);
}

static void one_side_is_not_enough(void **state)
{
	(void)state;
	compare(UNSAMPLED, SMALL);
	assert_false(comparison->has_sites);
	assert_int_equal(comparison->n_sites, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(rows_add_up_to_what_was_counted, teardown),
		cmocka_unit_test_teardown(chance_is_no_row, teardown),
		cmocka_unit_test_teardown(one_side_is_not_enough, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
