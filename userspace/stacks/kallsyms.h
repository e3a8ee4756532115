/* SPDX-License-Identifier: MIT */
/* Names of kernel addresses by /proc/kallsyms, for kernels that do not print them for us. */
#ifndef USERSPACE_STACKS_KALLSYMS_H
#define USERSPACE_STACKS_KALLSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/buf.h"

struct kallsyms {
	struct buf text;
	struct kernel_symbol *symbols; /* functions, by address */
	size_t n;
};

/* Whether addresses can be read at all: kernel.kptr_restrict hides them. */
bool kallsyms_is_readable(void);
/* Takes some 50 ms. To be freed with kallsyms_done() whatever is returned. */
int kallsyms_read(struct kallsyms *k);
void kallsyms_done(struct kallsyms *k);
/* The function that @address is in; NULL: none. */
const char *kallsyms_name(const struct kallsyms *k, uint64_t address);

#endif
