/* SPDX-License-Identifier: MIT */
/* Rows of name, value, unit. */

#include "tests/unit/foreign_files.h"

static void rows_of_one_name_are_samples(void **state)
{
	(void)state;
	struct session *s = must_read("rows.csv");
	assert_int_equal(s->n_series, 5);
	check_values(s, "latency, p50", 10.5e6, 11.5e6);
	check_metric(s, "latency, p50", UNIT_NS, BETTER_LOWER, CLASS_TIME);
	check_values(s, "throughput", 2300);
	check_metric(s, "throughput", UNIT_COUNT, BETTER_HIGHER, CLASS_SIZE);
	check_values(s, "time.wall", 3.25e9);
	assert_ptr_equal(must_find(s, "time.wall")->metric, metrics_row("time.wall"));
	check_values(s, "download", 1572864);
	check_metric(s, "download", UNIT_BYTES, BETTER_LOWER, CLASS_SIZE);
	check_values(s, "misses", NAN);
	(void)session_free(s);
}

static void columns_go_by_their_titles(void **state)
{
	(void)state;
	struct session *s = must_read("rows-semicolon.csv");
	check_values(s, "a", 1.5e9);
	check_metric(s, "a", UNIT_NS, BETTER_HIGHER, CLASS_TIME);
	check_metric(s, "b", UNIT_COUNT, BETTER_NEITHER, CLASS_EXACT);
	check_metric(s, "heap.allocs", UNIT_COUNT, BETTER_LOWER, CLASS_EXACT);
	(void)session_free(s);
}

static void json_rows_are_the_same(void **state)
{
	(void)state;
	struct session *s = must_read("rows.json");
	check_values(s, "startup/memory", 410.5e6, NAN);
	check_values(s, "queries", 23, 41, 43);
	check_metric(s, "queries", UNIT_COUNT, BETTER_HIGHER, CLASS_SIZE);
	check_values(s, "share", 0.125);
	check_metric(s, "share", UNIT_RATIO, BETTER_NEITHER, CLASS_RATIO);
	(void)session_free(s);
	s = must_read("rows.jsonl");
	check_values(s, "a", 41e3, 43e3);
	check_values(s, "mem.peak_rss", 2048);
	(void)session_free(s);
}

static void a_byte_order_mark_is_no_text(void **state)
{
	(void)state;
	struct session *s = NULL;
	assert_int_equal(read_text("\xef\xbb\xbfname,value\r\na,1\r\n", &s), 0);
	check_values(s, "a", 1);
	(void)session_free(s);
}

static void damage_is_named_with_its_line(void **state)
{
	(void)state;
	check_refused("name,value\na,1\nb,1x\n", "'x': line 3: '1x' is not a number");
	check_refused("name,value\na\n", "'x': line 2: it has no value");
	check_refused("name,value\n,1\n", "'x': line 2: it has no name");
	check_refused("name,value\na,1\n\"b,2\n", "'x': line 3: a quote is not closed");
	check_refused("name,value,unit\na,1,s\na,1,B\n", "'x': a comes in ns and in bytes");
	check_refused("name,value,unit\ntime.wall,1,MB\n",
		      "'x': time.wall is measured in ns, not in bytes");
	check_refused("name,value,better\na,1,up\n",
		      "'x': line 2: better is lower, higher or neither");
	check_refused("name,value\n", "'x': there is no result in it");
	check_refused("[{\"name\":\"a\",\"value\":\"1\"}]", "'x': [0]: its value is not a number");
	check_refused("{\"name\":\"a\",\"value\":1}\n{\"name\":\"b\",",
		      "'x': line 2: it ends in the middle");
	check_not_recognised("names,values\na,1\n");
	check_not_recognised("[1,2]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_one_name_are_samples),
		cmocka_unit_test(columns_go_by_their_titles),
		cmocka_unit_test(json_rows_are_the_same),
		cmocka_unit_test(a_byte_order_mark_is_no_text),
		cmocka_unit_test(damage_is_named_with_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
