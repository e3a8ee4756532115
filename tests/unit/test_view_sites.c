/* SPDX-License-Identifier: MIT */
/* What is printed of the code that holds the heap. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/heap_story.h"
#include "tests/unit/stories.h"
#include "userspace/view/report/report.h"

#define STORY HEAP_BEGIN HEAP_RUN HEAP_SITES("3000000", "547723", "30", "4100000")

/* To be freed. */
static char *printed(const char *story, const char *view, enum table_format format)
{
	struct session *s = build(story);
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	assert_non_null(f);
	struct table *t = report_find(view)->build(s, 0);
	struct page page = { .f = f, .format = format, .width = 80 };
	assert_int_equal(table_print(t, &page), 0);
	(void)fclose(f);
	table_free(t);
	(void)session_free(s);
	return text;
}

static void assert_prints(const char *story, const char *view, enum table_format format,
			  const char *const *expected)
{
	char *text = printed(story, view, format);
	for (size_t i = 0; expected[i] != NULL; i++)
		if (strstr(text, expected[i]) == NULL)
			fail_msg("no '%s' in:\n%s", expected[i], text);
	free(text);
}
#define PRINTS(story, view, format, ...) \
	assert_prints(story, view, format, (const char *const[]){ __VA_ARGS__, NULL })

static void who_holds_the_heap_is_told_with_intervals(void **state)
{
	(void)state;
	/* 3 of 4 samples; 4.1 MB were counted. */
	PRINTS(STORY, "sites", TABLE_TEXT,
	       "\nlive when ready           4.1 MB                             308  40\n"
	       "  load_catalog    app     3.1 MB  75 % (60-86)    3.1 MB     236  30\n"
	       "  parse           app     1.0 MB  25 % (14-40)    1.0 MB      72  10\n",
	       "\nnever freed", "\nfreed at once", ", 50 blocks;",
	       "what was counted (heap.ready, heap.peak,\n  heap.exit)");
	PRINTS(STORY, "sites", TABLE_CSV, "main,0,0,4100000,1,", ",main,/bin/app,ready,");
}

#define LONG_CODE                                                                          \
	"0 module /bin/program_of_a_long_name id=1 type=file\n"                            \
	"0 frame id=1 module=1 offset=16\n0 function main frame=1\n0 stack id=1 frame=1\n" \
	"0 frame id=2 module=1 offset=32\n0 function load_the_whole_catalog frame=2\n"     \
	"0 stack id=3 frame=2 caller=1\n0 frame id=4 module=1 offset=64\n"                 \
	"0 function parse frame=4\n0 stack id=4 frame=4 caller=1\n"

static void a_function_keeps_the_room_and_its_module_gives_it(void **state)
{
	(void)state;
	PRINTS(HEAP_BOTH LONG_CODE "0 meta design.heap=sample=100k\n" HEAP_RUN HEAP_SITES(
		       "3000000", "547723", "30", "4100000"),
	       "sites", TABLE_TEXT, "  load_the_whole_catalog  pro...name  ");
}

static void the_calls_that_led_to_it_are_a_tree(void **state)
{
	(void)state;
	PRINTS(STORY, "site-calls", TABLE_TEXT, "Calls that led to the heap when ready\n",
	       "\nmain                     4.1 MB   100 %     0 B   0\n"
	       "  load_catalog > malloc  3.1 MB  75.0 %  3.1 MB  30\n"
	       "  parse                  1.0 MB  25.0 %  1.0 MB  10\n");
}

static void without_sites_it_is_said_what_to_type(void **state)
{
	(void)state;
	PRINTS(HEAP_BOTH HEAP_RUN "9ms heap 9 exit since=1ms malloc=5\n9ms exit 9 code=0\n",
	       "sites", TABLE_TEXT, "no call sites recorded: use --heap sample");
}

static void the_report_names_who_holds_most(void **state)
{
	(void)state;
	struct session *s = build(STORY);
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	struct page page = { .f = f, .format = TABLE_TEXT, .width = 120 };
	assert_non_null(f);
	assert_int_equal(report_print(s, &page), 0);
	(void)fclose(f);
	assert_non_null(strstr(text, "when ready 3.1 MB by load_catalog (60-86 %), 1.0 MB by parse "
				     "(14-40 %); --view sites\n"));
	free(text);
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_holds_the_heap_is_told_with_intervals),
		cmocka_unit_test(a_function_keeps_the_room_and_its_module_gives_it),
		cmocka_unit_test(the_calls_that_led_to_it_are_a_tree),
		cmocka_unit_test(the_report_names_who_holds_most),
		cmocka_unit_test(without_sites_it_is_said_what_to_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
