/* SPDX-License-Identifier: MIT */
/* What a lane says, as events. All fail as @sink does. */
#ifndef USERSPACE_COLLECT_SHIM_LANE_TELL_H
#define USERSPACE_COLLECT_SHIM_LANE_TELL_H

#include "userspace/collect/run/source.h"
#include "userspace/collect/shim/lane_reader.h"

/* Of the whole tree, in bytes. */
struct tree_peak {
	uint64_t bytes;
	uint64_t error_bytes;  /* it may be higher by that … */
	uint64_t excess_bytes; /* … or lower by that */
};

/* MARK OVERHEAD of what the shim spent besides what each image costs, and HEAP where it counts. Returns how many
 * HEAP. */
int lane_tell_sums(const struct lane *l, const struct lane_sums *sums, const struct tree_peak *tree,
		   enum sl_when when, struct sink sink);
/* USAGE with the high-water mark that the program left as it ended, which no look may have met. */
int lane_tell_peak(const struct lane *l, const struct lane_sums *sums, struct sink sink);
/* TALLY: how many records it was to have. */
int lane_tell_tally(const struct lane *l, struct sink sink);

#endif
