/* SPDX-License-Identifier: MIT */
/* The course of what is live in the heap of the tree: LIVE, as often as somebody looks and it has changed, but
 * the more seldom the longer the run is. */
#ifndef USERSPACE_COLLECT_SHIM_LIVE_WATCH_H
#define USERSPACE_COLLECT_SHIM_LIVE_WATCH_H

#include "userspace/collect/run/source.h"

struct live_watch {
	uint64_t begin_ns; /* of the run */
	uint64_t told_ns;
	int64_t told_bytes;
};

/* @tree_fd: the session's file of sums. Returns what @sink returned, if negative. */
int live_watch_look(struct live_watch *w, int tree_fd, struct sink sink);

#endif
