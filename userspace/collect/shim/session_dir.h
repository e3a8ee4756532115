/* SPDX-License-Identifier: MIT */
/* The private directory on tmpfs in which the shim makes its lanes. It belongs to the target's user,
 * so everything in it is hostile; it is locked (flock) while its startline lives, which is how the
 * next one tells a live directory from one left behind by a crash, also across pid namespaces. */
#ifndef USERSPACE_COLLECT_SHIM_SESSION_DIR_H
#define USERSPACE_COLLECT_SHIM_SESSION_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SESSION_PATH_SIZE = 128 };

struct session_dir {
	int fd; /* -1: none; carries the lock */
	char path[SESSION_PATH_SIZE];
};

/* Makes the directory, mode 0700, with the rights of the moment (base/rights.h), and removes stale ones
 * of that kind; with @must_execute not where programs may not be mapped, as in /dev/shm of many
 * containers. On failure @why (of @why_size) says in one line what is missing; nothing is logged. */
int session_dir_make(bool must_execute, char *why, size_t why_size, struct session_dir *ret);

/* Makes the page that all images of the session share, struct sl_tree, in it. The descriptor is the
 * caller's. */
/* The shims sample one block for so many bytes that are allocated (0: none), and record all as enum sl_exact_mode
 * says. */
int session_dir_make_tree(const struct session_dir *d, uint64_t sample_bytes, uint32_t exact,
			  int *ret);
/* Has the shims record no more than samples. */
void session_tree_end_exact(int fd);
/* The highest sum of live bytes, as the shims have it; 0 where it cannot be read. */
int64_t session_tree_peak(int fd);
/* What is live now, of images that are not gone; -1: not known. */
int64_t session_tree_live(int fd);
/* Has the shims find the highest sum anew. */
void session_tree_restart(int fd);
/* Tells the shims how many bytes were those of images that are gone. */
void session_tree_depart(int fd, int64_t departed);

/* Removes the directory and what is in it, one level deep: a target that made directories of its
 * own in there keeps them. */
void session_dir_remove(struct session_dir *d);

/* How many startlines hold one now, in any namespace that shares the directory. One that cannot be
 * looked into, since it is another user's, counts. */
unsigned int session_dirs_in_use(void);

#endif
