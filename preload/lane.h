/* SPDX-License-Identifier: MIT */
/* Writing into a lane: opening one, and appending records to it. See bpf/lane.h for the layout. */
#ifndef PRELOAD_LANE_H
#define PRELOAD_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/lane.h"

struct lane_spec {
	const char *directory;
	uint32_t records_end; /* SL_LANE_RECORDS or SL_LANE_RECORDS_NET */
	uint32_t ns_pid;
	uint32_t flags; /* SL_LANE_* */
	uint64_t start_ns;
	struct sl_tree *tree; /* where lanes made beforehand are claimed; NULL: nowhere */
};

/* Takes a lane that was made beforehand, or creates the file and allocates all of it; maps it and
 * closes the descriptor. NULL when anything is short: files, memory, file size limit, space. Nothing
 * is left behind then. */
struct sl_lane *lane_open(const struct lane_spec *spec);

/* Makes the file @path, all of it allocated, and maps it; NULL likewise. */
void *shared_file_make(const char *path, uint32_t n_bytes);

/* Maps the session's shared page, or returns NULL. */
struct sl_tree *tree_open(const char *directory);

/* Prepares zeroed memory, @n_bytes of it, as a lane. */
void lane_init(struct sl_lane *lane, const struct lane_spec *spec, uint32_t n_bytes);

/* Whether a record of @size bytes would fit by now. */
bool lane_has_room(const struct sl_lane *lane, size_t size);

/* Reserves room for a record of @size bytes (rounded up to 8) and writes its size. NULL when the
 * lane is full; the loss is counted. Fill in all but size and kind, then commit. */
struct sl_event *lane_reserve(struct sl_lane *lane, size_t size);
void lane_commit(struct sl_event *event, enum sl_kind kind);

uint64_t clock_ns(void);
uint64_t wall_clock_ns(void);

#endif
