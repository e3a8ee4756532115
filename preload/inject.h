/* SPDX-License-Identifier: MIT */
/* Deciding whether the image about to be executed gets the shim, and making the environment that
 * brings it. All this may happen in a child of vfork, which shares its parent's memory and whose parent
 * cannot clean up after it, on a stack of a few KiB, and with pointers that cannot be read: these the
 * kernel is left to refuse. */
#ifndef PRELOAD_INJECT_H
#define PRELOAD_INJECT_H

#include <stdbool.h>
#include <stddef.h>

#include "preload/target_check.h"

/* What fits in here, some 150 variables, needs no memory besides. */
enum { INJECTION_BYTES = 1280 };

/* Lives in the caller's frame until the call has returned, if it does. */
struct injection {
	char *const *envp; /* to be executed with */
	bool may_call;	   /* whether the shim may make system calls */
	void *mapped;	   /* NULL: nothing that is to be unmapped */
	size_t mapped_bytes;
	_Alignas(8) char room[INJECTION_BYTES];
};

/* Sets @i->envp: a copy of @e->envp with our variables, or where the shim shall not go along @e->envp
 * itself; then the reason has been recorded. */
void inject_begin(struct injection *i, const struct execution *e);

/* The same for a name that is searched for in PATH, as execvp does; e->path is the name. */
void inject_begin_found(struct injection *i, const struct execution *e);

/* After a call that failed for @error (0: it did not): whether to repeat it, with @envp, since only what
 * we added was too much. */
bool inject_again(struct injection *i, int error, char *const *envp);
void inject_end(struct injection *i);

/* Before the process itself executes something else its heap leaves the tree's sum; after a failed
 * attempt it returns. Both do nothing in a vfork child. */
void inject_before_exec(const struct injection *i);
void inject_after_exec(const struct injection *i);

#endif
