/* SPDX-License-Identifier: MIT */
/* Where libstartline.so is, under a name that the target's loader can use. */
#ifndef USERSPACE_COLLECT_SHIM_PATH_H
#define USERSPACE_COLLECT_SHIM_PATH_H

#include <stddef.h>
#include <sys/types.h>

#include "userspace/collect/session_dir.h"

/* Looks beside the program, then in ../lib/startline, then where it was configured to be installed.
 * LD_PRELOAD is split at spaces and colons, and a user the target runs as may not be allowed to
 * go there: then a copy is made in @d, where it can be reached. 0, -ENOENT, -ENAMETOOLONG, or what
 * copying failed with. */
int shim_path_find(const struct session_dir *d, uid_t uid, gid_t gid, char *ret, size_t size);

#endif
