/* SPDX-License-Identifier: MIT */
/* From a snapshot to the frames of its stack, by the call-frame information of the modules (rows.h).
 *
 * What cannot be known ends the stack there and marks it; nothing is guessed. Code without rows (made at
 * run time, assembler) is left by its frame pointer if that leads upwards inside the slice, to code. */
#ifndef USERSPACE_STACKS_UNWIND_H
#define USERSPACE_STACKS_UNWIND_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/base/cleanup.h"
#include "userspace/stacks/snapshot.h"
#include "userspace/stacks/spaces.h"

enum { FRAMES_MAX = 512 };

struct code_frame {
	uint32_t module; /* id; 0: code that belongs to nothing known */
	/* As the symbols of the module count: the ELF virtual address; of a file that could not be looked into,
	 * the offset in it; without a module, and in kernel and made code, the address. Of a caller it is one less than where it goes on, so that it is inside the
	 * call, which may be the last instruction of a function. */
	uint64_t offset;
	uint64_t address; /* where the thread goes on in this frame */
};

enum unwind_end {
	UNWIND_OUTERMOST, /* all frames are there */
	UNWIND_NO_STACK,  /* cut: further up than the slice goes */
	UNWIND_NO_ROW,	  /* cut: nothing tells how to go on from there */
	UNWIND_NO_CODE,	  /* cut: led to where no code is known */
	UNWIND_NO_GROWTH, /* cut: led downwards, or in a circle */
	UNWIND_TOO_MANY,  /* cut: FRAMES_MAX */
};

struct unwound {
	struct code_frame frames[FRAMES_MAX]; /* innermost first; the kernel's come first */
	size_t n;
	size_t n_kernel;     /* of these, the kernel's */
	enum unwind_end end; /* all but OUTERMOST: it is cut */
};

/* In words. */
const char *unwind_end_name(enum unwind_end end);

struct unwinder;

/* NULL: no memory. @spaces must live longer. Has some 8 MiB, and up to 32 MiB of rows' files. */
struct unwinder *unwinder_new(struct spaces *spaces);
struct unwinder *unwinder_free(struct unwinder *u);
DEFINE_FREEP(struct unwinder, unwinder_free)

void unwind(struct unwinder *u, const struct snapshot *snapshot, struct unwound *ret);

/* Rows that were looked up in files, of all that were needed. */
void unwinder_counts(const struct unwinder *u, uint64_t *ret_rows, uint64_t *ret_missed);

#endif
