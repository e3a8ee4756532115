/* SPDX-License-Identifier: MIT */
/* Reads what shims record of every allocation and every free (bpf/exact.h), puts the records of all threads
 * in order of time, and has call sites summed of them. Stacks come as nodes of a tree; each is interned once.
 *
 * The files are the target's: they are read, never mapped, and nothing in them is believed. */
#ifndef USERSPACE_COLLECT_HEAP_EXACT_H
#define USERSPACE_COLLECT_HEAP_EXACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/cleanup.h"
#include "userspace/collect/heap/sites.h"
#include "userspace/stacks/intern.h"

struct exact_target {
	const char *directory; /* of the session; belongs to: */
	uid_t uid;
	gid_t gid;
	const char *shim_path; /* its own frames are none of the program; NULL: unknown */
	const char *program;   /* that is about to be started; NULL: unknown */
	uint64_t sample_bytes; /* as which blocks are sampled */
	bool keeps_blocks;     /* a BLOCK of each, not only what they add up to */
	size_t most_blocks;    /* live ones that are kept of all images; 0: what is usual */
};

/* Who hears of the records. Must live longer. */
struct exact_users {
	struct unwinder *unwinder;
	struct intern *intern;
	struct sites *sites;
	uint64_t *told_ns;	 /* the time of the record that is being taken */
	const struct sink *sink; /* of BLOCK */
};

/* What was not recorded as it should be, and what that cost. */
struct exact_lost {
	uint64_t
		n_stopped; /* images that found no room or had too many blocks, and sampled from then on */
	uint64_t n_garbled;    /* threads whose records made no sense from some point on */
	uint64_t n_unrecorded; /* calls */
	uint64_t n_refused;    /* stacks there was no room for */
	uint64_t n_blocks;     /* BLOCK records, which there are many of already */
	uint64_t n_cut;	       /* stacks that could not be followed to their end … */
	uint64_t n_stacks;     /* … of so many that were recorded */
	uint64_t n_waits;      /* of threads, for room … */
	uint64_t waited_ns;    /* … of all together */
};

struct exact;

int exact_new(const struct exact_target *target, const struct exact_users *users,
	      struct exact **ret);
struct exact *exact_free(struct exact *x);

/* Becomes readable a few times in the time in which a ring is filled. */
int exact_fd(const struct exact *x);

/* Makes the rows of a module that was mapped, if nobody has yet, where the shims look for them. */
void exact_add_module(struct exact *x, struct modules *modules, struct module *module, pid_t pid);

/* Reads what was recorded until now. */
int exact_fetch(struct exact *x);
/* Hands over what was read, up to @until_ns (CLOCK_MONOTONIC). */
int exact_take(struct exact *x, uint64_t until_ns);
/* The image that @pid had until @time_ns has ended: all that it recorded is handed over. What fails here is
 * returned by the next exact_take(). */
void exact_image_ended(struct exact *x, pid_t pid, uint64_t time_ns);

/* Adds it to @to. */
void exact_lost(const struct exact *x, struct exact_lost *to);
/* DROPS and notes. */
int exact_tell_lost(const struct exact_lost *lost, struct sink sink);

#endif
