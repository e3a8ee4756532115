/* SPDX-License-Identifier: MIT */
/* See along.h. */
#include "userspace/collect/perf/along.h"

#include "userspace/base/units.h"

/* The timer's interrupt takes it first, and tells it as 0.1 ms before the stack (bpf/stack.bpf.c); its
 * period is not below 1 ms. */
#define TOGETHER_NS (500 * NS_PER_US)

struct along along_of(const struct stack_snapshot *taken, pid_t tid)
{
	return (struct along){ .time_ns = taken->time_ns,
			       .tid = tid,
			       .is_timer = taken->syscall != 0 };
}

/* What was taken at a call has the time of its stack. What lost its stack belongs to none. */
static bool is_together(const struct along *a, const struct snapshot *snapshot)
{
	if (!a->is_timer)
		return a->time_ns == snapshot->time_ns;
	return a->time_ns <= snapshot->time_ns && snapshot->time_ns - a->time_ns < TOGETHER_NS;
}

bool along_claim(struct along *a, const struct snapshot *snapshot, bool is_timer)
{
	if (a->tid == 0 || a->tid != snapshot->tid || a->is_timer != is_timer)
		return false;
	a->tid = 0;
	return is_together(a, snapshot);
}
