/* SPDX-License-Identifier: MIT */
/* The layout of a lane: the file in the session's private tmpfs directory through which one
 * process image talks to the collector, and of the page that all images of a session share.
 *
 * One direction only: the shim writes, the collector reads. Nothing here is ever waited for. The
 * writer may be killed between any two instructions and the file then still says what it did, so
 * nothing depends on an exit handler. The reader trusts no byte of it.
 *
 * File name: "<pid>-<time_ns>", both decimal, pid in the writer's own pid namespace; or "pool-<n>"
 * where startline has made the file beforehand, see struct sl_tree.
 *
 *   0                 struct sl_lane: facts, cursors, totals
 *   records_offset    records as in bpf/schema.h, appended, never overwritten
 *   slots_offset      n_slots counters, one per thread, then SL_LANE_PAD unused bytes
 *
 * Appending a record: reserve = one fetch_add on `cursor`; write sl_event.size; fill; store
 * sl_event.kind with release order. A record whose kind is still 0 is being written, or its writer
 * died: a reader waits for it while the process lives and steps over it by `size` afterwards. When the
 * space is used up records are counted in `refused` and dropped; the lane never wraps. */
#ifndef SL_LANE_H
#define SL_LANE_H

#include <linux/types.h>

#include "bpf/schema.h"

#define SL_LANE_MAGIC	0x656e616c2d746c73ull /* "slt-lane" */
#define SL_LANE_VERSION 5u

#define SL_LANE_SLOTS 31u  /* threads at a time with counters of their own */
#define SL_LANE_PAD   512u /* keeps a bucket index of up to 63 inside the file */
/* End of the records: enough for marks and notices, and so that the first slot is in the page that
 * is written anyway; … and for what kernel probes would report. */
#define SL_LANE_RECORDS	    3584u
#define SL_LANE_RECORDS_NET 262144u
#define SL_LANE_MAX_BYTES   (1u << 24) /* a reader refuses more */

/* Size of a lane whose records end at @records_end: whole pages. */
#define SL_LANE_BYTES(records_end) \
	(((records_end) + SL_LANE_SLOTS * 512u + SL_LANE_PAD + 4095u) & ~4095u)

/* Unpublished live bytes a thread may have: bounds the error of a multi-threaded peak. */
#define SL_LANE_FLUSH_BYTES 65536

/* One thread's counters. Written by that thread alone with plain adds, except the shared slot, which
 * is written with atomic ones. All but `flushed` may be read at any time.
 *
 * live is usable bytes allocated minus freed by this thread, so it is negative in a thread that
 * frees what others allocate. Highest value of live so far = max(high, up). */
struct sl_lane_slot {
	__u64 owner;		    /* the thread pointer; 0: free, 1: the shared slot */
	__u64 calls[SL_HEAP_CALLS]; /* enum sl_heap_call; MALLOC stays 0, see below */
	__u64 requested_bytes;
	__s64 live;
	__s64 up;	/* above this, something must be recorded; <= flush_up */
	__s64 flush_up; /* flushed + SL_LANE_FLUSH_BYTES */
	__s64 low;	/* flushed - SL_LANE_FLUSH_BYTES */
	__s64 high;
	__s64 flushed; /* the part of live that is in sl_lane.live */
	/* Requests that succeeded, by size, of all kinds. Attempts of malloc = their sum +
	 * calls[FAILED] - the other kinds' attempts: malloc itself needs no count of its own. */
	__u64 buckets[SL_HEAP_BUCKETS];
};

#define SL_LANE_COUNTS 0x1u /* allocations are counted */
#define SL_LANE_FORKED 0x2u /* the image was inherited by fork, not started by exec */
#define SL_LANE_NOTICES \
	0x4u /* records that did not fit into the image's own lane, and nothing else */

struct sl_lane {
	__u64 magic; /* written last, with release order */
	__u32 version;
	__u32 bytes; /* of the file */
	__u32 records_offset;
	__u32 records_end;
	__u32 slots_offset;
	__u32 n_slots;
	__u32 ns_pid;
	__u32 flags;	/* SL_LANE_* */
	__u64 start_ns; /* creation, by the writer's CLOCK_MONOTONIC */
	__u64 wall_ns;	/* the same instant by CLOCK_REALTIME, which no namespace shifts */
	__u64 own_ns; /* spent in making lanes for forked children, in looking at images that are about to be
			 * executed and in waiting for room (exact.h), by this process and children without lanes */

	__u64 cursor;	  /* low half: bytes reserved; high half: records reserved */
	__u64 refused;	  /* records that found the lane full and did not even reserve */
	__u64 slots_used; /* slots handed out; may exceed n_slots */
	__s64 live;	  /* sum of what threads flushed */
	__s64 peak;	  /* highest value of live */
	__s64 tree_bytes; /* this lane's part of sl_tree.live */
	__u64 left_ns; /* the program ended by itself; 0: not (yet). Only without kernel probes */
	/* In a forked child, which frees what it inherited, too: the lowest value of live, so it has freed
	 * that much of it at least and live - floor is its own; the highest value of that; and how much it
	 * inherited at most. */
	__s64 floor;
	__s64 own_peak;
	__s64 inherited;
	/* Of the image, told with left_ns: its highest, and what it is made of as it ends; 0: not (yet). */
	__u64 rss_peak_bytes;
	__u64 rss_kinds[SL_MEMORY_KINDS];
	/* Blocks that were to be sampled, and frees of such, that could not be told of. */
	__u64 samples_lost;
	__u64 frees_lost;
	__u64 exact_refused; /* 1: it was to record all (bpf/exact.h), and could not begin to */
	__u64 own_ticks; /* spent in recording these, by the processor's clock: some are measured, for all */
	__u64 pad[6];
	struct sl_lane_slot shared; /* for threads that found no free slot */
	/* Calls and requested bytes of forked children that could not open lanes of their own, because
	 * the program has installed a seccomp filter. */
	struct sl_lane_slot children;
};

/* Session-wide file "tree". */
#define SL_TREE_MAGIC	0x656572742d746c73ull /* "slt-tree" */
#define SL_TREE_FILE	"tree"
#define SL_POOL_PREFIX	"pool-"
#define SL_TREE_TARGETS 256u

struct sl_tree {
	__u64 magic;
	__s64 live;	/* flushed live bytes of all processes, those included that are gone */
	__s64 departed; /* of which belonged to processes that are gone: only the reader writes it */
	__s64 peak;	/* highest value of live - departed */
	/* Lanes made beforehand, "pool-<n>", each allocated and zero: those below `pool_made` exist
	 * (written by startline alone) unless below `pool_claimed`. A shim takes one by counting that up. One
	 * that finds none, or cannot open it, makes a file of its own. */
	__u32 pool_claimed;
	__u32 pool_made;
	/* Written by startline before the first process: on average one stack for so many allocated bytes; 0:
	 * none. */
	__u64 sample_bytes;
	__u64 pad[57];
	/* Written by startline, before the first process and when that is over: whether every allocation is
	 * recorded (bpf/exact.h), enum sl_exact_mode. */
	__u32 exact;
	__u32 reserved;
	/* What is known about files that were looked at before an exec: the upper 60 bits are a hash of
	 * the file's identity, the lower 4 its enum target. A word is read and written whole. */
	__u64 targets[SL_TREE_TARGETS];
	__u64 unused[192];
};

SL_SIZE_IS(sl_lane_slot, 512);
SL_SIZE_IS(sl_lane, 1280);
SL_SIZE_IS(sl_tree, 4096);

#endif
