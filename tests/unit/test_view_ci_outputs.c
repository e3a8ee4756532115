/* SPDX-License-Identifier: MIT */
/* The verdict outputs: what is in them, in which order, and how long they get. That hostile texts are
 * inert is checked by real readers in tests/e2e/ci_outputs.bats. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_outcomes.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/view/ci/ci.h"
#include "userspace/view/ci/internal.h"

static char *printed(const char *format, const struct samples *s)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	assert_non_null(f);
	assert_int_equal(ci_output_find(format)->print(s->outcomes, s->n, f), 0);
	(void)fclose(f);
	return text;
}

static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;
	for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
		n++;
	return n;
}

static void outputs_are_found_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(ci_output_find("json"), &ci_outputs[0]);
	assert_null(ci_output_find("html"));
	assert_null(ci_output_find(""));
}

static void rows_are_worst_first(void **state)
{
	(void)state;
	struct samples s;
	struct ci_rows rows;
	samples_some(&s);
	assert_int_equal(ci_rows_collect(s.outcomes, s.n, &rows), 0);
	assert_int_equal(rows.n, 10);
	assert_int_equal(outcomes_severity(s.outcomes, s.n), SEVERITY_TARGET_FAILED);
	for (size_t i = 1; i < rows.n; i++)
		assert_true(rows.items[i - 1].severity <= rows.items[i].severity);
	/* Of two that failed the one that is further over: +25.5 % against +15 %. */
	assert_int_equal(rows.items[1].severity, SEVERITY_FAILED);
	assert_false(rows.items[1].judgement->is_budget);
	vec_done(&rows);
	samples_done(&s);
}

static void a_regression_names_its_cause(void **state)
{
	(void)state;
	struct samples s;
	samples_some(&s);
	_cleanup_free_ char *github = printed("github", &s);
	assert_non_null(strstr(github, "regressed; +117 ms connect in main: tcp 127.0.0.1:5432"));
	_cleanup_free_ char *junit = printed("junit", &s);
	assert_non_null(strstr(junit, "\n+117 ms main connect tcp 127.0.0.1:5432</failure>"));
	samples_done(&s);
}

static void markdown_says_all_that_a_reviewer_asks(void **state)
{
	(void)state;
	struct samples s;
	samples_some(&s);
	_cleanup_free_ char *text = printed("markdown", &s);
	static const char *const wanted[] = {
		"<!-- startline: startline.yml -->\n",
		"- 🔴 memory mode: regressed: startup.ready 458 ms -&gt; 575 ms (+25.5 %), +117 ms "
		"connect in main: tcp 127.0.0.1:5432\n",
		"| 🔴 regressed | \\+117 ms connect in main: tcp 127.0.0.1:5432 | memory mode | "
		"startup.ready | baseline &#64;&#8288;main +10 % | 575 ms | 458 ms | \\+25.5 % | - |\n",
		"| 🔴 over budget |  | memory mode | startup.ready | &lt; 500 ms | 575 ms | - | - | "
		"0.87 x |\n",
		"<details><summary>2 passed</summary>\n\n| status | why |",
		"about 12 more runs would decide it",
		"12 interleaved pairs, 1 repeated, seed 18446744073709551615",
		"### where it comes from",
		"together +117 ms of 458 ms",
		"### Witnesses",
		"| net.connects | 1 | 2 | \\+100 % |",
		"### Findings",
		"early-listen",
		"Environment: A CPU, 2 CPUs, Linux 6.1.0, glibc 2.36.",
		"    startline check -f startline.yml 'distributed mode'\n",
	};
	for (size_t i = 0; i < N_OF_SAMPLES(wanted); i++) {
		if (strstr(text, wanted[i]) == NULL)
			fail_msg("'%s' is missing in:\n%s", wanted[i], text);
	}
	samples_done(&s);
}

static void the_key_of_the_comment_cannot_leave_its_marker(void **state)
{
	(void)state;
	struct samples s;
	samples_some(&s);
	assert_int_equal(setenv("STARTLINE_KEY", "x86 --> <b>--", 1), 0);
	_cleanup_free_ char *text = printed("markdown", &s);
	assert_int_equal(unsetenv("STARTLINE_KEY"), 0);
	static const char marker[] = "<!-- startline: x86_-____b_-_ -->\n";
	assert_memory_equal(text, marker, sizeof(marker) - 1);
	samples_done(&s);
}

static void withheld_verdicts_say_why(void **state)
{
	(void)state;
	struct samples s;
	samples_some(&s);
	s.outcomes[0].control_differs = true;
	_cleanup_free_ char *text = printed("markdown", &s);
	assert_non_null(strstr(text, "The control arm, which runs base against itself, shows"));
	samples_done(&s);
}

static void comments_stay_below_the_limit_and_say_what_was_cut(void **state)
{
	(void)state;
	static const char *const texts[] = { "scenario",
					     "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@" };
	for (size_t i = 0; i < N_OF_SAMPLES(texts); i++) {
		struct samples s;
		samples_many(&s, 3000, texts[i]);
		_cleanup_free_ char *text = printed("markdown", &s);
		assert_true(strlen(text) <= 65536);
		assert_true(strlen(text) > 30000);
		/* Red ones first: no yellow row may push one out. */
		assert_null(strstr(text, "🟡"));
		const char *cut = strstr(text, "\nCut to fit: ");
		size_t n_rows = 0, n_all = 0, n_sections = 0;
		assert_non_null(cut);
		assert_int_equal(sscanf(cut, "\nCut to fit: %zu of %zu rows and %zu sections",
					&n_rows, &n_all, &n_sections),
				 3);
		assert_int_equal(n_all, 3000);
		assert_int_equal(n_rows, 3000 - count_of(text, "| 🔴 regressed |"));
		assert_true(n_sections > 0);
		samples_done(&s);
	}
}

static void nothing_judged_is_no_success(void **state)
{
	(void)state;
	struct samples s;
	(void)samples_new(&s, 0);
	_cleanup_free_ char *markdown = printed("markdown", &s);
	assert_non_null(strstr(markdown, "cannot judge"));
	_cleanup_free_ char *json = printed("json", &s);
	assert_non_null(strstr(json, "\"cannot judge\""));
	samples_done(&s);
}

/* --- github --------------------------------------------------------------------------------- */

static void a_budget_is_annotated_at_its_line_in_its_kind(void **state)
{
	(void)state;
	struct samples s;
	struct outcome *o = samples_new(&s, 1);
	struct judgement j[] = {
		sample_budget("s", "scaling(workers)", UNIT_RATIO, "<= 1.1", 1.1, 1.04,
			      LEVEL_TOLERATED),
		sample_budget("s", "startup.ready", UNIT_NS, "5-15 s", 5e9, 3e9, LEVEL_YELLOW),
	};
	j[0].is_slope = true;
	j[0].line = 23;
	j[1].is_below = true;
	j[1].line = 41;
	o[0] = (struct outcome){ .scenario = "s", .file = "startline.yml", .line = 7 };
	o[0].judgements = j;
	o[0].n_judgements = N_OF_SAMPLES(j);
	_cleanup_free_ char *text = printed("github", &s);
	assert_non_null(strstr(text,
			       "::warning file=startline.yml,line=41,title=s%3A below the "
			       "range::startup.ready 3.00 s, target 5-15 s: below the range\n"));
	assert_non_null(strstr(text, "::notice file=startline.yml,line=23,title=s%3A over%2C "
				     "tolerated::scaling(workers) 1.04, target <= 1.1: over, "
				     "tolerated\n"));
	samples_done(&s);
}

static void at_most_ten_annotations_of_a_kind(void **state)
{
	(void)state;
	struct samples s;
	samples_many(&s, 30, "scenario");
	_cleanup_free_ char *text = printed("github", &s);
	assert_int_equal(count_of(text, "::error "), 10);
	assert_int_equal(count_of(text, "::warning "), 10);
	assert_int_equal(count_of(text, "and 6 more scenarios, see the summary\n"), 2);
	samples_done(&s);
}

static char *read_whole(const char *path)
{
	struct buf b;
	buf_init(&b, (size_t)8 << 20);
	assert_int_equal(fs_read_file(path, &b), 0);
	return buf_take(&b);
}

static void the_runner_gets_summary_and_output(void **state)
{
	(void)state;
	char summary[] = "/tmp/startline-summary.XXXXXX", output[] = "/tmp/startline-output.XXXXXX";
	const int summary_fd = mkstemp(summary), output_fd = mkstemp(output);
	assert_true(summary_fd >= 0 && output_fd >= 0);
	/* What an earlier command of the step wrote stays, and counts. */
	for (int i = 0; i < 1000; i++)
		assert_int_equal(write(summary_fd, "earlier\n", 8), 8);
	assert_int_equal(setenv("GITHUB_STEP_SUMMARY", summary, 1), 0);
	assert_int_equal(setenv("GITHUB_OUTPUT", output, 1), 0);
	struct samples s;
	samples_many(&s, 9000, "scenario with a name that is long enough to fill a megabyte");
	_cleanup_free_ char *text = printed("github", &s);
	samples_done(&s);
	assert_int_equal(setenv("GITHUB_STEP_SUMMARY", "/dev/null/summary", 1), 0);
	samples_some(&s);
	FILE *nowhere = fopen("/dev/null", "w");
	assert_non_null(nowhere);
	assert_int_equal(ci_output_find("github")->print(s.outcomes, s.n, nowhere), -EIO);
	(void)fclose(nowhere);
	samples_done(&s);
	assert_int_equal(unsetenv("GITHUB_STEP_SUMMARY"), 0);
	assert_int_equal(unsetenv("GITHUB_OUTPUT"), 0);
	_cleanup_free_ char *written = read_whole(summary);
	_cleanup_free_ char *status = read_whole(output);
	assert_memory_equal(written, "earlier\n", 8);
	assert_true(strlen(written) <= (size_t)1 << 20);
	assert_true(strlen(written) > (size_t)1 << 19);
	assert_string_equal(status, "status=failed\n");
	(void)close(summary_fd);
	(void)close(output_fd);
	(void)unlink(summary);
	(void)unlink(output);
}

/* --- gitlab and junit ----------------------------------------------------------------------- */

static void an_unchanged_metric_is_the_same_string(void **state)
{
	(void)state;
	char *before = NULL;
	for (int i = 0; i < 3; i++) {
		struct samples s;
		struct outcome *o = samples_new(&s, 1);
		/* 14.6 is "15", 14.4 would be "14". */
		struct judgement j[] = { sample_change("s", "cpu.user", 14.6e6, 14.6e6 - 1e5 * i,
						       VERDICT_UNCHANGED, LEVEL_GREEN) };
		o[0] = (struct outcome){ .scenario = "s", .judgements = j, .n_judgements = 1 };
		char *text = printed("gitlab", &s);
		if (before != NULL)
			assert_string_equal(text, before);
		free(before);
		before = text;
		samples_done(&s);
	}
	assert_non_null(
		strstr(before, "startline_seconds{scenario=\"s\",metric=\"cpu.user\"} 0.015\n"));
	free(before);
}

static void names_that_come_again_are_told_apart(void **state)
{
	(void)state;
	enum { AGAIN = 30000 };
	struct samples s;
	struct outcome *o = samples_new(&s, 1);
	struct judgement *j = calloc(AGAIN, sizeof(*j));
	assert_non_null(j);
	for (size_t i = 0; i < AGAIN; i++)
		j[i] = sample_budget("s", i % 3 != 0 ? "time.wall" : "cpu.user", UNIT_NS,
				     i % 2 != 0 ? "< 1 s" : "< 2 s", 1e9, 5e8, LEVEL_GREEN);
	o[0] = (struct outcome){ .scenario = "s", .judgements = j, .n_judgements = AGAIN };
	_cleanup_free_ char *junit = printed("junit", &s);
	assert_int_equal(count_of(junit, "name=\"time.wall &lt; 1 s\""), 1);
	assert_int_equal(count_of(junit, "name=\"time.wall &lt; 1 s 10000\""), 1);
	assert_int_equal(count_of(junit, "name=\"cpu.user &lt; 2 s 5000\""), 1);
	assert_int_equal(count_of(junit, " s 10001\""), 0);
	_cleanup_free_ char *gitlab = printed("gitlab", &s);
	assert_int_equal(count_of(gitlab, "startline_seconds{"), 2);
	assert_int_equal(count_of(gitlab, "startline_verdict=\"passed\"} 1\n"), 5);
	assert_non_null(strstr(gitlab, "\nstartline_left_out 0\n"));
	free(j);
	samples_done(&s);
}

static void metrics_for_gitlab_are_bounded(void **state)
{
	(void)state;
	struct samples s;
	samples_many(&s, 9000, "scenario with a name that is long");
	_cleanup_free_ char *text = printed("gitlab", &s);
	samples_done(&s);
	assert_true(strlen(text) > (size_t)7 << 20);
	assert_true(strlen(text) <= (size_t)8 << 20);
	/* Two of each scenario's verdicts, and its value. */
	const size_t n = count_of(text, "} 1\n") + count_of(text, "startline_seconds{");
	size_t left_out = 0;
	const char *at = strstr(text, "\nstartline_left_out ");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "\nstartline_left_out %zu\n# EOF\n", &left_out), 1);
	assert_int_equal(left_out, 3 * 9000 - n);
}

static void junit_tells_failures_errors_and_skips_apart(void **state)
{
	(void)state;
	struct samples s;
	samples_some(&s);
	_cleanup_free_ char *text = printed("junit", &s);
	assert_non_null(strstr(text, "tests=\"10\" failures=\"2\" errors=\"2\" skipped=\"2\""));
	assert_int_equal(count_of(text, "<failure type=\"regression\""), 1);
	assert_int_equal(count_of(text, "<failure type=\"budget\""), 1);
	assert_int_equal(count_of(text, "<error type=\"target failed\""), 1);
	assert_int_equal(count_of(text, "<skipped message=\""), 2);
	assert_int_equal(count_of(text, "name=\"startup.ready against baseline @main +10 %\""), 1);
	assert_int_equal(count_of(text, "name=\"startup.ready &lt; 500 ms\""), 1);
	/* What passed says what it came to, and every comparison what bears witness. */
	assert_int_equal(count_of(text, "<system-out>"), 4);
	assert_non_null(
		strstr(text, "<system-out>mem.peak_rss 25.5 MB, target &lt; 2 GB: passed<"));
	assert_int_equal(count_of(text, "witnesses: work +100 % (net.connects)"), 3);
	samples_done(&s);
}

static void a_full_disk_is_an_error(void **state)
{
	(void)state;
	struct samples s;
	samples_some(&s);
	for (const struct ci_output *o = ci_outputs; o->name != NULL; o++) {
		FILE *f = fopen("/dev/full", "w");
		assert_non_null(f);
		(void)setvbuf(f, NULL, _IONBF, 0);
		assert_int_equal(o->print(s.outcomes, s.n, f), -EIO);
		(void)fclose(f);
	}
	samples_done(&s);
}

int main(void)
{
	(void)unsetenv("GITHUB_STEP_SUMMARY");
	(void)unsetenv("GITHUB_OUTPUT");
	(void)unsetenv("STARTLINE_KEY");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outputs_are_found_by_name),
		cmocka_unit_test(rows_are_worst_first),
		cmocka_unit_test(a_regression_names_its_cause),
		cmocka_unit_test(markdown_says_all_that_a_reviewer_asks),
		cmocka_unit_test(the_key_of_the_comment_cannot_leave_its_marker),
		cmocka_unit_test(withheld_verdicts_say_why),
		cmocka_unit_test(comments_stay_below_the_limit_and_say_what_was_cut),
		cmocka_unit_test(nothing_judged_is_no_success),
		cmocka_unit_test(a_budget_is_annotated_at_its_line_in_its_kind),
		cmocka_unit_test(at_most_ten_annotations_of_a_kind),
		cmocka_unit_test(the_runner_gets_summary_and_output),
		cmocka_unit_test(an_unchanged_metric_is_the_same_string),
		cmocka_unit_test(names_that_come_again_are_told_apart),
		cmocka_unit_test(metrics_for_gitlab_are_bounded),
		cmocka_unit_test(junit_tells_failures_errors_and_skips_apart),
		cmocka_unit_test(a_full_disk_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
