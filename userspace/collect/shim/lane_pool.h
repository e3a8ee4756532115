/* SPDX-License-Identifier: MIT */
/* Lanes made beforehand (struct sl_tree), so that a program need neither create nor allocate a file
 * while it starts. Shims take them by number; those taken are handed on and replaced. Without a pool,
 * or when it is used up, shims make their own. */
#ifndef USERSPACE_COLLECT_SHIM_LANE_POOL_H
#define USERSPACE_COLLECT_SHIM_LANE_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/collect/shim/session_dir.h"

struct lane_pool {
	const struct session_dir *dir;
	int tree_fd;
	uint32_t bytes; /* of one lane */
	uint32_t size;	/* lanes to hold ready; 0: there is no pool */
	uint32_t next;	/* the first one that was not taken when last looked */
	uint32_t end;	/* the first one that does not exist */
};

/* What a storm of programs takes between two looks; of those of @is_network, which are large and
 * looked at more often, no more than LANE_POOL_NETWORK are held. */
enum { LANE_POOL_SIZE = 96, LANE_POOL_NETWORK = 16 };

/* Makes the first @size lanes, unless memory is so short that others would miss it. @is_network: with
 * room for what kernel probes would report. @dir and @tree_fd stay the caller's and must live as
 * long. */
void lane_pool_init(struct lane_pool *pool, const struct session_dir *dir, int tree_fd,
		    bool is_network, uint32_t size);

/* Asks which were taken since the last time: numbers from *ret_first to before the returned one. */
uint32_t lane_pool_taken(struct lane_pool *pool, uint32_t *ret_first);

/* Makes as many as were taken. */
void lane_pool_refill(struct lane_pool *pool);

#endif
