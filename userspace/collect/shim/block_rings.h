/* SPDX-License-Identifier: MIT */
/* The rings of sampled blocks of all programs that have made one, until these have ended. */
#ifndef USERSPACE_COLLECT_SHIM_BLOCK_RINGS_H
#define USERSPACE_COLLECT_SHIM_BLOCK_RINGS_H

#include "userspace/base/vec.h"
#include "userspace/collect/run/source.h"
#include "userspace/collect/shim/block_ring.h"

struct blocks_lost;

struct block_rings { /* all zero is empty and valid */
	struct block_ring_list VEC(struct block_ring) live;
	uint64_t n_lost; /* by those that have ended */
};

/* The one named @name, if it is new. -ENOMEM. */
int block_rings_add(struct block_rings *rings, const char *name);
/* As block_ring_read(), of all in @directory_fd. Those whose programs have ended are removed. */
int block_rings_read(struct block_rings *rings, int directory_fd, block_take_fn *take, void *data);
/* Records of all that were never handed over. */
uint64_t block_rings_lost(const struct block_rings *rings);
void block_rings_done(struct block_rings *rings);

void blocks_lost_add(struct blocks_lost *to, const struct blocks_lost *from);
/* DROPS and notes about samples that were not taken, about sampled blocks whose free was not told of, and about
 * processes that should have recorded all blocks. */
int blocks_tell_lost(const struct blocks_lost *lost, struct sink sink);

#endif
