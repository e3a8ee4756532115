/* SPDX-License-Identifier: MIT */
/* See snapshots.h. */
#include "userspace/collect/perf/snapshots.h"

#include <linux/perf_event.h>
#include <string.h>

struct snapshot snapshot_of(const struct stack_snapshot *taken, size_t n_bytes)
{
	struct snapshot snapshot = {
		.time_ns = taken->time_ns,
		.pid = (pid_t)taken->own_pid,
		.tid = (pid_t)taken->own_tid,
		.stack = taken->bytes,
		.n_stack = n_bytes,
	};
	memcpy(snapshot.registers, taken->registers, sizeof(snapshot.registers));
	_Static_assert(sizeof(snapshot.registers) == sizeof(taken->registers),
		       "the same registers");
	return snapshot;
}

static void set_registers(const uint64_t *registers, struct snapshot *ret)
{
	static const uint8_t numbers[PERF_REGISTERS] = {
		[0] = REGISTER_RAX,  [1] = REGISTER_RBX,  [2] = REGISTER_RCX,  [3] = REGISTER_RDX,
		[4] = REGISTER_RSI,  [5] = REGISTER_RDI,  [6] = REGISTER_RBP,  [7] = REGISTER_RSP,
		[8] = REGISTER_RIP,  [12] = REGISTER_R8,  [13] = REGISTER_R9,  [14] = REGISTER_R10,
		[15] = REGISTER_R11, [16] = REGISTER_R12, [17] = REGISTER_R13, [18] = REGISTER_R14,
		[19] = REGISTER_R15,
	};
	for (size_t i = 0; i < PERF_REGISTERS; i++)
		if (i < 9 || i >= 12) /* flags and segments */
			ret->registers[numbers[i]] = registers[i];
}

static size_t copy_kernel(const struct perf_sample *sample,
			  uint64_t ret[static SNAPSHOT_KERNEL_FRAMES])
{
	size_t n = 0;
	for (size_t i = 0; i < sample->n_kernel && n < SNAPSHOT_KERNEL_FRAMES; i++)
		if (sample->kernel[i] < PERF_CONTEXT_MAX)
			ret[n++] = sample->kernel[i];
	return n;
}

struct snapshot snapshot_of_timer(const struct perf_sample *taken,
				  uint64_t kernel[static SNAPSHOT_KERNEL_FRAMES])
{
	struct snapshot snapshot = {
		.time_ns = taken->time_ns,
		.pid = taken->pid,
		.tid = taken->tid,
		.stack = taken->stack,
		.n_stack = taken->n_stack,
		.kernel = kernel,
		.n_kernel = copy_kernel(taken, kernel),
	};
	if (taken->registers != NULL)
		set_registers(taken->registers, &snapshot);
	return snapshot;
}
