/* SPDX-License-Identifier: MIT */
/* One way through code, as far as it concerns the stack: where RSP and RBP lead after each instruction, seen
 * from where the way begins. Only for row_exit.c, and row_bytes.c. */
#ifndef USERSPACE_STACKS_ROW_WAY_H
#define USERSPACE_STACKS_ROW_WAY_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/stacks/instruction.h"
#include "userspace/stacks/rows.h"

/* Where a register leads: so many bytes from RSP or RBP as they were in the beginning. */
struct value {
	enum value_base { VALUE_UNKNOWN, VALUE_RSP, VALUE_RBP, VALUE_CALLER } base;
	int64_t offset; /* CALLER: it was read from @at */
	enum value_base at;
};

enum { N_IN_CODE = 16 }; /* registers as instructions number them */

/* What has become of the state on one way. */
struct way {
	uint64_t address;
	struct value rsp, rbp;
	struct value pushed_at; /* RBP, … */
	struct value pushed;	/* … which was that */
	/* What was popped may be the return address, to be pushed again or jumped to. */
	uint16_t has_popped; /* bit: the register has what was at … */
	int32_t popped_from[N_IN_CODE];
	int64_t again_at, again_from; /* a word pushed again, and where it was */
	int64_t overwritten;	      /* what was there up to that offset from RSP is gone */
	bool is_again_on_top;
	bool makes_frame; /* … for who called it */
	bool has_called, has_called_bare;
};

enum verdict {
	GOES_ON,
	IS_FOUND,      /* it leaves, by the row */
	LEADS_NOWHERE, /* this way, that is */
	IS_HOPELESS,   /* none of them tells where the return address is */
};

struct way way_begin(uint64_t address);

/* After @i, which is no branch and no call. *row: that of the beginning, if it leaves. */
enum verdict way_follow(struct way *w, const struct instruction *i, struct row *row);

/* It leaves with the return address at @at. */
enum verdict way_found(const struct way *w, struct value at, struct row *row);

/* RSP and RBP are as they were. */
bool way_is_untouched(const struct way *w);
/* RBP has just been pushed, as the caller left it. */
bool way_is_set_up(const struct way *w);
/* mov %rsp,%rbp, in either of its forms. */
bool sets_frame_pointer(const struct instruction *i);

/* @value and @by bytes; unknown if that is far away. */
struct value value_moved(struct value value, int64_t by);
/* The row of code whose return address is at @at, with its caller's RBP at @rbp. False: it is where a slice
 * has nothing. */
bool row_leaves(struct row *row, struct value at, struct value rbp);
/* The row of code with a frame pointer, which has been set up. */
struct row row_of_frame_pointer(void);

#endif
