/* SPDX-License-Identifier: MIT */
/* The file that an image records into (exact.h): what a thread writes to, and how that is made. */
#ifndef PRELOAD_EXACT_FILE_H
#define PRELOAD_EXACT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/exact.h"
#include "preload/code.h"
#include "preload/counters.h"
#include "preload/shim.h"
#include "preload/stack_nodes.h"
#include "preload/unwind.h"

enum { EXACT_PATH = 320 };

struct exact_thread {
	enum { RING_NONE, RING_THERE, RING_REFUSED } state;
	struct sl_exact_ring *ring;
	uint64_t *words; /* of the part that is written to; `size` of them, a power of two */
	uint64_t size;
	uint64_t head;	      /* as in the ring */
	uint64_t limit;	      /* of it, as far as is known to have been read */
	uint64_t clock;	      /* of the last record; 0: not known */
	uintptr_t busy;	      /* where on the stack a record is being made; 0: none is */
	uint32_t n_calls;     /* of which each TIMED_EACH-th is timed */
	uint64_t timed_since; /* by the processor's clock; 0: this one is not */
	struct unwind_thread unwind;
};

/* Zero at first, and again in a forked child. */
struct exact {
	struct sl_exact *file; /* NULL: not begun */
	uint32_t is_starting;
	bool has_no_more_nodes; /* they were asked for, and could not be had */
	struct code code;
	struct stack_nodes nodes;
	char path[EXACT_PATH];
	/* Thread pointers: whose are the rings above those of the slots. */
	uint64_t owners[SL_EXACT_RINGS - SL_LANE_SLOTS];
	struct exact_thread threads[SL_EXACT_RINGS];
	uint32_t buckets[NODE_BUCKETS];
};

/* Whether system calls are allowed, as far as is known without one: who makes one asks shim_may_call(). */
static inline bool exact_may_call(void)
{
	return !shim.is_off && !shim.is_sealed;
}

/* NULL: none was made. */
extern struct exact *exact_memory HIDDEN;

/* Makes the image's file. False: it cannot be had. */
bool exact_file_begin(void) HIDDEN;
/* The calling thread's ring. False: it cannot be had, for good. */
bool exact_ring_begin(struct exact *e, struct exact_thread *t) HIDDEN;
/* After it was left in the middle of anything: what is said in two places is as the ring has it. */
void exact_ring_mend(struct exact_thread *t) HIDDEN;
/* Gives it its large part. */
bool exact_ring_grow(struct exact *e, struct exact_thread *t) HIDDEN;

#endif
