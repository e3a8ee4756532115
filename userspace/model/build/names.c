/* SPDX-License-Identifier: MIT */
/* The names of phases, activities and causes, as the document writes them. */
#include "userspace/model/session.h"

#include <string.h>

static const char *const phase_names[PHASE_COUNT] = {
	[PHASE_EXEC] = "exec", [PHASE_LINK] = "link",	[PHASE_INIT] = "init",
	[PHASE_MAIN] = "main", [PHASE_CHILD] = "child",
};

static const char *const activity_names[ACTIVITY_COUNT] = {
	[ACTIVITY_RUNNING] = "running",
	[ACTIVITY_RUNNABLE] = "runnable",
	[ACTIVITY_BLOCKED] = "blocked",
};

static const char *const cause_names[CAUSE_COUNT] = {
	[CAUSE_CPU] = "cpu",
	[CAUSE_RUNQUEUE] = "runqueue",
	[CAUSE_THROTTLED] = "throttled",
	[CAUSE_PAGE_FAULT] = "page_fault",
	[CAUSE_FILE_READ] = "file_read",
	[CAUSE_FILE_WRITE] = "file_write",
	[CAUSE_DISK] = "disk",
	[CAUSE_CONNECT] = "connect",
	[CAUSE_DNS] = "dns",
	[CAUSE_NETWORK] = "network",
	[CAUSE_PIPE] = "pipe",
	[CAUSE_LOCK] = "lock",
	[CAUSE_SLEEP] = "sleep",
	[CAUSE_CHILD] = "child",
	[CAUSE_SIGNAL] = "signal",
	[CAUSE_KERNEL] = "kernel",
	[CAUSE_UNKNOWN] = "unknown",
};

/* Values may come from a stored document: out of range is answered, not trusted. */
static const char *name_in(const char *const *names, unsigned int n, unsigned int value)
{
	return value < n ? names[value] : "unknown";
}

static int value_in(const char *const *names, unsigned int n, const char *name)
{
	for (unsigned int i = 0; name != NULL && i < n; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

const char *phase_name(enum phase phase)
{
	return name_in(phase_names, PHASE_COUNT, (unsigned int)phase);
}

const char *activity_name(enum activity activity)
{
	return name_in(activity_names, ACTIVITY_COUNT, (unsigned int)activity);
}

const char *cause_name(enum cause cause)
{
	return name_in(cause_names, CAUSE_COUNT, (unsigned int)cause);
}

int phase_of(const char *name)
{
	return value_in(phase_names, PHASE_COUNT, name);
}

int activity_of(const char *name)
{
	return value_in(activity_names, ACTIVITY_COUNT, name);
}

int cause_of(const char *name)
{
	return value_in(cause_names, CAUSE_COUNT, name);
}
