/* SPDX-License-Identifier: MIT */
/* What an allocator says of itself that a program has brought along, so that its calls were not counted. */
#ifndef USERSPACE_MODEL_ALLOCATOR_H
#define USERSPACE_MODEL_ALLOCATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/model/resident.h"

struct allocator_look {
	bool is_known; /* false: everything else is meaningless (null in the document) */
	int64_t time_ns;
	int64_t live_bytes; /* allocated and not freed, as its sizes are */
	int64_t error_bytes; /* it may be less by that; UNKNOWN: nobody knows by how much it is off */
	int64_t allocated_bytes; /* since it began, by threads that still lived */
	int64_t held_bytes;	 /* from the kernel, live or not */
	int64_t threads_ended;	 /* that are not in live_bytes and allocated_bytes */
};

struct allocator {
	bool is_known;	     /* false: there is none, or it does not say anything */
	const char *name;    /* "jemalloc"; NULL: as above */
	const char *version; /* "5.3.0"; "": it does not say */
	struct allocator_look looks[LOOK_OF_ALL];
};

#endif
