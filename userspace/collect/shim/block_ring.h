/* SPDX-License-Identifier: MIT */
/* Reads the ring in which the shim tells of sampled blocks where no kernel probe takes their stacks
 * (bpf/block.h). Its bytes belong to the target: read with pread, copied, then checked, as a lane's
 * (lane_reader.h). */
#ifndef USERSPACE_COLLECT_SHIM_BLOCK_RING_H
#define USERSPACE_COLLECT_SHIM_BLOCK_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/control.h"
#include "userspace/collect/shim/lane_reader.h"

struct block_ring {
	char name[LANE_NAME_SIZE];
	uint32_t ns_pid;	 /* as its writer counts processes */
	bool has_header;	 /* it was checked */
	int64_t clock_offset_ns; /* the writer's clock minus ours */
	uint64_t next;		 /* ticket */
	uint64_t n_drawn;	 /* tickets, as the writer last said */
	uint64_t n_waited;	 /* … and the time before: these have had time to be written */
	uint64_t n_read;
};

/* Takes one, of which @n_bytes_max can be read behind its header. Negative: stop, pass it up. */
typedef int block_take_fn(void *data, const struct stack_snapshot *taken, size_t n_bytes_max);

/* Whether @name is that of a ring: "blocks-<pid>-<ns>". */
bool block_ring_name_is_valid(const char *name);

/* Hands over what is new in @fd, oldest first, with ids of the writer's own pid namespace. What is being
 * written is waited for until the next time, and with @is_last not at all. Returns how many, -EBADMSG: it is
 * no ring, -EAGAIN: its writer is not that far yet, or what @take returned. */
int block_ring_read(struct block_ring *ring, int fd, bool is_last, block_take_fn *take, void *data);

/* What was overwritten before it was read, or never came. */
uint64_t block_ring_lost(const struct block_ring *ring);

#endif
