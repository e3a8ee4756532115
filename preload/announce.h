/* SPDX-License-Identifier: MIT */
/* What kernel probes would say of a new process or image, said by itself where there are none:
 * whose child it is and what it executes. Only with SHIM_WRAPS_NETWORK, which marks that tier. */
#ifndef PRELOAD_ANNOUNCE_H
#define PRELOAD_ANNOUNCE_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/counters.h"

/* Writes TASK, and for an image that was executed (not @is_forked) EXEC and ARGS. @parent_pid: the
 * nearest ancestor that has a lane, or 0: ask the kernel. The lane must be open. */
void announce(bool is_forked, uint32_t parent_pid) HIDDEN;

/* A child of vfork, which has no lane of its own, is about to execute what will not have one. */
void announce_child(void) HIDDEN;

/* Notes in the lane that the program is about to end by itself. */
void announce_end(void) HIDDEN;

#endif
