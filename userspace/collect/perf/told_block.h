/* SPDX-License-Identifier: MIT */
/* Blocks as the shim tells of them: in the registers of a snapshot (bpf/block.h). */
#ifndef USERSPACE_COLLECT_PERF_TOLD_BLOCK_H
#define USERSPACE_COLLECT_PERF_TOLD_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/block.h"
#include "bpf/control.h"

struct told_block {
	enum sl_block_op op;
	uint64_t address;
	uint64_t bytes; /* usable */
	bool is_temporary;
	/* Of the process, just after it was allocated, and the most until then; 0: unknown. */
	uint64_t live_bytes, peak_bytes;
};

/* False: it makes no sense. */
bool told_block_read(const struct stack_snapshot *taken, struct told_block *ret);

#endif
