/* SPDX-License-Identifier: MIT */
/* See told.h. */
#include "userspace/collect/perf/told_block.h"

#include "userspace/stacks/x86_64.h"

bool told_block_read(const struct stack_snapshot *taken, struct told_block *ret)
{
	const __u64 *registers = taken->registers;
	const struct told_block block = {
		.op = (enum sl_block_op)registers[REGISTER_R8],
		.address = registers[REGISTER_RSI],
		.bytes = registers[REGISTER_R10],
	};
	if ((registers[REGISTER_R8] != SL_BLOCK_ALLOCATED &&
	     registers[REGISTER_R8] != SL_BLOCK_FREED) ||
	    block.address == 0)
		return false;
	*ret = block;
	if (block.op == SL_BLOCK_FREED)
		ret->is_temporary = (registers[REGISTER_R9] & SL_BLOCK_TEMPORARY) != 0;
	else if (registers[REGISTER_R9] <= INT64_MAX && registers[REGISTER_RDX] <= INT64_MAX) {
		ret->live_bytes = registers[REGISTER_R9];
		ret->peak_bytes = registers[REGISTER_RDX];
	}
	return true;
}
