/* SPDX-License-Identifier: MIT */
/* By how much the heap peak of the tree may be too low: processes publish what they allocate in
 * pieces, so the sum of all lacks something of each. */
#ifndef USERSPACE_COLLECT_SHIM_HEAP_BOUND_H
#define USERSPACE_COLLECT_SHIM_HEAP_BOUND_H

#include <stdint.h>

#include "userspace/collect/shim/lane_reader.h"

/* Over the images that are there at one moment, or the highest of such moments. Bytes. */
struct heap_bound {
	int64_t lacking; /* what their published sums lack at most */
	int64_t peaks;	 /* the sum of their own peaks: the tree's cannot be higher */
};

/* A sum that should not be negative, but comes from hostile memory. */
static inline uint64_t at_least_zero(int64_t value)
{
	return value > 0 ? (uint64_t)value : 0;
}

void heap_bound_add(struct heap_bound *at_once, const struct lane_sums *sums);
/* The same for what @lane, open as @fd, says now. -1: it was not opened, the most is assumed. */
void heap_bound_read(struct heap_bound *at_once, struct lane *lane, int fd);
void heap_bound_raise(struct heap_bound *highest, const struct heap_bound *at_once);
/* How much more than @tree_peak it may have been. */
uint64_t heap_bound_error(const struct heap_bound *highest, int64_t tree_peak);

#endif
