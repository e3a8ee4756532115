/* SPDX-License-Identifier: MIT */
/* Stacks as a tree of nodes that all threads add to at once: a frame and who called it (bpf/exact.h). Each has a
 * number, from 1, and is there once. Nothing is locked; what was written is never changed. */
#ifndef PRELOAD_STACK_NODES_H
#define PRELOAD_STACK_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/exact.h"

enum { NODE_BUCKETS = SL_EXACT_NODES * 2 };

struct stack_nodes {
	struct sl_exact *file;	     /* has the counts */
	struct sl_exact_node *nodes; /* that are shared */
	uint32_t *buckets;	     /* NODE_BUCKETS of them, zero at first: numbers of nodes */
	/* Allocates the rest of the nodes. False: there are no more. */
	bool (*grow)(void *user);
	void *user;
};

/* The number of @address called by @caller (a number, or SL_EXACT_OUTERMOST, …CUT). 0: no room, which is
 * counted. */
uint32_t stack_nodes_intern(struct stack_nodes *n, uint32_t caller, uint64_t address);

#endif
