/* SPDX-License-Identifier: MIT */
/* What the probes take along with a stack goes before it in the ring, and waits here for it: room for
 * ALONG_MAX of a kind, and whose each is. */
#ifndef USERSPACE_COLLECT_PERF_ALONG_H
#define USERSPACE_COLLECT_PERF_ALONG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/control.h"
#include "userspace/stacks/snapshot.h"

/* Threads that may be in between two records: one for each CPU, and an interrupt. */
#define ALONG_MAX 64

struct along {
	uint64_t time_ns;
	pid_t tid; /* 0: of none any more */
	bool is_timer;
};

/* As @taken tells, of thread @tid. */
struct along along_of(const struct stack_snapshot *taken, pid_t tid);

/* Is it that of @snapshot? What the next stack of its thread was asked for is of none any more. */
bool along_claim(struct along *a, const struct snapshot *snapshot, bool is_timer);

#endif
