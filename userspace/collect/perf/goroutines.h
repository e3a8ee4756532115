/* SPDX-License-Identifier: MIT */
/* The stacks of goroutines that come along with those of their threads. */
#ifndef USERSPACE_COLLECT_PERF_GOROUTINES_H
#define USERSPACE_COLLECT_PERF_GOROUTINES_H

#include "userspace/collect/perf/along.h"

struct goroutines {
	struct pending_goroutine *pending; /* of ALONG_MAX, the next one to be used is .next */
	size_t next;
};

void goroutines_done(struct goroutines *g);

/* Keeps @taken, a SNAPSHOT_GOROUTINE, for the stack of @tid that follows. -ENOMEM. */
int goroutines_keep(struct goroutines *g, const struct stack_snapshot *taken, pid_t tid);

/* That which belongs to @snapshot; NULL: none. Valid until the next one is kept. */
const struct goroutine *goroutines_of(struct goroutines *g, const struct snapshot *snapshot,
				      bool is_timer);

#endif
