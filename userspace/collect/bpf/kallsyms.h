/* SPDX-License-Identifier: MIT */
/* Names of kernel addresses by /proc/kallsyms, for kernels that do not print them for us. */
#ifndef USERSPACE_COLLECT_BPF_KALLSYMS_H
#define USERSPACE_COLLECT_BPF_KALLSYMS_H

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

/* Names the place in the kernel where a thread slept. @line is "12 __schedule schedule pipe_read …": the number of a place, and the functions that
 * were active, innermost first. Returns the first one that says something, else the innermost;
 * NULL when the line makes no sense. Cuts @line up; the result points into it. */
const char *wait_channel_name(char *line, uint64_t *ret_number);

#endif
