/* SPDX-License-Identifier: MIT */
/* What is printed of what resident memory consists of, and of which moment that is. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"
#include "userspace/view/report/report.h"

#define BEGIN                                                                                 \
	"0 meta source.bpf=ok\n0 meta source.shim=ok\n0 meta ready=file:/x\n0 mark 9 spawn\n" \
	"1ms exec 9 /x argv=x\n2ms task 10 parent=9\n"
#define READY                             \
	"3ms mark 9 ready text=file:/x\n" \
	"4ms resident 9 ready all rss=20000000 pss=11000000 private=2000000\n"
#define PEAK(memory)                                                                            \
	"9ms exit 10 code=0\n9ms exit 9 code=0\n9ms memory exit processes=0 now=0 " memory "\n" \
	"6ms resident 9 peak all rss=30000000 pss=12000000 private=7000000\n"                   \
	"6ms resident 9 peak heap areas=1 rss=25000000 pss=9000000 private=6000000\n"           \
	"6ms resident 10 peak all rss=16000000 pss=8000000 private=7000000\n"

static void assert_prints(const char *story, enum table_format format, const char *expected,
			  bool is_there)
{
	struct session *s = build(story);
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	assert_non_null(f);
	struct table *t = report_find("resident")->build(s, 0);
	struct page page = { .f = f, .format = format, .width = 200 };
	assert_int_equal(table_print(t, &page), 0);
	(void)fclose(f);
	if ((strstr(text, expected) != NULL) != is_there)
		fail_msg("%s'%s' in:\n%s", is_there ? "no " : "", expected, text);
	free(text);
	table_free(t);
	(void)session_free(s);
}

static void each_says_when_it_was_looked_at(void **state)
{
	(void)state;
	const char *story = BEGIN PEAK("peak=46500000 at=7ms");
	assert_prints(story, TABLE_TEXT, "peak, at 5.00 ms", true);
	assert_prints(story, TABLE_TEXT,
		      "peak: looked at 5.00 ms, when the tree had 46.0 MB of at most 46.5 MB",
		      true);
	assert_prints(story, TABLE_TEXT, "nobody looked", false);
	assert_prints(story, TABLE_CSV, ",1,peak,5000000,46000000,46500000,all,,30000000", true);
	assert_prints(story, TABLE_CSV, "peak, at", false);
	assert_prints(BEGIN READY PEAK("peak=46500000 at=7ms"), TABLE_TEXT, "ready, at 3.00 ms",
		      true);
}

static void a_process_is_seen_as_it_began(void **state)
{
	(void)state;
	const char *story =
		"0 meta source.bpf=ok\n0 meta source.shim=ok\n0 mark 9 spawn\n1ms exec 9 /x argv=x\n"
		"2ms mark 9 linked\n3ms mark 9 main\n2ms task 10 parent=9\n"
		"3100us resident 9 linked all rss=2000000 pss=1000000 private=500000\n"
		"3100us resident 9 linked file rss=2000000 text=/usr/lib/one.so\n"
		"3500us resident 9 main all rss=2500000 pss=1000000 private=600000\n"
		"3500us resident 9 main file rss=2500000 text=/usr/lib/two.so\n"
		"3600us resident 10 main all rss=1500000 pss=1500000 private=500000\n" PEAK(
			"peak=46500000 at=7ms");
	assert_prints(story, TABLE_TEXT, "linked, at 2.10 ms", true);
	assert_prints(story, TABLE_TEXT, "main, at 2.50 ms", true);
	assert_prints(story, TABLE_TEXT, "one.so", true);
	assert_prints(story, TABLE_TEXT, "linked: looked at 2.10 ms, 1.10 ms after", true);
	assert_prints(story, TABLE_TEXT, "main: looked at 2.50 ms, 500 us after", true);
	/* Of others programs are told alone. */
	assert_prints(story, TABLE_TEXT, "1.5 MB", false);
	assert_prints(story, TABLE_CSV, ",2,main,2600000,,46500000,all,,1500000", true);
}

static void what_does_not_stand_for_the_peak_says_so(void **state)
{
	(void)state;
	assert_prints(
		BEGIN PEAK("peak=52000000 at=8ms"), TABLE_TEXT,
		"nobody looked when it had most: the parts are not those of the peak of 52.0 MB",
		true);
}

static void a_peak_that_lags_behind_or_is_unknown_is_no_riddle(void **state)
{
	(void)state;
	assert_prints(BEGIN PEAK("peak=45000000 at=7ms"), TABLE_TEXT,
		      "had 46.0 MB of at most 46.0 MB", true);
	assert_prints(BEGIN PEAK("peak=18446744073709551615"), TABLE_TEXT, "of at most", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_says_when_it_was_looked_at),
		cmocka_unit_test(a_process_is_seen_as_it_began),
		cmocka_unit_test(what_does_not_stand_for_the_peak_says_so),
		cmocka_unit_test(a_peak_that_lags_behind_or_is_unknown_is_no_riddle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
