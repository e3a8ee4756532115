/* SPDX-License-Identifier: MIT */
/* Walking out of a thread's stack where it stands, by compiled rows (code.h), to the number of the stack it
 * makes (stack_nodes.h).
 *
 * Nothing is read that is not known to be there. A thread's own stack was proved readable once, page by page, and
 * from where the walk begins up to its end it is in use, and stays so; what lies below may have been closed since,
 * as a JVM does. On others (coroutines, signals) each page is asked for each time. Most of a stack is as it was the last time: from the first frame on that stands
 * where it stood, with the same return address and RBP, the rest is taken over, where all that led there still
 * holds the same values. */
#ifndef PRELOAD_UNWIND_H
#define PRELOAD_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/code.h"
#include "preload/stack_nodes.h"

enum { UNWIND_FRAMES = 256, UNWIND_CACHE = 256, UNWIND_NODES = 512 };

/* A frame: what its registers are when what it called has returned. */
struct unwind_frame {
	uint64_t address; /* where it goes on, SL_EXACT_INTERRUPTED */
	uint64_t rsp;	  /* the address stood below it */
	uint64_t rbp;
	uint32_t node;
	uint16_t
		rbp_below; /* words below RSP, where that RBP stood; 0: in the register, or it matters no more */
	bool needs_rbp; /* what follows outwards depends on it */
};

struct unwind_row {
	uint64_t address;
	uint32_t rule;
};

/* Which number a frame has got; as these never change, it may be of any time. */
struct unwind_node {
	uint64_t address;
	uint32_t caller, number;
};

/* Of one thread; starts as zeros. */
struct unwind_thread {
	uintptr_t low,
		high;	/* of its own stack, what was proved readable; high 0: not looked yet */
	uint32_t epoch; /* of the code, that the rest is of */
	uint32_t n_last;
	struct unwind_row rows[UNWIND_CACHE];
	struct unwind_node nodes[UNWIND_NODES];
	struct unwind_frame last[UNWIND_FRAMES];  /* outermost first */
	struct unwind_frame fresh[UNWIND_FRAMES]; /* innermost first */
};

struct unwind_start {
	uint64_t rip; /* where the caller of the hook goes on, with these: */
	uint64_t rsp, rbp;
};

/* Where the rule at @address is kept, if it is. */
static inline struct unwind_row *unwind_row_of(struct unwind_thread *thread, uint64_t address)
{
	return &thread->rows[(address ^ address >> 8) % UNWIND_CACHE];
}

/* Whether @address is on what is known of the thread's own stack. */
static inline bool unwind_is_own(const struct unwind_thread *thread, uintptr_t address)
{
	return address - thread->low < thread->high - thread->low;
}

/* Of the function that this stands in, which must not be inlined: its caller's registers. */
#define UNWIND_START()                                                 \
	__extension__({                                                \
		const uint64_t *frame_ = __builtin_frame_address(0);   \
		(struct unwind_start){ .rip = frame_[1],               \
				       .rsp = (uintptr_t)(frame_ + 2), \
				       .rbp = frame_[0] };             \
	})

/* The number of the stack, or 0: no room. @may_call: system calls are allowed. */
uint32_t unwind_stack(struct code *code, struct stack_nodes *nodes, struct unwind_thread *thread,
		      const struct unwind_start *start, bool may_call);

#endif
