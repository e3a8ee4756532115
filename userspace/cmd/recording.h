/* SPDX-License-Identifier: MIT */
/* Where recordings are kept: `.startline` in the working directory, else the user's state
 * directory. They belong to the user who called startline, also under sudo. */
#ifndef USERSPACE_CMD_RECORDING_H
#define USERSPACE_CMD_RECORDING_H

#include <stddef.h>

#include "userspace/base/buf.h"
#include "userspace/trace/trace.h"

/* Creates the file of a new recording: at @path if not NULL, else where recordings are kept.
 * *ret_path is its name, for the user; the caller frees it; NULL: it is not kept (said). */
int recording_create(const char *path, struct trace_writer **ret, char **ret_path);
/* Removes all but the last 20 recordings in the directory of @path, which recording_create() has
 * chosen. */
void recording_prune(const char *path);
/* Appends the directory that they would be written to, which is made if need be. Negative errno. */
int recording_directory(struct buf *ret);
/* Opens the @n-th last recording, from 1, and appends its path. Returns a descriptor. -ENOENT, logged:
 * there are not that many. */
int recording_open(size_t n, struct buf *ret_path);

#endif
