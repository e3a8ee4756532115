/* SPDX-License-Identifier: MIT */
/* How often a tree that grows is looked at. A look takes the kernel a while, the longer the more it sees, so looks
 * take no more than a hundredth of the time together. That alone would leave a tree unseen which has grown slowly, or
 * was many small processes, and then becomes large. So a look that sees at least twice what the last of its kind saw
 * is not held up by what others took, nor they by it: there are few of these, and all together take about twice what
 * the last takes. And where a tree has stopped growing, and has clearly more than was seen, it may be two hundredths. */
#ifndef USERSPACE_COLLECT_RUN_PACE_H
#define USERSPACE_COLLECT_RUN_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct look_pace {
	uint64_t seen_bytes; /* what the tree had at the last look; less: what that found of it */
	uint64_t doubled_bytes; /* … at the last that saw twice as much */
	uint64_t cost_ns;	/* of the last: time on the CPU */
	uint64_t spent_ns;	/* of all but those that saw twice as much */
	uint64_t still_bytes;	/* about what it has had … */
	uint64_t still_ns;	/* … since then */
};

/* Whether to look at a tree of @n_processes that now has @bytes, @since_ns after the command began. To be asked
 * every now and then. */
bool look_is_due(struct look_pace *p, uint64_t bytes, size_t n_processes, uint64_t since_ns);
/* One was taken, which took @cost_ns and has found @found_bytes of the @bytes. */
void look_was_taken(struct look_pace *p, uint64_t bytes, uint64_t found_bytes, uint64_t cost_ns);

#endif
