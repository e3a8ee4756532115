/* SPDX-License-Identifier: MIT */
/* Where libstartline.so is, under a name that the target's loader can use. */
#ifndef USERSPACE_COLLECT_SHIM_SHIM_PATH_H
#define USERSPACE_COLLECT_SHIM_SHIM_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/collect/shim/session_dir.h"

/* Looks beside the program, then in ../lib/startline, then where it was configured to be installed.
 * LD_PRELOAD is split at spaces and colons, whose rights these are may not be allowed to go there, and
 * it may be mounted noexec: then a copy is made in @d, where it can be reached. 0, -ENOENT,
 * -ENAMETOOLONG, or what copying failed with. */
int shim_path_find(const struct session_dir *d, char *ret, size_t size);
/* Whether it would make a copy, which needs a directory that programs can be mapped from. */
bool shim_path_is_copied(void);

#endif
