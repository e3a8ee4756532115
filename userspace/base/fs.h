/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_FS_H
#define STARTLINE_BASE_FS_H
/*
 * Files: read whole, written whole; the user's places. What is made, and where: path.h.
 *
 * All return 0 or a negative errno and log nothing.
 */

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "userspace/base/buf.h"

/* Appends the rest of @fd, or the whole file, to @ret. Reads until end of file, so that files of
 * /proc, whose size is 0, work too. -EFBIG when there is more than fits @ret's limit: nothing past
 * it is read. Opening never blocks on a FIFO and a directory is -EISDIR. */
int fs_read_fd(int fd, struct buf *ret);
int fs_read_file(const char *path, struct buf *ret);

/* Writes all of it; continues after short writes and signals. */
int write_all(int fd, const void *data, size_t n);

/* startline's state directory, not created: $XDG_STATE_HOME/startline, else
 * ~/.local/state/startline (XDG Base Directory Specification; relative values are ignored as it
 * demands). Appends to @ret. -ENOENT when there is no home. */
int fs_state_dir(struct buf *ret);
/* The same of its cache: $XDG_CACHE_HOME/startline, else ~/.cache/startline. */
int fs_cache_dir(struct buf *ret);

/* The directory of the running executable. Appends to @ret. */
int fs_self_dir(struct buf *ret);

/* The directory @fd, to be read from its beginning; @fd stays the caller's. NULL: no descriptor, or no
 * memory. */
DIR *fs_list(int fd);

/* Whether both descriptors lead to the same file. */
bool fs_is_one_file(int a, int b);

#endif
