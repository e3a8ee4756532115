/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_PATH_H
#define STARTLINE_BASE_PATH_H
/*
 * Writing where others may have put something first: a link, a second name of a file of ours, a FIFO, a
 * directory of theirs under a name that startline uses.
 *
 * A directory that only we (base/rights.h) and root can write is safe: what is in there is as we left it.
 * On the way to a file a link is followed only where it lies in a safe one; what lies in another is
 * written only if it is our own and has no second name. All goes by descriptor, so that nothing changes
 * between the look and the use.
 *
 * All return a descriptor or 0, or a negative errno, and log nothing; path_strerror() has the words for
 * what is refused here besides those of the system.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PATH_NAME_SIZE = NAME_MAX + 1 };

/* @code: negative. */
const char *path_strerror(int code);

/* Opens or creates a file to write, with @flags of open(2). Somebody else's regular file is replaced by a
 * new one, but not with O_APPEND. -EAGAIN: a FIFO that nobody reads yet. */
int path_open(const char *path, int flags, mode_t mode);

/* A new file, 0600, to read and write; an old regular one is removed, -EEXIST if it is something else.
 * Only the last component of @path is used when @directory is not negative: there. */
int path_create(int directory, const char *path);

/* Replaces @path: writes a temporary file beside it, syncs it, and renames it. Readers see the old content
 * or the new, never a part. After a failure the old file is as it was. */
int path_replace(const char *path, const void *data, size_t n, mode_t mode);

/* A safe directory. @make: it and its missing parents are made, mode 0700; a new `.startline` gets a
 * `.gitignore`, so that recordings stay out of commits. -ENOTDIR: something else is in the way. */
int path_directory(const char *path, bool make);

/* The safe directory in which the file @path lies or would, not to be listed, and its name there. */
int path_directory_of(const char *path, char ret_name[PATH_NAME_SIZE]);

/* The file @name of a safe directory, to read; it must be safe as well. */
int path_read(int directory, const char *name);

/* 0, or what keeps the open file or directory from being safe. */
int path_check(int fd);

#endif
