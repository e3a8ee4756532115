/* SPDX-License-Identifier: MIT */
/* Rows of Go's code, by Go's own table: it says the same as .debug_frame, in stripped programs too, and where
 * a stack ends or is left for another one, of which .debug_frame says nothing. Only for row_make.c. */
#ifndef USERSPACE_STACKS_ROW_GO_H
#define USERSPACE_STACKS_ROW_GO_H

#include <stdint.h>

#include "userspace/stacks/module_file.h"
#include "userspace/stacks/rows.h"

/* 1: a row; 0: the table does not cover the address; -1: it does, and nothing tells how to go on. */
int row_from_go(const struct module_file *f, uint64_t address, struct row *ret);

#endif
