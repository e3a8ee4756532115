/* SPDX-License-Identifier: MIT */
/* When the conditions of --ready hold in a story (tests/lib/events.h). */
#ifndef TESTS_UNIT_READY_STORIES_H
#define TESTS_UNIT_READY_STORIES_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/events.h"
#include "tests/unit/cmocka.h"
#include "userspace/base/units.h"
#include "userspace/trace/ready.h"

#define NEVER UINT64_MAX

/* Feeds the story, then ticks at @tick_ns unless that is 0. Returns when it was ready, relative to
 * the story's zero, or NEVER. @specs are separated by blanks. */
static inline uint64_t ready_at(const char *specs, const char *story, uint64_t tick_ns,
				struct ready_point *ret)
{
	struct ready_rule rules[4];
	size_t n_rules = 0;
	char copy[256];
	(void)snprintf(copy, sizeof(copy), "%s", specs);
	char *rest = copy;
	for (char *spec = strsep(&rest, " "); spec != NULL; spec = strsep(&rest, " "))
		assert_int_equal(ready_rule_parse(spec, &rules[n_rules++]), 0);

	struct ready_watch *w = NULL;
	assert_int_equal(ready_watch_new(rules, n_rules, &w), 0);
	struct trace *t = events_trace(story);
	bool is_ready = false;
	*ret = (struct ready_point){ .pid = 4711 };
	trace_foreach(t, event) {
		is_ready = ready_watch_feed(w, event, ret);
	}
	if (tick_ns != 0)
		is_ready = ready_watch_tick(w, EVENTS_BASE_NS + tick_ns, ret);
	if (!is_ready)
		assert_int_equal(ret->pid, 4711); /* untouched */
	trace_free(t);
	ready_watch_free(w);
	for (size_t i = 0; i < n_rules; i++)
		ready_rule_done(&rules[i]);
	return is_ready ? ret->time_ns - EVENTS_BASE_NS : NEVER;
}

static inline uint64_t ready_ns(const char *specs, const char *story)
{
	struct ready_point point;
	return ready_at(specs, story, 0, &point);
}

#define MS NS_PER_MS

#endif
