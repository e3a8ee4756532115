/* SPDX-License-Identifier: MIT */
/* Who of the tree has ended, where no kernel probe says so: a lane that nobody maps any more is the
 * end of an image, and /proc tells whether the process ended with it or executed something else.
 * How it ended only its parent knows, so the EXIT has no status. */
#ifndef USERSPACE_COLLECT_SHIM_EXIT_WATCH_H
#define USERSPACE_COLLECT_SHIM_EXIT_WATCH_H

#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/vec.h"
#include "userspace/collect/run/source.h"
#include "userspace/collect/shim/lane_reader.h"

struct pending_exit {
	uint32_t ns_pid;
	uint64_t end_ns; /* when it ended by its own word; 0: when that is noticed */
};

struct exit_watch VEC(struct pending_exit);

/* An image of @ns_pid has ended, or it never had a lane. It was seen alive at @alive_ns. @left_ns: when
 * by its own word; 0: none, or not to be believed. 0 or -ENOMEM. */
int exit_watch_add(struct exit_watch *d, uint32_t ns_pid, uint64_t alive_ns, uint64_t left_ns);
/* A sink's function that adds children without lanes, whom a lane told of, on the way to @next. */
struct exit_watch_tap {
	struct exit_watch *to;
	const struct lane *lane;
	struct sink next;
};
int exit_watch_tap(void *tap, const struct sl_event *event);
/* Hands over EXIT for those whose process is gone. 0, or what the sink returned. */
int exit_watch_look(struct exit_watch *d, struct sink sink);

#endif
