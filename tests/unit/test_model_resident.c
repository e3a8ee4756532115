/* SPDX-License-Identifier: MIT */
/* What resident memory consists of, and what of it counts once. */

#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define BEGIN                                                                                 \
	"0 meta source.bpf=ok\n0 meta source.shim=ok\n0 meta ready=file:/x\n0 mark 9 spawn\n" \
	"1ms exec 9 /x argv=x\n2ms task 10 parent=9\n"
#define READY "3ms mark 9 ready text=file:/x\n"
#define END   "9ms exit 10 code=0\n9ms exit 9 code=0\n"

static void pages_count_once(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN READY "3ms memory ready processes=2 now=310 peak=400 at=2ms\n"
			    "4ms resident 9 ready all areas=7 rss=200 pss=110 private=20 dirty=5\n"
			    "4ms resident 9 ready page_tables rss=11\n"
			    "4ms resident 9 ready heap areas=1 rss=150 pss=90 private=15\n"
			    "4ms resident 9 ready file rss=40 pss=15 private=2 text=/lib/l.so\n"
			    "4ms resident 9 ready own rss=10 pss=5 private=3\n"
			    "4ms resident 10 ready all rss=100 pss=50 private=10\n" END);
	const struct run *run = &s->runs[0];
	const struct resident_look *look = &run->processes[0].looks[LOOK_READY];

	assert_true(look->is_known);
	assert_int_equal(look->rss_bytes, 200);
	assert_int_equal(look->page_table_bytes, 11);
	assert_int_equal(look->n_parts, 3);
	assert_int_equal(look->parts[0].part, PART_HEAP);
	assert_int_equal(look->parts[1].part, PART_FILE);
	assert_string_equal(look->parts[1].name, "/lib/l.so");
	assert_false(run->processes[0].looks[LOOK_END].is_known);
	/* Without startline's own; of which the others have 35, and each of the two some. */
	assert_int_equal(run->ready_pss_bytes, 110 + 50 - 5);
	assert_int_equal(run->ready_shared_bytes, 155 - (20 + 10 - 3));
	assert_int_equal(run->ready_pss_error_bytes, 10);
	(void)session_free(s);
}

/* Each was looked at as it began: that adds up to nothing. */
static void beginnings_are_no_peak_and_of_the_last_image(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN READY "2500us resident 9 main all rss=100 pss=70 private=50\n"
				  "2500us resident 10 main all rss=900 pss=800 private=700\n"
				  "2600us resident 10 linked all rss=800 pss=800 private=700\n"
				  "3ms memory ready processes=2 now=310 peak=400 at=2ms\n"
				  "4ms resident 9 ready all rss=200 pss=110 private=20\n"
				  "4ms resident 10 ready all rss=100 pss=50 private=10\n"
				  "5ms exec 10 /y argv=y\n"
				  "6ms resident 10 linked all rss=7 pss=7 private=7\n" END);
	const struct run *run = &s->runs[0];

	assert_int_equal(run->peak_pss_bytes, 160);
	assert_int_equal(run->processes[0].looks[LOOK_MAIN].rss_bytes, 100);
	assert_int_equal(run->processes[1].looks[LOOK_LINKED].rss_bytes, 7);
	assert_false(run->processes[1].looks[LOOK_MAIN].is_known);
	(void)session_free(s);
}

static void the_peak_is_the_highest_look_and_may_be_higher(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN READY "3ms memory ready processes=2 now=310 peak=400 at=2ms\n"
				  "4ms resident 9 ready all rss=200 pss=110 private=20\n" END
				  "9ms memory exit processes=0 now=0 peak=400 at=2ms\n"
				  "9ms resident 9 peak all rss=350 pss=120 private=70\n"
				  "5ms resident 0 peak all rss=300 pss=190 private=70\n");
	const struct run *run = &s->runs[0];

	assert_int_equal(run->peak_pss_bytes, 190);
	assert_int_equal(run->peak_pss_error_bytes, 400 - 350);
	(void)session_free(s);
}

static void who_could_not_be_looked_at_leaves_no_sum(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN READY "4ms resident 9 ready all rss=200 pss=110 private=20\n"
				  "4ms resident 10 ready all result=EACCES\n" END);
	const struct run *run = &s->runs[0];

	assert_int_equal(run->ready_pss_bytes, UNKNOWN);
	assert_true(isnan(value_of(s, "mem.ready_pss")));
	assert_true(isnan(value_of(s, "mem.ready_shared")));
	assert_string_equal(run->pss_missing, "process 2 could not be looked at: EACCES");
	assert_true(run->processes[0].looks[LOOK_READY].is_known);
	assert_false(run->processes[1].looks[LOOK_READY].is_known);
	(void)session_free(s);
}

static void nobody_looked(void **state)
{
	(void)state;
	struct session *s = build(BEGIN READY END);
	assert_int_equal(s->runs[0].peak_pss_bytes, UNKNOWN);
	assert_int_equal(s->runs[0].ready_pss_bytes, UNKNOWN);
	assert_null(s->runs[0].pss_missing);
	(void)session_free(s);
}

static void hostile_numbers_leave_no_sum(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN READY
		"4ms resident 9 ready all rss=18446744073709551615 pss=9223372036854775807 private=1\n"
		"4ms resident 9 ready 99 rss=1\n4ms resident 9 77 heap rss=1\n"
		"4ms resident 10 ready heap rss=5\n"
		"4ms resident 10 ready all rss=9223372036854775807 pss=9223372036854775807 private=1\n" END);
	assert_int_equal(s->runs[0].ready_pss_bytes, UNKNOWN);
	assert_int_equal(s->runs[0].processes[1].looks[LOOK_READY].n_parts, 0);
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(beginnings_are_no_peak_and_of_the_last_image),
		cmocka_unit_test(pages_count_once),
		cmocka_unit_test(the_peak_is_the_highest_look_and_may_be_higher),
		cmocka_unit_test(who_could_not_be_looked_at_leaves_no_sum),
		cmocka_unit_test(nobody_looked),
		cmocka_unit_test(hostile_numbers_leave_no_sum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
