/* SPDX-License-Identifier: MIT */
/* The row of code that has none, by what it goes on to do: on its way out it must bring RSP back to its
 * return address, and RBP to its caller's. What it undoes from here on is what has been done until here.
 *
 * So it needs no beginning of the function, which nothing tells, and sees what a look for a prologue does
 * not: code that sets up its frame on some ways only, or none (V8's builtins), or a frame without a
 * frame pointer (HotSpot). Bounded, whatever the bytes are. Only for row_make.c. */
#ifndef USERSPACE_STACKS_ROW_EXIT_H
#define USERSPACE_STACKS_ROW_EXIT_H

#include <stdbool.h>

#include "userspace/stacks/code.h"
#include "userspace/stacks/rows.h"

enum row_exit {
	ROW_EXIT_FOUND,
	ROW_EXIT_CALLS,	  /* no way out was found, but calls: it must have a frame */
	ROW_EXIT_UNKNOWN, /* nor these */
};

/* @address: of an instruction. */
enum row_exit row_from_exit(const struct code *code, uint64_t address, struct row *ret);

#endif
