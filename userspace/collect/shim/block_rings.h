/* SPDX-License-Identifier: MIT */
/* The rings of sampled blocks of all programs that have made one, until these have ended. */
#ifndef USERSPACE_COLLECT_SHIM_BLOCK_RINGS_H
#define USERSPACE_COLLECT_SHIM_BLOCK_RINGS_H

#include "userspace/base/vec.h"
#include "userspace/collect/run/source.h"
#include "userspace/collect/shim/block_ring.h"

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

/* DROPS and notes about samples that were not taken, and about sampled blocks whose free was not told of. */
int samples_tell_lost(unsigned long long n_samples, unsigned long long n_frees, struct sink sink);

#endif
