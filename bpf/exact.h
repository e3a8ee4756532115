/* SPDX-License-Identifier: MIT */
/* The layout of the file in which one process image records every allocation and every free, with stacks:
 * "exact-<pid>-<time_ns>" in the session's directory, named as the image's lane (bpf/lane.h) by pid and start.
 *
 *   0                      struct sl_exact
 *   SL_EXACT_NODES_AT      struct sl_exact_node[SL_EXACT_NODES]: stacks as a tree
 *   SL_EXACT_RINGS_AT      SL_EXACT_RINGS rings, SL_EXACT_RING_BYTES each: the first SL_LANE_SLOTS of threads
 *                          that count in the slot of the same number, the others of those that share one
 *
 * The file is sparse: what was not allocated is neither read nor written. Nodes and rings have a small part,
 * which is there from their beginning, and a large one, which is allocated when the small one is full.
 *
 * A ring has words. Writer and reader count those that were ever written (head, stored with release order) and
 * read (tail). Word n is small[n % SL_EXACT_SMALL], or from grown_at on large[n % SL_EXACT_LARGE]. Records:
 *
 *   ALLOCATED  address / 16 << 20 | ticks << 4 | kind, node << 40 | usable bytes
 *   SAMPLED    the same; and the block is one of those that are sampled (preload/sample.h)
 *   FREED      address / 16 << 20 | ticks << 4 | kind
 *
 * Ticks of the processor's clock (TSC) since the ring's record before, so that the records of all threads can be
 * put in order; an allocation is recorded after it was made, a free before. What does not fit stands in words before
 * the record, in this order, and is 0 in it:
 *
 *   CLOCK      clock << 4 | kind: when it was made
 *   ADDRESS    address << 4 | kind
 *
 * A realloc is both a free and an allocation; one that failed is followed by what is there still, as if it was
 * allocated.
 *
 * It ends when startline says so (sl_tree.exact), or for one image when it finds no room (is_over). From then
 * on its threads tell of sampled blocks only (bpf/block.h), of frees of those that were allocated before, too. */
#ifndef SL_EXACT_H
#define SL_EXACT_H

#include <linux/types.h>

#include "bpf/lane.h"

#define SL_EXACT_MAGIC	 0x746361782d746c73ull /* "slt-xact" */
#define SL_EXACT_VERSION 3u
#define SL_EXACT_PREFIX	 "exact-"

#define SL_EXACT_RINGS	     256u
#define SL_EXACT_NODES	     (1u << 17)
#define SL_EXACT_NODES_FIRST (1u << 13)
#define SL_EXACT_SMALL	     (1u << 13) /* words: 64 KiB */
#define SL_EXACT_LARGE	     (1u << 19) /* words: 4 MiB */

#define SL_EXACT_NODES_AT   4096ull
#define SL_EXACT_RINGS_AT   (SL_EXACT_NODES_AT + SL_EXACT_NODES * 16ull)
#define SL_EXACT_RING_FIRST (4096ull + SL_EXACT_SMALL * 8ull) /* bytes with the small part */
#define SL_EXACT_RING_BYTES (SL_EXACT_RING_FIRST + SL_EXACT_LARGE * 8ull)
#define SL_EXACT_BYTES	    (SL_EXACT_RINGS_AT + SL_EXACT_RINGS * SL_EXACT_RING_BYTES)

/* sl_tree.exact: what becomes of a thread whose records find no room. */
enum sl_exact_mode {
	SL_EXACT_OFF = 0,
	SL_EXACT_DEGRADE = 1, /* its process samples from then on */
	SL_EXACT_SLOW = 2,    /* it naps until there is some */
};

enum sl_exact_kind {
	SL_EXACT_ALLOCATED = 1,
	SL_EXACT_FREED = 2,
	SL_EXACT_SAMPLED = 3,
	SL_EXACT_CLOCK = 4,
	SL_EXACT_ADDRESS = 5,
};

#define SL_EXACT_KIND_BITS   4
#define SL_EXACT_TICKS_BITS  16
#define SL_EXACT_BLOCK_SHIFT 4 /* of addresses, which are multiples of 16 */
#define SL_EXACT_BLOCK_AT    (SL_EXACT_KIND_BITS + SL_EXACT_TICKS_BITS)
#define SL_EXACT_BLOCK_BITS  (64 - SL_EXACT_BLOCK_AT)
#define SL_EXACT_USABLE_BITS 40
#define SL_EXACT_USABLE_MAX  ((1ull << SL_EXACT_USABLE_BITS) - 1)

/* A frame and who called it. The number of the node is its index + 1. */
struct sl_exact_node {
	__u64 address;	/* where it goes on, SL_EXACT_INTERRUPTED */
	__u32 caller;	/* node; SL_EXACT_OUTERMOST or …CUT */
	__u32 is_there; /* written last, with release order */
};

#define SL_EXACT_OUTERMOST   0u
#define SL_EXACT_CUT	     ~0u	  /* there are more, which are not known */
#define SL_EXACT_INTERRUPTED (1ull << 63) /* by a signal: it called nothing */

struct sl_exact {
	__u64 magic; /* written last, with release order */
	__u32 version;
	__u32 ns_pid;
	__u64 clock; /* when it was begun: no namespace shifts that */
	__u32 n_nodes;
	__u32 nodes_room; /* that are allocated */
	/* Threads stop recording when it is not 0. Set by the writer that found no room, for good. */
	__u32 is_over;
	__u32 n_rings;	    /* that may have been begun: those below */
	__u64 n_refused;    /* nodes there was no room for: their stacks are unknown */
	__u64 n_cut;	    /* stacks that could not be followed to their end */
	__u64 n_unrecorded; /* in signal handlers at a bad moment */
	__u64 n_waits;	    /* for room, with SL_EXACT_SLOW … */
	__u64 waited_ns;    /* … and how long, of all threads together */
};

struct sl_exact_ring {
	__u64 head;
	__u64 grown_at; /* ~0: not */
	__u64 pad_writer[6];
	__u64 tail; /* the reader's */
	__u64 pad_reader[7];
	__u64 pad[496];
};

SL_SIZE_IS(sl_exact_node, 16);
SL_SIZE_IS(sl_exact_ring, 4096);

#endif
