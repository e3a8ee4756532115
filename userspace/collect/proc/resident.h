/* SPDX-License-Identifier: MIT */
/* What the resident memory of a process consists of: RESIDENT events from what /proc tells of its
 * mappings. That takes the kernel a walk over its page tables, some 30 ms for each GB, in which the process
 * runs on, but can map nothing. */
#ifndef USERSPACE_COLLECT_PROC_RESIDENT_H
#define USERSPACE_COLLECT_PROC_RESIDENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/collect/run/source.h"

struct resident_ask {
	enum sl_when when;
	bool is_ns;			      /* pids are not those of the initial namespace */
	bool is_short;			      /* only the process as a whole */
	const char *own_directory, *own_file; /* startline's, in processes; NULL */
	uint32_t allocator; /* enum sl_allocator_kind it brings along; 0: not known */
};

struct resident_sums { /* of all that were looked at */
	uint64_t rss_bytes;
	uint64_t pss_bytes, private_bytes; /* without what is startline's own in them */
	size_t n_processes, n_failed;
};

/* RESIDENT of process @pid, nothing when it is gone, or just executes something else; and adds it to @sums.
 * Fails as @sink does. */
int source_proc_resident(pid_t pid, const struct resident_ask *ask, struct resident_sums *sums,
			 struct sink sink);

struct resident_whole {
	uint64_t rss_bytes, pss_bytes;
};

/* The proportional bytes of a process by the kernel's own sums, @rollup, which were read after its mappings, whose
 * sums are @sums and of which @n_cut had up to a kB cut off; those of @sums where it has changed meanwhile. */
uint64_t resident_pss(const struct resident_whole *sums, const struct resident_whole *rollup,
		      uint64_t n_cut);

#endif
