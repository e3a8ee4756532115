/* SPDX-License-Identifier: MIT */
/* How the memory of a run has grown: what its kernel was asked for and by which code, and what was resident and
 * live in the heap in the course of time. */
#ifndef USERSPACE_MODEL_GROWTH_H
#define USERSPACE_MODEL_GROWTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of enum sl_growth. */
enum growth_way { GROWTH_BRK, GROWTH_MMAP, GROWTH_MREMAP, GROWTH_WAYS };

struct growth_sum {
	int64_t calls, bytes;
};

struct map_site {		      /* large growths of a process with one stack */
	int64_t stack;		      /* of session->stacks; UNKNOWN: not known */
	struct growth_sum all, ready; /* ready: until readiness; UNKNOWN: there was none */
};

struct growth {	       /* of a process, all images */
	bool is_known; /* false: everything else is meaningless (null in the document) */
	struct growth_sum ways[GROWTH_WAYS];
	struct map_site *sites; /* the largest first; the rest of `ways` has no stack */
	size_t n_sites;
	int64_t touched_bytes; /* that became resident, whether they still are or not; UNKNOWN */
	/* Of these. A stack was taken once in a while (calls), and has all since the last one. */
	struct map_site *touched_sites;
	size_t n_touched_sites;
};

/* What the tree had at the end of a phase. The sums are of all that came until then. */
struct memory_phase {
	const char *until; /* "exec" "linked" "main" "ready" "exit" */
	int64_t time_ns;
	int64_t rss_bytes, heap_bytes; /* UNKNOWN: not seen */
	int64_t anonymous_bytes, file_bytes,
		shared_bytes; /* what rss_bytes consists of; likewise */
	struct growth_sum ways[GROWTH_WAYS];
};

struct memory_point { /* of the tree; time_ns is the end of what it is about */
	int64_t time_ns;
	int64_t rss_bytes;  /* the highest */
	int64_t heap_bytes; /* live, the last */
};

/* Σ of all ways; UNKNOWN where one is. */
struct growth_sum growth_all(const struct growth_sum ways[GROWTH_WAYS]);

#endif
