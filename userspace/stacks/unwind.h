/* SPDX-License-Identifier: MIT */
/* From a snapshot to the frames of its stack, by the call-frame information of the modules (rows.h).
 *
 * What cannot be known ends the stack there and marks it; nothing is guessed. Code without rows (made at
 * run time, assembler) is left by what its instructions do (row_exit.h), and only to behind a call. */
#ifndef USERSPACE_STACKS_UNWIND_H
#define USERSPACE_STACKS_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/cleanup.h"
#include "userspace/stacks/snapshot.h"
#include "userspace/stacks/spaces.h"

enum { FRAMES_MAX = 512 };

struct code_frame {
	uint32_t module; /* id; 0: code that belongs to nothing known */
	/* As the symbols of the module count: the ELF virtual address; of a file that could not be looked into,
	 * the offset in it; without a module, and in kernel and made code, the address (of a JVM's, a number:
	 * hotspot_processes.h). Of a caller it is one less than where it goes on, so that it is inside the
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

/* A frame of code made at run time, for who knows the compiler that made it. */
struct made_frame {
	pid_t pid;
	uint64_t time_ns;
	uint64_t address;  /* in the code; of a caller, in its call */
	bool is_innermost; /* or was interrupted: it called nothing */
	bool knows_rbp;
	uint64_t rsp, rbp;
	/* A word of the stack at @at; false: the slice has not got it. */
	bool (*word)(const struct made_frame *frame, uint64_t at, uint64_t *ret);
	const void *stack;
	/* What is found: */
	uint64_t name;	 /* the offset that the frame has in place of its address; 0: it keeps it */
	bool has_caller; /* these are its caller's: */
	bool knows_caller_rbp;
	uint64_t caller_rip, caller_rsp, caller_rbp;
};

/* Whom to ask about each; what @look leaves is left by what its instructions do. */
void unwinder_set_made(struct unwinder *u, void (*look)(void *data, struct made_frame *frame),
		       void *data);

void unwind(struct unwinder *u, const struct snapshot *snapshot, struct unwound *ret);

/* What code a process had at @address then: fills in @ret but for .address. Returns the module, NULL: nothing
 * that is known. */
struct module *unwinder_place(struct unwinder *u, pid_t pid, uint64_t time_ns, uint64_t address,
			      struct code_frame *ret);

/* Rows that were looked up in files, of all that were needed. */
void unwinder_counts(const struct unwinder *u, uint64_t *ret_rows, uint64_t *ret_missed);

#endif
