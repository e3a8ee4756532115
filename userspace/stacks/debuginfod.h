/* SPDX-License-Identifier: MIT */
/* Debug files from the servers that DEBUGINFOD_URLS names. Only for who asks for it: it goes to the network,
 * and tells servers which programs run here. elfutils' client does the work, and keeps what it got in the
 * cache that gdb and others use; it is loaded when it is used, so that startline does not depend on it. */
#ifndef USERSPACE_STACKS_DEBUGINFOD_H
#define USERSPACE_STACKS_DEBUGINFOD_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/stacks/modules.h"

struct debuginfod;

/* Called about once a second, and more often while a file comes: bytes that are here, of how many (0: not
 * known). False: no more of this file. */
typedef bool debuginfod_progress(void *user, uint64_t n_bytes, uint64_t n_all);

/* NULL: it cannot be had; *ret_why says why, for a sentence. */
struct debuginfod *debuginfod_new(debuginfod_progress *progress, void *user, const char **ret_why);
struct debuginfod *debuginfod_free(struct debuginfod *d);

/* The debug file of @identity, which has a build-id: its path in the cache, from malloc. -ENOENT: no server
 * has it; -ECANCELED: @progress wanted no more; else what went wrong. */
int debuginfod_fetch(struct debuginfod *d, const struct file_identity *identity, char **ret_path);

#endif
