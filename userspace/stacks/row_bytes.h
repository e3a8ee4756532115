/* SPDX-License-Identifier: MIT */
/* What the bytes of code tell that call-frame information does not. Only for row_make.c. */
#ifndef USERSPACE_STACKS_ROW_BYTES_H
#define USERSPACE_STACKS_ROW_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/stacks/code.h"
#include "userspace/stacks/rows.h"

/* The row of code without an entry. @address: as of rows_find(). */
void row_from_bytes(const struct code *code, uint64_t address, bool is_caller, struct row *ret);

/* Compilers don't say of a register that it is back when it was popped, since what was popped can still
 * be read below RSP. A slice has nothing from there; in an epilogue the registers have it. */
void row_give_back_popped(const struct module_file *f, uint64_t address, struct row *row);

/* Whether what stands before the byte behind @address is a call: only there something can return to. */
bool row_is_in_call(const struct code *code, uint64_t address);

#endif
