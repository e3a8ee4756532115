/* SPDX-License-Identifier: MIT */
/* Sessions of stories (tests/lib/events.h). */
#ifndef TESTS_UNIT_STORIES_H
#define TESTS_UNIT_STORIES_H

#include "tests/lib/events.h"
#include "tests/unit/cmocka.h"
#include "userspace/model/metrics.h"
#include "userspace/model/session.h"

static inline struct session *build(const char *story)
{
	struct trace *t = events_trace(story);
	struct session *s = NULL;
	assert_int_equal(session_build(t, &s), 0);
	(void)trace_free(t);
	return s;
}

/* Of the first run. */
static inline double value_of(struct session *s, const char *id)
{
	const struct series *series = metrics_find(s, id);
	assert_non_null(series);
	assert_true(series->n_values > 0);
	return series->values[0];
}

#endif
