/* SPDX-License-Identifier: MIT */
/* Tables of rows (bpf/rows.h) of what the target has mapped, made when it is first seen, in the session's
 * directory, where shims find them by build-id. */
#ifndef USERSPACE_COLLECT_HEAP_ROW_STORE_H
#define USERSPACE_COLLECT_HEAP_ROW_STORE_H

#include "userspace/stacks/modules.h"

struct row_store;

/* @directory: borrowed. NULL: no memory. */
struct row_store *row_store_new(int directory);
struct row_store *row_store_free(struct row_store *s);

/* Once for each module; what has no rows, or none that are believed, has no table. @pid has it mapped. */
void row_store_add(struct row_store *s, struct modules *modules, struct module *module, pid_t pid);

/* The same of a file that is known by its path. */
void row_store_add_path(struct row_store *s, const char *path);

#endif
