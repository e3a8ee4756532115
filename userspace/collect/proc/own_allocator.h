/* SPDX-License-Identifier: MIT */
/* What the threads of a process have allocated and freed, where its allocator keeps that in a counter of each
 * thread and the shim was told where the first one's is (jemalloc: thread.allocatedp). Thread storage is
 * laid out alike in all threads of a process, and the kernel knows a place in each: its list of robust
 * futexes, which the C library keeps beside it. So the others' counters lie as far from theirs. */
#ifndef USERSPACE_COLLECT_PROC_OWN_ALLOCATOR_H
#define USERSPACE_COLLECT_PROC_OWN_ALLOCATOR_H

#include <sys/types.h>

#include "userspace/collect/run/source.h"

/* ALLOCATOR of process @pid: of all its threads, else of its first; nothing when that cannot be read, or is
 * no such thing. Only memory of @pid is read, which the caller knows to be of the tree. Fails as @sink
 * does. */
int source_proc_allocator(pid_t pid, bool is_ns, enum sl_when when,
			  const struct shim_allocator *allocator, struct sink sink);

#endif
