/* SPDX-License-Identifier: MIT */
/* What a thread did between the moments at which its stack was taken. Pure.
 *
 * Moments of the timer are random: each stands for half of the way to its neighbours. Moments at which
 * the thread entered the kernel are not: what calls is seen, what computes is not. A long stretch in
 * user mode before such a moment is certain only for the calls that were active at both of its ends,
 * unless the timer looked into it. Where entries follow each other closely there is little to miss, and
 * they stand for what lies before them.
 *
 * Same frames at both ends are no proof for functions that are called in a loop, f(); g(); f(); g(); so
 * shares that come of this have intervals as samples have (shares.h). */
#ifndef USERSPACE_MODEL_BUILD_GAPS_H
#define USERSPACE_MODEL_BUILD_GAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/vec.h"

/* In user mode for less than that before it entered the kernel: hardly longer than the system calls of
 * a start are apart. */
#define GAPS_CLOSE_NS 100000

struct glimpse {
	uint64_t at_ns;	   /* on a clock that stands while the thread is off the CPU */
	uint64_t since_ns; /* not of the timer: it left the kernel last; 0: unknown */
	bool is_timer;
	int node; /* its stack */
};

struct part {
	uint64_t from_ns, to_ns;
	int node;     /* -1: nothing is known */
	bool is_open; /* what the innermost frame called is not known */
};

struct part_list VEC(struct part);

/* The stack that two have in common, from the outermost frame inwards; -1: none. */
typedef int gaps_common(const void *context, int a, int b);

/* Cuts [@from_ns, @to_ns) at @moments, which are in order in it. Appends parts that follow each other
 * without gap; at most three a moment and one. 0 or -ENOMEM. */
int gaps_cut(const struct glimpse *moments, size_t n, uint64_t from_ns, uint64_t to_ns,
	     gaps_common *common, const void *context, struct part_list *ret);

#endif
