/* SPDX-License-Identifier: MIT */
/* Address spaces: what code each process had mapped where, over time.
 *
 * Fed in order of time from what the kernel tells of mappings, forks, execs and ends. Only mappings that
 * can be executed count. The kernel does not tell of munmap: a mapping stands until another one lies over
 * it, which cuts it. A process of which nothing was told is read from /proc when it is first asked for, and again
 * when it is asked for an address that was not there then. */
#ifndef USERSPACE_STACKS_SPACES_H
#define USERSPACE_STACKS_SPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/vec.h"
#include "userspace/stacks/modules.h"

enum {
	MAPPINGS_MAX = 100000,	/* of all processes that are kept */
	ENDED_SPACES_MAX = 256, /* kept for snapshots that come late */
};

struct mapping {
	uint64_t address;
	uint64_t length;
	uint64_t offset;  /* in the file */
	const char *path; /* as the kernel tells it: a file, "[vdso]", "//anon" … */
	struct file_identity identity;
};

struct region {
	uint64_t start;
	uint64_t end;
	uint64_t offset;       /* of start in the file */
	struct module *module; /* NULL: there was no room for it */
};

struct region_list VEC(struct region);

struct spaces;

/* NULL: no memory. @modules must live longer. */
struct spaces *spaces_new(struct modules *modules);
struct spaces *spaces_free(struct spaces *s);
DEFINE_FREEP(struct spaces, spaces_free)

/* A mapping that can be executed appeared. -ENOSPC: MAPPINGS_MAX; -ENOMEM. */
int spaces_map(struct spaces *s, pid_t pid, uint64_t time_ns, const struct mapping *mapping);
/* @child is a copy of @parent. Threads are no children: nothing is done if both are the same. */
int spaces_fork(struct spaces *s, pid_t child, pid_t parent, uint64_t time_ns);
/* All of it is gone, and the process goes on with a new one. */
int spaces_exec(struct spaces *s, pid_t pid, uint64_t time_ns);
void spaces_exit(struct spaces *s, pid_t pid, uint64_t time_ns);
/* Whether anything was told of it, or asked, since it began. */
bool spaces_have(const struct spaces *s, pid_t pid);

/* What the process @pid had at @address at that time; NULL: nothing that is known. Valid until the next
 * change. */
const struct region *spaces_find(struct spaces *s, pid_t pid, uint64_t time_ns, uint64_t address);

/* The modules that the addresses are in. */
struct modules *spaces_modules(const struct spaces *s);

/* How many mappings were left out for want of room. */
uint64_t spaces_n_refused(const struct spaces *s);

#endif
