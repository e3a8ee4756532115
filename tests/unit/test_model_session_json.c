/* SPDX-License-Identifier: MIT */
/* The session document: what is written is read again, and whatever else comes along does no
 * harm. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/document.h"
#include "tests/unit/cmocka.h"
#include "tests/unit/said.h"
#include "tests/unit/sample_session.h"
#include "userspace/base/cleanup.h"
#include "userspace/model/document/session_json.h"

static int read_back(const char *text, struct session **ret)
{
	said[0] = '\0';
	return session_read_json(text, strlen(text), "x.json", ret);
}

static struct session *must_read(const char *text)
{
	struct session *s = NULL;
	if (read_back(text, &s) < 0)
		print_error("%s\n", said);
	assert_non_null(s);
	return s;
}

static void compare_series(const struct session *a, const struct session *b)
{
	assert_int_equal(a->n_series, b->n_series);
	for (size_t i = 0; i < a->n_series; i++) {
		const struct series *x = &a->series[i];
		const struct series *y = &b->series[i];
		assert_string_equal(x->id, y->id);
		assert_ptr_equal(x->metric, y->metric);
		assert_int_equal(x->n_values, y->n_values);
		for (size_t v = 0; v < x->n_values; v++)
			assert_true(x->values[v] == y->values[v] ||
				    (isnan(x->values[v]) && isnan(y->values[v])));
		assert_int_equal(x->summary.n, y->summary.n);
		assert_int_equal(x->summary.n_outliers, y->summary.n_outliers);
	}
	for (size_t run = 0; run < a->n_runs; run++)
		assert_memory_equal(a->runs[run].values, b->runs[run].values,
				    metrics_count() * sizeof(double));
}

static void a_sample_comes_back(void **state)
{
	(void)state;
	struct session *s = sample_server(3);
	char *first = document_of(s, NULL);
	struct session *again = must_read(first);
	compare_series(s, again);
	char *second = document_of(again, NULL);
	assert_string_equal(first, second);
	free(first);
	free(second);
	session_free(s);
	session_free(again);
}

/* --- meaning ---------------------------------------------------------------------------------- */

static void unknown_is_null_and_never_zero(void **state)
{
	(void)state;
	struct session *s = sample_new(1);
	s->runs[0].has_segments = false;
	s->runs[0].startup_total_ns = UNKNOWN;
	assert_int_equal(metrics_collect(s), 0);
	char *text = document_of(s, NULL);
	assert_non_null(strstr(text, "\"total_ns\":\tnull"));
	assert_non_null(strstr(text, "\"segments\":\tnull"));
	assert_non_null(strstr(text, "\"ready\":\tnull"));
	assert_non_null(strstr(text, "\"libraries\":\tnull"));
	assert_non_null(strstr(
		text, "\"id\":\"heap.peak\",\"unit\":\"bytes\",\"better\":"
		      "\"lower\",\"class\":\"size\",\"values\":[null],\"processes\":[],\"n\":0,"
		      "\"median\":null"));
	struct session *again = must_read(text);
	assert_true(again->runs[0].startup_total_ns == UNKNOWN);
	assert_true(again->runs[0].lost_bpf == UNKNOWN);
	assert_false(again->runs[0].has_ready);
	assert_true(isnan(again->runs[0].values[0]));
	free(text);
	session_free(s);
	session_free(again);
}

static void quantiles_need_values(void **state)
{
	(void)state;
	struct session *s = sample_server(19);
	char *text = document_of(s, NULL);
	const char *ready = strstr(text, "\"id\":\"startup.ready\"");
	assert_non_null(ready);
	assert_non_null(strstr(ready, "\"n\":19"));
	assert_memory_equal(strstr(ready, "\"p95\""), "\"p95\":null", 10);
	assert_memory_equal(strstr(ready, "\"ci95\""), "\"ci95\":[", 8);
	free(text);
	session_free(s);
	s = sample_server(20);
	text = document_of(s, NULL);
	ready = strstr(text, "\"id\":\"startup.ready\"");
	assert_memory_equal(strstr(ready, "\"p95\""), "\"p95\":4", 7);
	free(text);
	session_free(s);
}

static void a_document_without_metrics_can_be_used(void **state)
{
	(void)state;
	struct session *s = must_read("{\"schema\":\"startline.report/1\",\"runs\":[{}]}");
	assert_int_equal(s->n_runs, 1);
	assert_true(isnan(s->runs[0].values[0]));
	assert_true(s->runs[0].startup_total_ns == UNKNOWN);
	assert_int_equal(metrics_collect(s), 0);
	session_free(s);
}

static void later_keys_are_ignored_and_metrics_kept(void **state)
{
	(void)state;
	struct session *s = must_read(
		"{\"new\":{\"a\":[1,{}]},\"schema\":\"startline.report/1\",\"metrics\":["
		"{\"id\":\"time.future\",\"unit\":\"ns\",\"better\":\"higher\",\"values\":[1]},{\"id\":\"time.wall\",\"values\":[5]},"
		"{\"id\":\"net.connect[tcp *:1]\",\"values\":[1,2,3]}],"
		"\"runs\":[{\"startup\":{\"segments\":[{\"phase\":\"exec\",\"state\":\"blocked\","
		"\"cause\":\"later\",\"color\":\"red\"}]}}]}");
	assert_int_equal(s->n_series, 3);
	assert_string_equal(s->series[0].metric->id, "time.future");
	assert_int_equal(s->series[0].metric->better, BETTER_HIGHER);
	assert_true(s->runs[0].values[0] == 5);
	assert_int_equal(s->series[2].summary.n, 3);
	assert_int_equal(s->runs[0].segments[0].cause, CAUSE_UNKNOWN);
	assert_string_equal(s->runs[0].segments[0].detail, "");
	session_free(s);
}

static void statistics_without_values_are_kept(void **state)
{
	(void)state;
	struct session *s = must_read(
		"{\"schema\":\"startline.report/1\",\"metrics\":[{\"id\":\"time.wall\",\"unit\":\"ns\","
		"\"values\":[],\"n\":7,\"min\":120,\"max\":300,\"median\":null,\"ci95\":[150,250]}]}");
	assert_int_equal(s->n_series, 1);
	assert_true(s->series[0].is_summary);
	assert_int_equal(s->series[0].summary.n, 7);
	assert_true(s->series[0].summary.max == 300);
	assert_true(isnan(s->series[0].summary.median));
	assert_true(s->series[0].summary.ci95_high == 250);
	session_free(s);
}

static void references_to_no_process_are_dropped(void **state)
{
	(void)state;
	struct session *s = must_read(
		"{\"schema\":\"startline.report/1\",\"runs\":[{\"processes\":[{\"parent\":77}],"
		"\"ready\":{\"process\":2},\"milestones\":[{\"process\":1},{\"process\":2}]}]}");
	const struct run *run = &s->runs[0];
	assert_int_equal(run->processes[0].id, 1);
	assert_int_equal(run->processes[0].parent, 0);
	assert_int_equal(run->ready_process, 0);
	assert_int_equal(run->milestones[0].process, 1);
	assert_int_equal(run->milestones[1].process, 0);
	session_free(s);
}

/* --- hostile documents ------------------------------------------------------------------------ */

static void check_refused(const char *text, int code, const char *message)
{
	struct session *s = NULL;
	assert_int_equal(read_back(text, &s), code);
	assert_null(s);
	if (strstr(said, message) == NULL)
		print_error("'%s' is not in '%s'\n", message, said);
	assert_non_null(strstr(said, message));
}

static void what_is_no_session_is_refused(void **state)
{
	(void)state;
	check_refused("", -EBADMSG, "'x.json': line 1: it ends in the middle");
	check_refused("[]", -EBADMSG, "it has no schema");
	check_refused("{}", -EBADMSG, "it has no schema");
	check_refused("{\"schema\":\"other/1\"}", -EBADMSG, "not a session document");
	check_refused("{\"schema\":\"startline.report/2\"}", -EPROTO, "newer");
	check_refused("{\"schema\":1}", -EBADMSG, "it has no schema");
	check_refused("{\"schema\":\"startline.report/1\"}\n x", -EBADMSG, "line 2: not JSON");
}

static void check_place(const char *members, const char *message)
{
	char text[300];
	(void)snprintf(text, sizeof(text), "{\"schema\":\"startline.report/1\",%s}", members);
	check_refused(text, -EBADMSG, message);
}

static void errors_name_their_place(void **state)
{
	(void)state;
	check_place("\"runs\":{}", "'x.json': runs: an array was expected");
	check_place("\"runs\":[{},1]", "'x.json': runs[1]: expected an object");
	check_place("\"command\":[\"a\",1]", "command[1]: a string was expected");
	check_place("\"metrics\":[{\"id\":\"time.wall\",\"values\":[1,\"\"]}]",
		    "metrics[0].values[1]: expected a number");
	check_place("\"metrics\":[{\"id\":\"time.wall\",\"values\":[1e999]}]",
		    "metrics[0].values[0]: the number is too large");
	check_place("\"runs\":[{\"processes\":[{\"id\":1},{\"id\":1}]}]",
		    "runs[0]: the ids of the processes are not in order");
	check_place("\"runs\":[{\"processes\":[{\"id\":-1}]}]",
		    "runs[0].processes[0].id: not the id of a process");
	check_place("\"runs\":[{\"processes\":[{\"id\":1e10}]}]", "not the id of a process");
	check_place("\"runs\":[{\"overhead_ns\":1e30}]",
		    "runs[0].overhead_ns: the number is too large");
	check_place("\"runs\":[{\"overhead_ns\":\"1\"}]", "expected a number");
	check_place("\"runs\":[{\"complete\":1}]", "complete: expected true or false");
	check_place("\"runs\":[{\"startup\":{\"segments\":[{\"phase\":\"later\"}]}}]",
		    "runs[0].startup.segments[0].phase: a name that this version does not know");
}

static void of_a_key_that_comes_twice_the_last_counts(void **state)
{
	(void)state;
	struct session *s = must_read(
		"{\"schema\":\"startline.report/1\",\"schema\":7,\"version\":\"1\",\"version\":\"2\","
		"\"runs\":[{},{}],\"runs\":[{\"overhead_ns\":1,\"overhead_ns\":2}]}");
	assert_string_equal(s->version, "2");
	assert_int_equal(s->n_runs, 1);
	assert_int_equal(s->runs[0].overhead_ns, 2);
	session_free(s);
}

static void numbers_at_the_ends_of_the_range_are_read(void **state)
{
	(void)state;
	struct session *s = must_read(
		"{\"schema\":\"startline.report/1\",\"runs\":[{\"overhead_ns\":9223372036854775807},"
		"{\"overhead_ns\":-9223372036854775808},{\"overhead_ns\":9007199254740991},{\"overhead_ns\":2.5}]}");
	assert_true(s->runs[0].overhead_ns == INT64_MAX);
	assert_true(s->runs[1].overhead_ns == UNKNOWN);
	assert_true(s->runs[2].overhead_ns == 9007199254740991);
	assert_true(s->runs[3].overhead_ns == 3);
	session_free(s);
}

static void memory_and_depth_are_bounded(void **state)
{
	(void)state;
	enum { MANY = 3000000 };
	static const char head[] = "{\"schema\":\"startline.report/1\",\"runs\":[{\"processes\":[";
	char *text = malloc(sizeof(head) + 3 * MANY + 10);
	size_t n = (size_t)sprintf(text, "%s", head);
	for (int i = 0; i < MANY; i++) {
		memcpy(text + n, "{},", 3);
		n += 3;
	}
	memcpy(text + n, "{}]}]}", 7);
	check_refused(text, -EBADMSG, "too much memory");
	memcpy(text, "{\"schema\":\"startline.report/1\",\"a\":", 35);
	memset(text + 35, '[', 100000);
	text[100035] = '\0';
	check_refused(text, -EBADMSG, "line 1: not JSON");
	free(text);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	struct session *s = sample_server(1);
	char *text = document_of(s, NULL);
	const size_t length = strlen(text) - 1; /* the newline at the end may go */
	for (size_t n = 0; n < length; n += n < 600 || n + 600 > length ? 1 : 37) {
		char *cut = malloc(n > 0 ? n : 1);
		memcpy(cut, text, n);
		struct session *read = NULL;
		assert_int_equal(session_read_json(cut, n, "cut", &read), -EBADMSG);
		assert_null(read);
		free(cut);
	}
	free(text);
	session_free(s);
}

/* Whatever is read can also be written: nothing is left half built. */
static void damage_is_survived(void **state)
{
	(void)state;
	struct session *s = sample_server(1);
	char *text = document_of(s, NULL);
	const size_t n = strlen(text);
	size_t n_read = 0;
	srand(11);
	for (int round = 0; round < 1500; round++) {
		char *damaged = malloc(n);
		memcpy(damaged, text, n);
		for (int i = rand() % 4; i >= 0; i--)
			damaged[(size_t)rand() % n] = "0\"{}[],:nx-9\xff"[rand() % 13];
		struct session *read = NULL;
		if (session_read_json(damaged, n, "damaged", &read) == 0) {
			char *again = document_of(read, NULL);
			free(again);
			n_read++;
		}
		free(damaged);
		session_free(read);
	}
	assert_true(n_read > 20);
	free(text);
	session_free(s);
}

static void documents_are_recognised(void **state)
{
	(void)state;
	static const char yes[] = " \n{ \"schema\": \"startline.report/1\" }";
	static const char no[] = "{\"schema\": \"other/1\"}";
	assert_true(session_sniff_json(yes, sizeof(yes) - 1));
	assert_false(session_sniff_json(no, sizeof(no) - 1));
	assert_false(session_sniff_json("", 0));
	assert_false(session_sniff_json("\x1f\x8b", 2));
}

static void a_full_disk_is_an_error(void **state)
{
	(void)state;
	struct session *s = sample_server(1);
	FILE *f = fopen("/dev/full", "w");
	if (f == NULL)
		skip();
	assert_int_equal(session_write_json(s, f), -EIO);
	(void)fclose(f);
	session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {

		cmocka_unit_test(a_sample_comes_back),

		cmocka_unit_test(unknown_is_null_and_never_zero),
		cmocka_unit_test(quantiles_need_values),
		cmocka_unit_test(a_document_without_metrics_can_be_used),
		cmocka_unit_test(later_keys_are_ignored_and_metrics_kept),
		cmocka_unit_test(statistics_without_values_are_kept),
		cmocka_unit_test(references_to_no_process_are_dropped),
		cmocka_unit_test(what_is_no_session_is_refused),
		cmocka_unit_test(errors_name_their_place),
		cmocka_unit_test(of_a_key_that_comes_twice_the_last_counts),
		cmocka_unit_test(numbers_at_the_ends_of_the_range_are_read),
		cmocka_unit_test(memory_and_depth_are_bounded),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(damage_is_survived),
		cmocka_unit_test(documents_are_recognised),
		cmocka_unit_test(a_full_disk_is_an_error),
	};
	said_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
