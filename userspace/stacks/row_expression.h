/* SPDX-License-Identifier: MIT */
/* The expressions of call-frame information that a row can hold: sums of a register and a number, with
 * what PLT stubs and realigned stacks add to that. */
#ifndef USERSPACE_STACKS_ROW_EXPRESSION_H
#define USERSPACE_STACKS_ROW_EXPRESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <elfutils/libdw.h>

enum { ROW_BASE_NUMBER = -1, ROW_BASE_CFA = 64 };

struct row_value {
	int base; /* a register, or ROW_BASE_* */
	int64_t offset;
	bool is_at;    /* what stands at base + offset */
	bool is_value; /* the register's value itself, not its place */
};

/* @address stands for RIP: a row is of one address only. False: it is more than a row can hold. */
bool row_evaluate(const Dwarf_Op *ops, size_t n, uint64_t address, struct row_value *ret);

#endif
