/* SPDX-License-Identifier: MIT */
/* Who of the tree has ended, where no kernel probe says so: a lane that nobody maps any more is the
 * end of an image, and /proc tells whether the process ended with it or executed something else.
 * How it ended only its parent knows, so the EXIT has no status. */
#ifndef USERSPACE_COLLECT_DEPARTURES_H
#define USERSPACE_COLLECT_DEPARTURES_H

#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/vec.h"
#include "userspace/collect/internal.h"
#include "userspace/collect/lane_reader.h"

struct departure {
	uint32_t ns_pid;
	uint64_t end_ns; /* when it ended by its own word; 0: when that is noticed */
};

struct departures VEC(struct departure);

/* An image of @ns_pid has ended, or it never had a lane. It was seen alive at @alive_ns. @left_ns: when
 * by its own word; 0: none, or not to be believed. 0 or -ENOMEM. */
int departures_add(struct departures *d, uint32_t ns_pid, uint64_t alive_ns, uint64_t left_ns);
/* A sink's function that adds children without lanes, whom a lane told of, on the way to @next. */
struct departures_tap {
	struct departures *to;
	const struct lane *lane;
	struct sink next;
};
int departures_tap(void *tap, const struct sl_event *event);
/* Hands over EXIT for those whose process is gone. 0, or what the sink returned. */
int departures_look(struct departures *d, struct sink sink);

#endif
