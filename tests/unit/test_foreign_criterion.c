/* SPDX-License-Identifier: MIT */
/* Directories of criterion.rs, with keys of new and of old versions. */

#include "tests/unit/foreign_files.h"

#include <sys/stat.h>
#include <unistd.h>

static void the_last_run_is_the_default(void **state)
{
	(void)state;
	struct session *s = must_read("criterion");
	/* Time by iterations; the estimates are not needed then. */
	check_values(s, "bench[fib]", 23, 25, 27);
	check_values(s, "bench[store/get/4096]", 43, 47);
	/* [[iterations], [times]], and a name from the directories. */
	check_values(s, "bench[old]", 17, 19);
	check_metric(s, "bench[fib]", UNIT_NS, BETTER_LOWER, CLASS_TIME);
	assert_int_equal(s->n_series, 3);
	(void)session_free(s);
}

static void a_baseline_is_chosen_by_name(void **state)
{
	(void)state;
	struct session *s = must_read("criterion@base");
	check_values(s, "bench[fib]", 20, 20, 20);
	assert_int_equal(s->n_series, 1);
	(void)session_free(s);
	s = must_read("criterion/fib/base");
	check_values(s, "bench[fib]", 20, 20, 20);
	(void)session_free(s);
}

static void estimates_stand_in_for_samples(void **state)
{
	(void)state;
	struct session *s = must_read("criterion@main");
	const struct series *series = must_find(s, "bench[store/get/4096]");
	assert_true(series->is_summary);
	check_value(series->summary.mean, 41);
	check_value(series->summary.median, 41.5);
	check_value(series->summary.mad, 1);
	check_value(series->summary.stddev, 2);
	check_value(series->summary.ci95_low, 39.5);
	check_value(series->summary.ci95_high, 43.5);
	(void)session_free(s);
	s = must_read("criterion@before");
	check_value(must_find(s, "bench[old]")->summary.median, 18);
	check_value(must_find(s, "bench[old]")->summary.stddev, 1.5);
	(void)session_free(s);
}

static void not_recognised(const char *path)
{
	struct session *s = NULL;
	assert_int_equal(foreign_read(NULL, 0, path, &s), 0);
	assert_null(s);
}

static void other_directories_are_none(void **state)
{
	(void)state;
	not_recognised(FOREIGN_DATA "criterion@nobody");
	/* Relative differences are no times. */
	not_recognised(FOREIGN_DATA "criterion@change");
	not_recognised(FOREIGN_DATA "criterion/store/report");
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* That the message is about the file, and ends with these words. */
static void check_damaged(const char *root, const char *sample, const char *words)
{
	struct session *s = NULL;
	put("new/sample.json", sample);
	said_begin();
	assert_int_not_equal(foreign_read(NULL, 0, root, &s), 0);
	log_set_sink(NULL, NULL);
	assert_null(s);
	assert_non_null(strstr(said, "/new/sample.json"));
	assert_true(strlen(said) > strlen(words));
	assert_string_equal(said + strlen(said) - strlen(words), words);
}

static void damage_is_named_with_its_file(void **state)
{
	(void)state;
	char root[] = "/tmp/startline-test.XXXXXX";
	assert_non_null(mkdtemp(root));
	/* The last test: the others read files of the source tree. */
	assert_int_equal(chdir(root), 0);
	assert_int_equal(mkdir("new", 0700), 0);
	check_damaged(root, "{\"iters\":[1],\"times\":[1,2]}", ": expected as many times as iters");
	check_damaged(root, "{\"iters\":[0],\"times\":[1]}", ": expected a number");
	check_damaged(root, "{\"iters\":[1],\n\"times\"", "': line 2: it ends in the middle");
	assert_int_equal(unlink("new/sample.json"), 0);
	assert_int_equal(rmdir("new"), 0);
	assert_int_equal(rmdir(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_run_is_the_default),
		cmocka_unit_test(a_baseline_is_chosen_by_name),
		cmocka_unit_test(estimates_stand_in_for_samples),
		cmocka_unit_test(other_directories_are_none),
		cmocka_unit_test(damage_is_named_with_its_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
