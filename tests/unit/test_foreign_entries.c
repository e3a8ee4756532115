/* SPDX-License-Identifier: MIT */
/* FILE#ENTRY: which entries are chosen, and what their metrics are then called. */

#include <unistd.h>

#include "tests/unit/foreign_files.h"

static const char rows[] =
	"name,value,unit\n"
	"bench[old/8],1,ns\nbench.cpu[old/8],2,ns\nbench[old/64],3,ns\n"
	"bench[new/8],4,ns\nbench[a*],5,ns\nbench[ab],9,ns\nfirst,6,B\ntime.wall[x],7,s\n"
	"time.wall[y],8,B\n";

static struct session *chosen(const char *which)
{
	struct session *s = NULL;
	assert_int_equal(read_text(rows, &s), 0);
	said_begin();
	const int r = foreign_select(s, which, "f");
	log_set_sink(NULL, NULL);
	if (r == 0)
		return s;
	return session_free(s);
}

static void of_one_entry_the_name_leaves_the_ids(void **state)
{
	(void)state;
	struct session *s = chosen("old/8");
	assert_int_equal(s->n_series, 2);
	check_values(s, "bench", 1);
	check_values(s, "bench.cpu", 2);
	check_metric(s, "bench", UNIT_NS, BETTER_LOWER, CLASS_TIME);
	assert_string_equal(s->notes[s->n_notes - 1], "only its entry 'old/8'");
	(void)session_free(s);
	/* The metric of that name, in its class. */
	s = chosen("x");
	check_values(s, "time.wall", 7e9);
	assert_ptr_equal(s->series[0].metric, metrics_row("time.wall"));
	(void)session_free(s);
	s = chosen("first");
	check_values(s, "value", 6);
	check_metric(s, "value", UNIT_BYTES, BETTER_LOWER, CLASS_SIZE);
	(void)session_free(s);
}

static void of_several_the_fixed_part_of_the_glob_does(void **state)
{
	(void)state;
	struct session *s = chosen("old/*");
	assert_int_equal(s->n_series, 3);
	check_values(s, "bench[8]", 1);
	check_values(s, "bench.cpu[8]", 2);
	check_values(s, "bench[64]", 3);
	(void)session_free(s);
	s = chosen("*/8");
	check_values(s, "bench[old]", 1);
	check_values(s, "bench[new]", 4);
	(void)session_free(s);
	/* A name is first meant as it is. */
	s = chosen("a*");
	assert_int_equal(s->n_series, 1);
	check_values(s, "bench", 5);
	(void)session_free(s);
}

static void what_is_not_there_is_said(void **state)
{
	(void)state;
	assert_null(chosen("none"));
	assert_string_equal(said, "'f': it has no entry 'none'; there are 'old/8', 'old/64', "
				  "'new/8', 'a*', 'ab', 'first', 'x', 'y'");
	assert_null(chosen("y"));
	assert_string_equal(said, "time.wall is measured in ns, not in bytes");
}

static void check_split(const char *ref, const char *path, const char *entry)
{
	_cleanup_(buf_done) struct buf ret = { .limit = PATH_MAX };
	const char *found = foreign_entry(ref, &ret);
	assert_string_equal(buf_str(&ret), path);
	if (entry == NULL)
		assert_null(found);
	else
		assert_string_equal(found, entry);
}

static void a_name_that_exists_is_not_split(void **state)
{
	(void)state;
	char directory[] = "/tmp/startline-entries.XXXXXX";
	char plain[64], hash[64], both[80], missing[80];
	assert_non_null(mkdtemp(directory));
	(void)snprintf(plain, sizeof(plain), "%s/f", directory);
	(void)snprintf(hash, sizeof(hash), "%s/f#1", directory);
	(void)snprintf(both, sizeof(both), "%s/f#1#a #2", directory);
	(void)snprintf(missing, sizeof(missing), "%s/f#2", directory);
	assert_int_equal(fclose(fopen(plain, "w")), 0);
	check_split(hash, plain, "1");
	assert_int_equal(fclose(fopen(hash, "w")), 0);
	check_split(hash, hash, NULL);
	check_split(both, hash, "a #2");
	check_split(missing, plain, "2");
	check_split("no-such-file#a", "no-such-file#a", NULL);
	(void)unlink(plain);
	(void)unlink(hash);
	(void)rmdir(directory);
}

/* A session document has room for its own notes, and no more. */
static void results_are_put_together_and_recordings_are_not(void **state)
{
	(void)state;
	struct session *into = NULL, *other = NULL;
	struct run run = { 0 };
	const double value = 23;
	assert_int_equal(session_new(&into), 0);
	assert_int_equal(session_new(&other), 0);
	assert_int_equal(session_add_note(into, "a note"), 0);
	assert_int_equal(session_add_values(into, "time.wall", metrics_row("time.wall"), &value, 1),
			 0);
	assert_int_equal(
		session_add_values(other, "time.wall", metrics_row("time.wall"), &value, 1), 0);
	assert_int_equal(foreign_merge(into, &other, 1, "x"), 0);
	assert_int_equal(into->n_notes, 2);
	assert_string_equal(into->notes[0], "a note");
	for (int side = 0; side < 2; side++) {
		struct session *of_runs = side == 0 ? into : other;
		of_runs->runs = &run;
		of_runs->n_runs = 1;
		assert_int_equal(foreign_merge(into, &other, 1, "x"), -EBADMSG);
		of_runs->runs = NULL;
		of_runs->n_runs = 0;
	}
	(void)session_free(into);
	(void)session_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_are_put_together_and_recordings_are_not),
		cmocka_unit_test(of_one_entry_the_name_leaves_the_ids),
		cmocka_unit_test(of_several_the_fixed_part_of_the_glob_does),
		cmocka_unit_test(what_is_not_there_is_said),
		cmocka_unit_test(a_name_that_exists_is_not_split),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
