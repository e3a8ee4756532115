/* SPDX-License-Identifier: MIT */
/* CSV that hyperfine 1.15 and Google Benchmark 1.7.1 wrote: what their JSON says, it says too. */

#include "tests/unit/foreign_files.h"

static void hyperfine_keeps_its_statistics(void **state)
{
	(void)state;
	struct session *s = must_read("hyperfine.csv");
	const struct summary *wall = &must_find(s, "time.wall[a, quick]")->summary;
	check_value(wall->mean, 3550392.7500000003);
	check_value(wall->median, 3830914.0000000004);
	check_value(wall->stddev, 1200703.3966497515);
	check_value(wall->min, 1932665);
	check_value(wall->max, 4607078.0000000006);
	check_value(must_find(s, "cpu.user[a, quick]")->summary.mean, 1303000);
	(void)session_free(s);
	s = must_read("hyperfine-scan.csv");
	check_value(must_find(s, "time.wall[sleep 0.02]")->summary.median, 23659445);
	(void)session_free(s);
	assert_int_equal(read_text("command,mean,stddev,median,user,system,min,max,parameter_n\n"
				   "7,1,,1,0.5,0.25,1,1,3\n7,2,,2,0.5,0.25,2,2,4\n",
				   &s),
			 0);
	check_value(must_find(s, "time.wall[7 (n = 4)]")->summary.mean, 2e9);
	check_value(must_find(s, "time.wall[7 (n = 4)]")->summary.stddev, NAN);
	(void)session_free(s);
}

static void google_benchmark_keeps_its_repetitions(void **state)
{
	(void)state;
	struct session *s = must_read("gbench.csv");
	check_values(s, "bench[BM_copy/8/min_time:0.010/repeats:3]", 4.12122, 4.13477, 4.02392);
	check_values(s, "bench.hits[BM_copy/8/min_time:0.010/repeats:3]", 3, 3, 3);
	check_metric(s, "bench.bytes_per_second[BM_copy/8/min_time:0.010/repeats:3]", UNIT_BYTES,
		     BETTER_HIGHER, CLASS_SIZE);
	check_values(s, "bench[BM_ms/iterations:3]", 50255.7);
	assert_string_equal(s->notes[1], "BM_broken: nothing to read");
	assert_int_equal(s->n_series, 6);
	(void)session_free(s);
}

static void google_benchmark_may_give_statistics_only(void **state)
{
	(void)state;
	struct session *s = NULL;
	assert_int_equal(read_text("name,iterations,real_time,cpu_time,time_unit\n"
				   "\"a_mean\",5,2,1,us\n\"a_median\",5,3,1,us\n"
				   "\"a_stddev\",5,0.5,nan,us\n\"a_cv\",5,0.25,0.1,us\n"
				   "\"no_mean\",9,4,4,us\n",
				   &s),
			 0);
	const struct summary *a = &must_find(s, "bench[a]")->summary;
	assert_int_equal(a->n, 5);
	check_value(a->mean, 2e3);
	check_value(a->median, 3e3);
	check_value(a->stddev, 500);
	check_values(s, "bench[no_mean]", 4e3);
	(void)session_free(s);
}

static void damage_is_named_with_its_line(void **state)
{
	(void)state;
	check_refused("name,iterations,real_time,cpu_time,time_unit\na,1,soon,1,us\n",
		      "'x': line 2: 'soon' is not a number");
	check_refused("name,iterations,real_time,cpu_time,time_unit\na,1,1,1,us,7\n",
		      "'x': line 2: more fields than titles");
	check_refused("name,iterations,real_time,cpu_time,time_unit\n\"a,1,1,1,us\n",
		      "'x': line 2: a quote is not closed");
	check_refused("command,mean,stddev,median,user,system\n", "'x': there is no result in it");
}

/* What is sniffed is the beginning. */
static void a_byte_of_zeroes_far_behind_is_no_text(void **state)
{
	(void)state;
	static const char *const titles[] = { "name,value,unit\n",
					      "command,mean,stddev,median,user,system,min,max\n" };
	const size_t length = 2 << 20;
	char *text = malloc(length);
	assert_non_null(text);
	for (size_t i = 0; i < 2; i++) {
		struct session *s = NULL;
		for (size_t at = 0; at < length; at++)
			text[at] = at % 8 == 7 ? '\n' : "a,1,ms  "[at % 8];
		memcpy(text, titles[i], strlen(titles[i]));
		text[length - 100] = '\0';
		assert_int_equal(foreign_read(text, length, "x", &s), -EBADMSG);
		assert_null(s);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hyperfine_keeps_its_statistics),
		cmocka_unit_test(google_benchmark_keeps_its_repetitions),
		cmocka_unit_test(google_benchmark_may_give_statistics_only),
		cmocka_unit_test(damage_is_named_with_its_line),
		cmocka_unit_test(a_byte_of_zeroes_far_behind_is_no_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
