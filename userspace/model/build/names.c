/* SPDX-License-Identifier: MIT */
/* The names of enumerations, as the document writes them. */
#include <string.h>

#include "userspace/model/metrics.h"
#include "userspace/model/session.h"

const char *name_in(const struct name_table *names, unsigned int value)
{
	return value < names->n ? names->items[value] : "unknown";
}

int value_in(const struct name_table *names, const char *name)
{
	for (unsigned int i = 0; name != NULL && i < names->n; i++) {
		if (strcmp(names->items[i], name) == 0)
			return (int)i;
	}
	return -1;
}

/* The table of an enumeration, and the two functions over it. */
#define NAMES(of, ...)                                                                     \
	static const char *const of##_items[] = { __VA_ARGS__ };                           \
	const struct name_table of##_names = { of##_items,                                 \
					       sizeof(of##_items) / sizeof(*of##_items) }; \
	const char *of##_name(enum of of)                                                  \
	{                                                                                  \
		return name_in(&of##_names, (unsigned int)of);                             \
	}                                                                                  \
	int of##_of(const char *name)                                                      \
	{                                                                                  \
		return value_in(&of##_names, name);                                        \
	}

NAMES(phase, [PHASE_EXEC] = "exec", [PHASE_LINK] = "link", [PHASE_INIT] = "init",
      [PHASE_MAIN] = "main", [PHASE_CHILD] = "child")
NAMES(activity, [ACTIVITY_RUNNING] = "running", [ACTIVITY_RUNNABLE] = "runnable",
      [ACTIVITY_BLOCKED] = "blocked")
NAMES(cause, [CAUSE_CPU] = "cpu", [CAUSE_RUNQUEUE] = "runqueue", [CAUSE_THROTTLED] = "throttled",
      [CAUSE_PAGE_FAULT] = "page_fault", [CAUSE_FILE_READ] = "file_read",
      [CAUSE_FILE_WRITE] = "file_write", [CAUSE_DISK] = "disk", [CAUSE_CONNECT] = "connect",
      [CAUSE_DNS] = "dns", [CAUSE_NETWORK] = "network", [CAUSE_PIPE] = "pipe",
      [CAUSE_LOCK] = "lock", [CAUSE_SLEEP] = "sleep", [CAUSE_CHILD] = "child",
      [CAUSE_SIGNAL] = "signal", [CAUSE_KERNEL] = "kernel", [CAUSE_UNKNOWN] = "unknown")
NAMES(memory_part, [PART_HEAP] = "heap", [PART_ARENAS] = "arenas", [PART_MALLOC] = "malloc",
      [PART_STACK] = "stack", [PART_THREAD_STACKS] = "thread_stacks", [PART_LOADER] = "loader",
      [PART_FILE] = "file", [PART_SHARED] = "shared", [PART_NAMED] = "named",
      [PART_RUNTIME] = "runtime", [PART_ANONYMOUS] = "anonymous", [PART_KERNEL] = "kernel",
      [PART_OWN] = "own")
bool cause_is_cpu_wait(enum cause cause)
{
	return cause == CAUSE_RUNQUEUE || cause == CAUSE_THROTTLED;
}

NAMES(unit, [UNIT_NS] = "ns", [UNIT_BYTES] = "bytes", [UNIT_COUNT] = "count",
      [UNIT_RATIO] = "ratio")
NAMES(better, [BETTER_LOWER] = "lower", [BETTER_HIGHER] = "higher", [BETTER_NEITHER] = "neither")
NAMES(metric_class, [CLASS_TIME] = "time", [CLASS_SIZE] = "size", [CLASS_EXACT] = "exact",
      [CLASS_RATIO] = "ratio")

static const char *const site_part_items[SITE_PARTS] = {
	[SITE_TOTAL] = "total", [SITE_READY] = "ready",		[SITE_EXIT] = "exit",
	[SITE_PEAK] = "peak",	[SITE_TREE_PEAK] = "tree_peak", [SITE_TEMPORARY] = "temporary",
};
const struct name_table site_part_names = { site_part_items, SITE_PARTS };
