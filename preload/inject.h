/* SPDX-License-Identifier: MIT */
/* Deciding whether the image about to be executed gets the shim. */
#ifndef PRELOAD_INJECT_H
#define PRELOAD_INJECT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the shim shall go with the file that execveat(@directory_fd, @path) would execute with
 * @envp (NULL: nothing). If not, the reason has been recorded. */
bool inject_into(int directory_fd, const char *path, char *const *envp);

/* The same for a name that is searched for in PATH, as execvp does. */
bool inject_into_found(const char *name, char *const *envp);

/* Before the process itself executes something else its heap leaves the tree's sum; after a failed
 * attempt it returns. Both do nothing in a vfork child. */
void inject_before_exec(void);
void inject_after_exec(void);

#endif
