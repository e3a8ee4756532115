/* SPDX-License-Identifier: MIT */
/* The run's own memory cgroup: the kernel's exact peak of all memory, page cache included. Made
 * below our own cgroup where the memory controller is at hand (v1, or v2 with delegation), so every
 * limit that applies to us applies to the command as well. Removed after the run. */
#ifndef USERSPACE_COLLECT_PROC_CGROUP_H
#define USERSPACE_COLLECT_PROC_CGROUP_H

#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/buf.h"

struct cgroup {
	char *path;	       /* NULL: there is none of the run's own */
	const char *peak_name; /* the file with the peak */
	int procs_fd;	       /* writing "0" here moves the writer into it; -1 */
};

/* Appends the path of our own cgroup in the hierarchy that has @controller, such as "cpu" ("": that of
 * version 2), below where that is mounted. -ENOENT: there is none. */
int cgroup_own(const char *controller, struct buf *ret);

/* Moves startline out from under a limit of memory that it shares with the command, as what it takes
 * there the command lacks, and of the two it may be the one that the kernel ends. To be called before
 * memory is needed, and before cgroup_make(), which leads back in; cgroup_own() goes on to tell of where
 * startline was. Returns the limit in bytes that remains, where it cannot leave; SL_UNKNOWN: none. */
uint64_t cgroup_step_out(void);
/* Sees to it that @pid is where @c, or else startline, was meant to put it. Negative errno, logged. */
int cgroup_ensure(const struct cgroup *c, pid_t pid);

/* Makes one. Quiet: without one the peak is not known. */
void cgroup_make(struct cgroup *c, unsigned int run);
/* In bytes; SL_UNKNOWN: not known. */
uint64_t cgroup_peak(const struct cgroup *c);
/* Removes it. What is still in it goes back to our own cgroup first. */
void cgroup_leave(struct cgroup *c);
/* The hierarchy in which one can be made ("cgroup v1", "cgroup v2"), or NULL. */
const char *cgroup_possible(void);
/* The kernel's id of the version 2 cgroup at @path (absolute, or as /proc/PID/cgroup shows it).
 * Negative errno, logged. */
int cgroup_id_of(const char *path, uint64_t *ret);
/* Removes those that startlines left behind that were killed. */
void cgroup_sweep(void);

#endif
