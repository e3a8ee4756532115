/* SPDX-License-Identifier: MIT */
/* Call sites: what is told of single blocks, summed by process image and stack as it comes, so that what is
 * recorded grows with the number of stacks, and not with that of allocations.
 *
 * A block stands for 1/p of its kind, p being the probability with which it was seen (1: all are told of).
 * Sums of such weights have no bias, and the variance of a sum of bytes is that of independent throws:
 * each block adds bytes^2 (1 - p) / p^2.
 *
 * What was recorded of all blocks (p = 1) may be followed by samples: sites_sample_from_now().
 *
 * The peak of an image, and that of the tree, are exact in the order in which blocks are told of, and so
 * is what each site had then: a site notes what it had at the last peak when it next changes, since until
 * then it still has it. */
#ifndef USERSPACE_COLLECT_HEAP_SITES_H
#define USERSPACE_COLLECT_HEAP_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/collect/run/source.h"

/* Of all images of a run; what is beyond goes to the site without a stack. */
#define SITES_MAX (1u << 20)

struct sites;

/* NULL: no memory. */
struct sites *sites_new(void);
struct sites *sites_free(struct sites *s);

struct site_owner {
	pid_t pid;	   /* as startline's pid namespace has it: tells processes apart */
	uint32_t told_pid; /* for the event … */
	uint16_t flags;	   /* … and SL_FLAG_NS_IDS where that is one of its own namespace */
};

struct site_block {
	struct site_owner owner;
	uint64_t time_ns;
	uint64_t address; /* not 0 */
	uint64_t bytes;	  /* usable */
	double p;	  /* with which such a block is seen: above 0, at most 1 */
	uint32_t stack;	  /* STACK id; 0: unknown */
	bool is_sampled; /* it is one of those that are sampled, though p be 1 because all were recorded */
	/* What the process has then, and the most it had so far, as its counters say; 0: unknown. Samples say it
	 * with an error, and would make the peak seem to be when that is at its highest. */
	uint64_t live_bytes, peak_bytes;
};

/* A block was allocated. One that is still live at its address was freed unseen before. -ENOMEM. */
int sites_allocated(struct sites *s, const struct site_block *block);
/* A block is freed. Nothing is known of those that were not told of. */
void sites_freed(struct sites *s, pid_t pid, uint64_t time_ns, uint64_t address, bool is_temporary);
/* Of @pid (0: of all, also those that begin later) nothing but sampled blocks is told any more, one in @interval
 * bytes on average. Those that are live and were not sampled are forgotten; the others stand for them from
 * now on. Sums of all that was allocated stay as exact as they are. */
void sites_sample_from_now(struct sites *s, pid_t pid, uint64_t interval);
/* The live ones of a process, until something changes; NULL: none was told of. */
struct blocks;
const struct blocks *sites_blocks(const struct sites *s, pid_t pid);
/* How many blocks are live, of all images; *ret_pid: whose are most of them (0: nobody's). */
size_t sites_n_blocks(const struct sites *s, pid_t *ret_pid);
/* @pid executed something else (EXEC), or ended (EXIT). */
void sites_image_ended(struct sites *s, pid_t pid, uint64_t time_ns, enum sl_when when);

/* SITE of all images that live now. */
int sites_tell_ready(struct sites *s, uint64_t time_ns, struct sink sink);
/* The run is over: SITE of all images that there were, and none are left. Not before, since until then the
 * tree may have more than ever. */
int sites_tell_end(struct sites *s, uint64_t time_ns, struct sink sink);

/* The probability with which a block of @bytes is seen where on average one is in @interval bytes. */
double sites_probability(uint64_t bytes, uint64_t interval);

#endif
