/* SPDX-License-Identifier: MIT */
/* Recordings whose runs are interleaved. Without probes, so that it needs no rights. */

#include <string.h>
#include <sys/wait.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/launching.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/measure.h"
#include "userspace/model/metrics.h"

static char is_in_root[] = "test \"$(pwd -P)\" = /";

static const struct collect_spec plain = { .user = NULL };

static int run(struct measurement *m, char *script, const char *arm, const char *directory,
	       bool discard)
{
	char *argv[] = { shell, dash_c, script, NULL };
	struct collect_spec spec = plain;
	struct collect_result result;
	spec.argv = argv;
	spec.directory = directory;
	spec.output = OUTPUT_NOWHERE;
	assert_int_equal(measurement_run(m, &spec, arm, discard, &result), 0);
	return measurement_judge(&spec, &result);
}

static struct measurement *measure(void)
{
	char *argv[] = { shell, NULL };
	struct collect_spec spec = plain;
	struct measurement *m = NULL;
	needs_launching();
	spec.argv = argv;
	assert_int_equal(measurement_new(&spec, trace_path, &m), 0);
	return m;
}

static size_t runs_of(struct measurement *m, const char *arm)
{
	struct session *s = NULL;
	if (measurement_session(m, arm, &s) < 0)
		return 0;
	const size_t n = s->n_runs;
	(void)session_free(s);
	return n;
}

static void arms_are_kept_apart(void **state)
{
	(void)state;
	struct measurement *m = measure();
	(void)run(m, succeeds, "base", NULL, true);
	(void)run(m, succeeds, "head", NULL, false);
	(void)run(m, succeeds, "base", NULL, false);
	(void)run(m, succeeds, "base", NULL, false);
	assert_int_equal(measurement_finish(m), 0);
	assert_int_equal(runs_of(m, "base"), 2);
	assert_int_equal(runs_of(m, "head"), 1);
	assert_int_equal(runs_of(m, NULL), 3);
	(void)measurement_free(m);
}

static void the_last_run_is_told_alone(void **state)
{
	(void)state;
	struct measurement *m = measure();
	for (int i = 0; i < 3; i++) {
		struct session *s = NULL;
		const int status = run(m, i == 1 ? fails : succeeds, "base", NULL, false);
		assert_int_equal(status, i == 1 ? 23 : 0);
		assert_int_equal(measurement_last(m, &s), 0);
		assert_int_equal(s->n_runs, 1);
		assert_int_equal(s->runs[0].exit_code, i == 1 ? 23 : 0);
		assert_true(s->runs[0].wall_ns > 0);
		(void)session_free(s);
	}
	(void)measurement_free(m);
}

static void dropped_runs_do_not_count(void **state)
{
	(void)state;
	struct measurement *m = measure();
	(void)run(m, succeeds, "base", NULL, false);
	(void)run(m, succeeds, "head", NULL, false);
	(void)run(m, succeeds, "base", NULL, false);
	assert_int_equal(measurement_drop(m, 2), 0);
	(void)run(m, succeeds, "base", NULL, false);
	assert_int_equal(measurement_finish(m), 0);
	assert_int_equal(runs_of(m, "base"), 2);
	assert_int_equal(runs_of(m, "head"), 0);
	(void)measurement_free(m);
}

static void a_run_has_a_directory_of_its_own(void **state)
{
	(void)state;
	struct measurement *m = measure();
	assert_int_equal(run(m, is_in_root, NULL, "/", false), 0);
	assert_int_equal(run(m, is_in_root, NULL, "/tmp", false), 1);
	char here[4096];
	assert_non_null(getcwd(here, sizeof(here)));
	assert_string_not_equal(here, "/");
	(void)measurement_free(m);
}

static void a_command_of_a_directory_is_found_in_it(void **state)
{
	(void)state;
	char relative[] = "./sh";
	char *argv[] = { relative, dash_c, succeeds, NULL };
	struct collect_spec spec = plain;
	struct collect_result result;
	struct measurement *m = measure();
	spec.argv = argv;
	spec.directory = "/bin";
	assert_int_equal(measurement_run(m, &spec, NULL, false, &result), 0);
	assert_int_equal(measurement_judge(&spec, &result), 0);
	spec.directory = "/nonexistent";
	assert_int_equal(measurement_run(m, &spec, NULL, false, &result), 0);
	assert_int_equal(result.end, COLLECT_NOT_FOUND);
	(void)measurement_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arms_are_kept_apart),
		cmocka_unit_test(the_last_run_is_told_alone),
		cmocka_unit_test(dropped_runs_do_not_count),
		cmocka_unit_test(a_run_has_a_directory_of_its_own),
		cmocka_unit_test(a_command_of_a_directory_is_found_in_it),
	};
	return cmocka_run_group_tests(tests, make_trace, remove_trace);
}
