/* SPDX-License-Identifier: MIT */
/* How the frames of a HotSpot JVM are left. */
#ifndef USERSPACE_STACKS_HOTSPOT_FRAMES_H
#define USERSPACE_STACKS_HOTSPOT_FRAMES_H

#include "userspace/stacks/hotspot.h"
#include "userspace/stacks/unwind.h"

/* Fills in the caller of @frame, whose code is @blob, if it can be known; @memory has the code. Not of the
 * interpreter. */
void hotspot_leave(const struct hotspot_blob *blob, const struct hotspot_heap *heaps,
		   size_t n_heaps, struct memory_reader memory, struct made_frame *frame);

/* *ret_method: the Method that a frame of the interpreter runs, if it is one. False: it has no frame. */
bool hotspot_interpreted(const struct made_frame *frame, uint64_t *ret_method);
/* Fills in the caller of a frame that is one. */
void hotspot_leave_interpreted(struct made_frame *frame);

#endif
