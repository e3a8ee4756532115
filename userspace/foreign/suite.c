/* SPDX-License-Identifier: MIT */
/* What the readers of test results say of the whole. */

#include <math.h>

#include "userspace/foreign/internal.h"

static const struct metric like_failed = { .unit = UNIT_COUNT,
					   .better = BETTER_LOWER,
					   .class = CLASS_EXACT };

void gather_test(struct gathering *g, struct suite *suite, const char *name,
		 const struct test *test)
{
	const bool has_time = test->time_ns > 0 && !test->is_skipped;
	suite->n_tests++;
	suite->n_failed += test->is_failed;
	suite->n_skipped += test->is_skipped;
	gather_value(g, gather_id(g, "test", name), &like_time,
		     has_time ? test->time_ns : (double)NAN);
}

void gather_suite(struct gathering *g, const char *tool, const struct suite *suite)
{
	if (g->error < 0 || suite->n_tests == 0)
		return;
	gather_note(g, "%s: %zu tests, %zu failed, %zu skipped", tool, suite->n_tests,
		    suite->n_failed, suite->n_skipped);
	gather_value(g, "suite.time", &like_time,
		     suite->time_ns > 0 ? suite->time_ns : (double)NAN);
	gather_value(g, "suite.tests", &like_count, (double)suite->n_tests);
	gather_value(g, "suite.failed", &like_failed, (double)suite->n_failed);
	gather_value(g, "suite.skipped", &like_count, (double)suite->n_skipped);
}
