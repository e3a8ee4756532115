/* SPDX-License-Identifier: MIT */
/* The bytes of code: of a file as symbols count its addresses, or in the memory of a process that lives.
 * That may change at any time: what is read is what is there now. */
#ifndef USERSPACE_STACKS_CODE_H
#define USERSPACE_STACKS_CODE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/stacks/module_file.h"

struct code {
	const struct module_file *file; /* NULL: memory */
	pid_t pid;			/* that has it */
};

/* At most @n bytes at @address; 0: there are none. */
size_t code_read(const struct code *code, uint64_t address, void *ret, size_t n);

#endif
