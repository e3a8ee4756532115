/* SPDX-License-Identifier: MIT */
/* hyperfine's export as a session. */

#include "tests/unit/foreign_files.h"

static void one_command_has_our_metrics(void **state)
{
	(void)state;
	struct session *s = must_read("hyperfine.json");
	assert_int_equal(s->n_series, 4);
	assert_int_equal(s->n_runs, 0);
	assert_int_equal(s->command.n, 1);
	assert_string_equal(s->command.items[0], "./serve --mode memory");
	check_values(s, "time.wall", 400e6, 410e6, 410e6, 430e6);
	check_values(s, "mem.peak_rss", 52428800, 52432896, 52428800, 52436992);
	check_value(must_find(s, "time.wall")->summary.median, 410e6);
	const struct series *user = must_find(s, "cpu.user");
	assert_true(user->is_summary);
	check_value(user->summary.mean, 310e6);
	check_value(user->summary.median, NAN);
	check_value(must_find(s, "cpu.system")->summary.mean, 62.5e6);
	assert_int_equal(s->n_notes, 2);
	assert_string_equal(s->notes[1], "1 runs of './serve --mode memory' failed");
	(void)session_free(s);
}

static void several_commands_are_told_apart(void **state)
{
	(void)state;
	struct session *s = must_read("hyperfine-scan.json");
	assert_int_equal(s->command.n, 0);
	check_values(s, "time.wall[encode (level = 1)]", 500e6);
	const struct series *summary = must_find(s, "time.wall[encode (level = 2)]");
	assert_true(summary->is_summary);
	check_value(summary->summary.median, 750e6);
	check_value(summary->summary.stddev, 125e6);
	check_value(summary->summary.min, 625e6);
	check_value(summary->summary.max, 875e6);
	check_values(s, "time.wall[sleep 1]", 1e9);
	check_values(s, "time.wall[sleep 1 #2]", 1.5e9);
	check_metric(s, "time.wall[sleep 1]", UNIT_NS, BETTER_LOWER, CLASS_TIME);
	(void)session_free(s);
}

/* Trying each number for each of them would take minutes. */
static void many_results_of_one_command_are_counted(void **state)
{
	enum { N = 40000 };
	(void)state;
	static const char result[] = "{\"command\":\"a\",\"times\":[1]}";
	_cleanup_(buf_done) struct buf text;
	struct session *s = NULL;
	buf_init(&text, (size_t)N * sizeof(result) + 100);
	(void)buf_adds(&text, "{\"results\":[");
	for (size_t i = 0; i < N; i++)
		(void)buf_addf(&text, "%s%s", i > 0 ? "," : "", result);
	(void)buf_adds(&text, ",{\"command\":\"a #2\",\"times\":[3]}]}");
	assert_int_equal(read_text(buf_str(&text), &s), 0);
	assert_int_equal(s->n_series, N + 1);
	check_values(s, "time.wall[a #40000]", 1e9);
	check_values(s, "time.wall[a #2 #2]", 3e9);
	(void)session_free(s);
}

static void damage_is_named_with_its_place(void **state)
{
	(void)state;
	check_refused("{\"results\":[{\"command\":\"a\",\"times\":[1,\"2\"]}]}",
		      "'x': time.wall: a value that is not a number");
	check_refused("{\"results\":[\n{\"mean\":1,\"command\":3}]}",
		      "'x': results[0]: it has no command");
	check_refused("{\"results\":[\n{\"command\":\"a\",\n\"mean\":",
		      "'x': line 3: it ends in the middle");
	check_refused("{\"results\":[{\"command\":\"a\"}]}", "'x': there is no result in it");
	check_not_recognised("{\"results\":[]}");
	check_not_recognised("{\"results\":{\"command\":1}}");
	check_not_recognised("");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_command_has_our_metrics),
		cmocka_unit_test(several_commands_are_told_apart),
		cmocka_unit_test(many_results_of_one_command_are_counted),
		cmocka_unit_test(damage_is_named_with_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
