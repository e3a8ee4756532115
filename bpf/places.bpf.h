/* SPDX-License-Identifier: MIT */
/* Names for the places where threads slept. The kernel resolves them itself, when the collector
 * reads the iterator at the end: quicker than /proc/kallsyms, and no address leaves the kernel. */
#ifndef SL_PLACES_BPF_H
#define SL_PLACES_BPF_H

#include "bpf/common.bpf.h"
#include "bpf/process.bpf.h"

#define PLACES_A_VISIT 64 /* what a visit to a task prints must fit into the reader's 32 KiB */

struct seq_file;

struct naming {
	struct seq_file *seq;
	__u64 from, to;
};

/* A line per place: its number, then the functions from the innermost outwards. */
static long place_print(void *map, struct place *place, __u64 *number, struct naming *naming)
{
	if (*number > naming->from && *number <= naming->to)
		BPF_SEQ_PRINTF(naming->seq, "%llu %ps %ps %ps %ps %ps %ps\n", *number,
			       place->frames[0], place->frames[1], place->frames[2],
			       place->frames[3], place->frames[4], place->frames[5]);
	return 0;
}

/* The next ones. Not inline: what else the caller calls needs the stack's room. */
static __noinline int places_print(struct seq_file *seq)
{
	struct naming naming = { .seq = seq, .from = named_places };

	if (named_places >= last_place)
		return 0;
	naming.to = named_places = naming.from + PLACES_A_VISIT;
	bpf_for_each_map_elem(&places, place_print, &naming, 0);
	return 0;
}

#endif
