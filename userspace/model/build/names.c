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

/* The table of an enumeration, in its order, and the two functions over it. */
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

NAMES(phase, "exec", "link", "init", "main", "child")
NAMES(activity, "running", "runnable", "blocked")
NAMES(cause, "cpu", "runqueue", "throttled", "page_fault", "file_read", "file_write", "disk",
      "connect", "dns", "network", "pipe", "lock", "sleep", "child", "signal", "kernel", "unknown")
NAMES(unit, "ns", "bytes", "count", "ratio")
NAMES(better, "lower", "higher", "neither")
NAMES(metric_class, "time", "size", "exact", "ratio")
