/* SPDX-License-Identifier: MIT */
/* Telling of sampled blocks where no kernel probe listens: the ring of bpf/block.h. Signal handlers may
 * come in between anywhere, and may leave by siglongjmp(): a place that stays busy is lost, no more. */
#ifndef PRELOAD_BLOCK_RING_H
#define PRELOAD_BLOCK_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/block.h"
#include "bpf/control.h"

/* Makes the file in @directory and maps it such that forked children do not have it; NULL: it cannot be had,
 * and nothing is left behind. */
struct sl_blocks *block_ring_open(const char *directory, uint32_t ns_pid, uint64_t now_ns);

/* Prepares zeroed memory. */
void block_ring_init(struct sl_blocks *ring, uint32_t ns_pid);

/* A place for what is to be told; NULL: it is lost. Fill in, then commit. */
struct sl_block_record *block_ring_begin(struct sl_blocks *ring);
static inline struct stack_snapshot *block_record_snapshot(struct sl_block_record *record)
{
	return (struct stack_snapshot *)(void *)record->snapshot;
}
/* Copies what can be read of @n_bytes of the stack from @sp on, at most, for @record. Memory of process
 * @pid, which is the caller's own: nothing is read but by the kernel. */
void block_ring_copy_stack(struct sl_blocks *ring, struct sl_block_record *record, uint32_t pid,
			   uintptr_t sp, uint64_t n_bytes);
void block_ring_commit(struct sl_block_record *record);

#endif
