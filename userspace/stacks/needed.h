/* SPDX-License-Identifier: MIT */
/* Libraries that a program says it needs, and where the dynamic loader will find them: by what its dynamic
 * section says, LD_LIBRARY_PATH and the directories that are usual. What the loader alone knows, from its cache,
 * is not found. */
#ifndef USERSPACE_STACKS_NEEDED_H
#define USERSPACE_STACKS_NEEDED_H

#include <stdbool.h>

enum { NEEDED_PATH = 4096, NEEDED_MAX = 256 };

/* The first one that @is_wanted, of the program open at @fd, which is at @program. -ENOENT. */
int needed_find(int fd, const char *program, bool is_wanted(const char *name),
		char ret[static NEEDED_PATH]);

/* @found hears of the file at @path, its dynamic loader, and all libraries that these need, at most
 * NEEDED_MAX, each once. What cannot be read is passed over. -ENOMEM. */
int needed_walk(const char *path, void found(void *data, const char *path), void *data);

#endif
