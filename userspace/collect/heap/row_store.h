/* SPDX-License-Identifier: MIT */
/* Tables of rows (bpf/rows.h), where shims find them by build-id: of the command and what it needs before it is
 * started, of all else when it is mapped first. They are kept in the user's cache directory, "rows", for a month
 * after they were used last; where the command runs as another user in the session's directory only. */
#ifndef USERSPACE_COLLECT_HEAP_ROW_STORE_H
#define USERSPACE_COLLECT_HEAP_ROW_STORE_H

#include <stdbool.h>

#include "userspace/stacks/modules.h"

struct row_store;

/* @directory: of the session, borrowed. @has_cache: its user is ours. NULL: no memory. */
struct row_store *row_store_new(int directory, bool has_cache);
struct row_store *row_store_free(struct row_store *s);

/* Once for each module; what has no rows, or none that are believed, has no table. @pid has it mapped. */
void row_store_add(struct row_store *s, struct modules *modules, struct module *module, pid_t pid);

/* The same of a file that is known by its path; and of a program with all that it says it needs. -ENOMEM. */
void row_store_add_path(struct row_store *s, const char *path);
int row_store_add_program(struct row_store *s, const char *path);

#endif
