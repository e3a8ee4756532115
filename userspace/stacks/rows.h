/* SPDX-License-Identifier: MIT */
/* Rows: how to leave a function from one of its instructions, that is where its caller's registers are.
 *
 * A row is evaluated by libdw when it is first asked for, and kept in a cache of a fixed size, by module
 * and address: the few hundred places of which stacks are made come back all the time. All rows of a
 * module at once would take tens of milliseconds and megabytes. */
#ifndef USERSPACE_STACKS_ROWS_H
#define USERSPACE_STACKS_ROWS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/cleanup.h"
#include "userspace/stacks/modules.h"
#include "userspace/stacks/x86_64.h"

enum row_flag {
	ROW_NONE = 0x01, /* nothing tells: the stack ends here, unfinished */
	ROW_END = 0x02,	 /* it is the outermost frame */
	ROW_SIGNAL =
		0x04, /* the frame of a signal: its caller was interrupted, and called nothing */
	ROW_CONTEXT = 0x08,	  /* all registers are in the signal's context at RSP */
	ROW_CFA_AT = 0x10,	  /* the CFA is what stands at the register and offset */
	ROW_FRAME_POINTER = 0x20, /* by the frame pointer, which the code only seems to have */
	ROW_IN_CALL = 0x40,	  /* the address is the last byte of a call */
	ROW_GOROUTINE = 0x80,	  /* its caller is a goroutine, on a stack of its own */
	ROW_GOROUTINE_IF = 0x100, /* … if words at RSP say so */
	ROW_SCHEDULER = 0x200,	  /* looks for a goroutine to run: what is outside of it is over */
	ROW_UNREAL = 0x400,	  /* stands for a frame that was told already */
	ROW_BY_CODE = 0x800,	  /* from the look of the code: it must lead to behind a call */
	ROW_MAKES_FRAME = 0x1000, /* … for who called it, who has none yet */
};

enum { SAVED_UNCHANGED = INT16_MIN, SAVED_LOST = INT16_MIN + 1 };

/* The CFA (canonical frame address) is RSP before the call: register + offset. */
struct row {
	uint64_t key; /* for rows.c */
	int32_t cfa_offset;
	int16_t saved[N_SAVED]; /* words from the CFA, or from RBP; SAVED_* */
	uint8_t cfa_register;
	uint8_t by_rbp; /* bit i: saved[i] counts from RBP */
	uint16_t flags; /* enum row_flag */
	uint16_t look;	/* for rows.c */
};

struct rows;

/* NULL: no memory. @modules must live longer. */
struct rows *rows_new(struct modules *modules);
struct rows *rows_free(struct rows *r);
DEFINE_FREEP(struct rows, rows_free)

/* The row at @address, as the symbols of @module count: a file or vDSO that was looked into, or code that
 * was made at run time, which is looked at where it is, in the memory of @pid. It is the last byte of a
 * call if the frame is a caller's, else an instruction. @pid has it mapped. Valid until the next call. */
const struct row *rows_find(struct rows *r, struct module *module, uint64_t address, bool is_caller,
			    pid_t pid);

void rows_counts(const struct rows *r, uint64_t *ret_found, uint64_t *ret_made);

#endif
