/* SPDX-License-Identifier: MIT */
/* A thread at one moment: its registers and a slice of its stack, as a producer took them. */
#ifndef USERSPACE_STACKS_SNAPSHOT_H
#define USERSPACE_STACKS_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/stacks/x86_64.h"

/* A goroutine that waits on its own stack while its thread is on another one, taken at the same moment. */
struct goroutine {
	uint64_t address;     /* its runtime.g */
	uint64_t rsp, rip;    /* where it goes on, if that is on its stack */
	uint64_t end;	      /* of its stack */
	uint64_t bottom;      /* of what was taken of that */
	const uint8_t *stack; /* … upwards */
	size_t n_stack;	      /* bytes */
};

/* The slice is memory of a process, hence secret: it is unwound and forgotten, never written anywhere. */
struct snapshot {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	pid_t pid;
	pid_t tid;
	uint64_t registers
		[N_REGISTERS];	/* of user space; RIP 0: none, the thread has only kernel frames */
	const uint8_t *stack;	/* from RSP upwards; any alignment */
	size_t n_stack;		/* bytes */
	const uint64_t *kernel; /* addresses, innermost first, without perf's context markers */
	size_t n_kernel;
	const struct goroutine *goroutine; /* NULL: none that is known */
};

#endif
