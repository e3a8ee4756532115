/* SPDX-License-Identifier: MIT */
/* The shim's life: switched off, or counting. Any trouble switches it off for good, after which every
 * hook is the real function and nothing else. */
#ifndef PRELOAD_SHIM_H
#define PRELOAD_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/counters.h"
#include "preload/lane.h"
#include "preload/settings.h"

struct shim {
	struct settings settings;
	bool is_prepared; /* real functions found, settings read */
	bool is_off;	  /* no lane, no counting, no wrapping */
	bool is_sealed;	  /* a seccomp filter was installed: no system calls of our own any more */
	bool counts;	  /* allocations are counted */
	bool is_trusted;  /* the size word was proven right often enough */
	bool is_distrusted; /* … or wrong once */
	uint32_t n_proofs;
	uint64_t sample_bytes;	  /* one sample for so many, on average; 0: none are taken */
	bool is_exact;		  /* each allocation is recorded */
	uint64_t last_generation; /* never given out twice, not even across fork */
	uint32_t pid;		  /* of the process that opened life.lane */
	uintptr_t stack_end; /* of the first thread's: there are the variables of the environment */
	struct sl_lane *lane;	 /* what is mapped: life.lane, in a forked child its parent's */
	struct sl_lane *notices; /* in the same way: life.notices */
};

extern struct shim shim HIDDEN;

/* Finds the real functions and the settings. Cheap when done before. */
void shim_prepare(void) HIDDEN;

/* Opens the lane if there is none yet (also in a forked child). False: off. */
bool shim_start(void) HIDDEN;

/* The calling thread's slot, or NULL when this allocation is not to be counted. The slow path of
 * every allocation hook. */
struct sl_lane_slot *shim_slot(void) HIDDEN;

/* Whether the shim may make system calls of its own. Not once a seccomp filter was installed, also where
 * no hook of ours was asked: the kernel is. */
bool shim_may_call(void) HIDDEN;

/* Not in a vfork child, which shares its parent's memory. */
bool shim_is_own_process(void) HIDDEN;

/* Whether lanes can be opened here, as the user that the process is now. */
bool shim_may_write(void) HIDDEN;
/* Whether it is the one as whom the image began. */
bool shim_is_same_user(void) HIDDEN;

/* Records. All do nothing when there is no lane. */
void shim_mark_main(void) HIDDEN;
/* Whether the program has a malloc of its own, that is not Go's: no allocation comes by. */
bool shim_has_own_malloc(void) HIDDEN;
void shim_cover(enum sl_cover_reason reason, bool is_next, const char *text) HIDDEN;
/* Reserves a record, fills in the header's time and ids. NULL: none. Commit with lane_commit(). */
struct sl_event *shim_record(size_t size) HIDDEN;

/* The same for what is said of children: there is always room. */
struct sl_event *shim_notice(size_t size) HIDDEN;

/* Notes that the time since @begin_ns was spent on the shim's own account. */
void shim_spent(uint64_t begin_ns) HIDDEN;

#endif
