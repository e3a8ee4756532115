/* SPDX-License-Identifier: MIT */
/* How far the heap peak of the tree, as the shims' common sum has it, may be from the truth. It may be
 * too low: processes publish what they allocate in pieces. And too high: what a killed process had stays
 * in the sum until it is found to have ended. */
#ifndef USERSPACE_COLLECT_SHIM_HEAP_BOUND_H
#define USERSPACE_COLLECT_SHIM_HEAP_BOUND_H

#include <stdint.h>

#include "userspace/collect/shim/lane_reader.h"

/* Bytes. */
struct heap_bound {
	/* Over the images that are there at one moment, or the highest of such moments. */
	int64_t lacking; /* what their published sums lack at most */
	int64_t lag;	 /* what they have that was freed, at most */
	/* Of looks at the tree. */
	int64_t peak;	      /* as it was at the last one */
	int64_t ended;	      /* the part of images found to have ended since the last one began */
	int64_t ended_before; /* … and at the one before */
	int64_t least;	      /* the peak was at least this */
};

/* A sum that should not be negative, but comes from hostile memory. */
static inline uint64_t at_least_zero(int64_t value)
{
	return value > 0 ? (uint64_t)value : 0;
}

void heap_bound_add(struct heap_bound *at_once, const struct lane_sums *sums);
/* The same for what @lane, open as @fd, says now. -1: it was not opened, and may lack anything. */
void heap_bound_read(struct heap_bound *at_once, struct lane *lane, int fd);
void heap_bound_raise(struct heap_bound *highest, const struct heap_bound *at_once);

/* An image has ended whose part of the tree's sum was @bytes until now. */
void heap_bound_ended(struct heap_bound *bound, int64_t bytes);
/* After all lanes were looked at: @peak is the tree's as it was read before. */
void heap_bound_looked(struct heap_bound *bound, int64_t peak);

#endif
