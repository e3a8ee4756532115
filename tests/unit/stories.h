/* SPDX-License-Identifier: MIT */
/* Sessions of stories (tests/lib/events.h). */
#ifndef TESTS_UNIT_STORIES_H
#define TESTS_UNIT_STORIES_H

#include <stdio.h>

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

#define MS 1000000 /* in ns */

/* "0+2 p1 exec running cpu" per segment, in ms. */
static inline void assert_path(const struct session *s, const char *const *expected)
{
	const struct run *run = &s->runs[0];
	int64_t at = 0;
	assert_true(run->has_segments);
	for (size_t i = 0; i < run->n_segments; i++) {
		const struct segment *g = &run->segments[i];
		char text[256];
		(void)snprintf(text, sizeof(text), "%g+%g p%d %s %s %s%s%s",
			       (double)g->start_ns / MS, (double)g->duration_ns / MS, g->process,
			       phase_name(g->phase), activity_name(g->state), cause_name(g->cause),
			       g->detail[0] != '\0' ? " " : "", g->detail);
		if (expected[i] == NULL)
			fail_msg("one too many: %s", text);
		assert_string_equal(text, expected[i]);
		assert_int_equal(g->start_ns, at);
		at += g->duration_ns;
	}
	assert_null(expected[run->n_segments]);
	assert_int_equal(at, run->startup_total_ns);
}
#define PATH(s, ...) assert_path(s, (const char *const[]){ __VA_ARGS__, NULL })

#endif
