/* SPDX-License-Identifier: MIT */
/* Only for rows.c: one row, from the file. */
#ifndef USERSPACE_STACKS_ROW_MAKE_H
#define USERSPACE_STACKS_ROW_MAKE_H

#include "userspace/stacks/rows.h"

/* Leaves .key alone. */
void row_make(struct modules *modules, struct module *module, uint64_t address, bool is_caller,
	      pid_t pid, struct row *ret);

#endif
