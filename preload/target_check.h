/* SPDX-License-Identifier: MIT */
/* Looks at a file that is about to be executed: may the shim be loaded into it? Used by the exec
 * wrappers inside targets and by startline for the first command, so it is built into both: raw system
 * calls only, no allocation, no errno, and at most 2 KiB of stack.
 *
 * In doubt the answer is TARGET_FITS: a loader that cannot use the shim says so on stderr, but a
 * file we cannot read or understand is in practice one that cannot be executed either. */
#ifndef PRELOAD_TARGET_CHECK_H
#define PRELOAD_TARGET_CHECK_H

#include <stdint.h>

#include "bpf/lane.h"
#include "preload/readable.h"

/* The numbers are kept in sl_tree.targets: below 16. */
enum target {
	TARGET_UNKNOWN = 0, /* only inside: not looked at yet */
	TARGET_FITS = 1,
	TARGET_STATIC = 2, /* has no dynamic loader that would load the shim */
	TARGET_32BIT = 3,
	TARGET_FOREIGN = 4,   /* another processor */
	TARGET_SANITIZER = 5, /* its runtime insists on coming first */
	TARGET_SECURE = 6,    /* gains privileges: the loader ignores LD_PRELOAD */
	TARGET_LISTED = 7,    /* not executed: ldd has the loader list what it would load */
	TARGET_MUSL = 8,      /* fits; its loader is musl's */
	TARGET_LOADER = 9,    /* fits; it is a loader itself */
	TARGET_UNREADABLE =
		10, /* something that was given cannot be read: the kernel will refuse it */
};

/* What somebody is about to execute, with pointers of unknown origin. */
struct execution {
	int directory_fd; /* and @path: as execveat takes them */
	const char *path;
	char *const *argv;
	char *const *envp; /* not NULL */
};

/* @path as execveat takes it, relative to @directory_fd (AT_FDCWD) or, when empty, that descriptor's
 * own file. Scripts are judged by their interpreter. @cache may be NULL. */
enum target target_check(int directory_fd, const char *path, struct sl_tree *cache);

/* The same, with what it is to be executed with. */
enum target target_check_exec(const struct execution *e, struct reader *reader,
			      struct sl_tree *cache);

/* Whether the shim may be loaded into it. */
bool target_fits(enum target target);

/* The coverage reason that belongs to @target; 0 where the shim fits. */
enum sl_cover_reason target_reason(enum target target);

#endif
