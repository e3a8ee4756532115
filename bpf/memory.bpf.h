/* SPDX-License-Identifier: MIT */
/* What is kept of each memory: memory.bpf.c counts its pages, memory_growth.bpf.c tells how it grows. */
#ifndef SL_MEMORY_BPF_H
#define SL_MEMORY_BPF_H

#include "bpf/common.bpf.h"
#include "bpf/process.bpf.h"

#define PAGE_BYTES 4096ull
/* As the kernel numbers them. */
enum { MEMBER_FILE, MEMBER_ANONYMOUS, MEMBER_SWAP, MEMBER_SHARED, MEMBERS };

#define CPUS_SUMMED 16 /* with more CPUs only this one's part is read */

struct memory_state {
	__u64 pages;
	__u64 peak_pages;
	__u64 users;			   /* processes */
	__u64 is_shared;		   /* by several threads, now or once */
	__s32 parts[MEMBERS][CPUS_SUMMED]; /* each CPU's, as last seen */
	/* By member, as read last, and then when the peak was. Two CPUs that read at the same time may mix
	 * theirs, which differ by what changed between them. */
	__s64 members[MEMBERS];
	__s64 peak_members[MEMBERS];
	__s64 counted[MEMBERS]; /* what the tree's sums have of it */
	/* memory_growth.bpf.c */
	__u64 number;  /* among all memories */
	__u64 brk_end; /* as last seen */
	__u64 told_ns;
	__u64 told_pages;
	__u64 grown_ns;
	struct sl_growth_sum grown[SL_GROWTH_WAYS];
	__u64 touched_pages;  /* that became resident, whether they still are or not */
	__u64 traced_pages;   /* of these, so many when a stack was taken last … */
	__u64 trace_at_pages; /* … and when it is due again */
};

struct memory_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u64); /* address of the struct mm_struct */
	__type(value, struct memory_state);
};

extern struct memory_map memories SEC(".maps");

/* Of all of them. */
extern __u64 tree_pages;
extern __s64 tree_members[MEMBERS];

/* memory_growth.bpf.c. @memory, whose key is @mm, is new: by exec or fork. */
int growth_begin(struct memory_state *memory, __u64 mm);
/* A run begins. */
int growth_reset(void);
/* It may have changed by enough to be told of. */
int growth_follow(struct memory_state *memory, __u64 mm);
/* Likewise, to have the stack taken of who touches it. */
int growth_trace(struct memory_state *memory, __u64 mm);
/* Tells of it, as that of process @pid_tgid. */
int growth_tell(struct memory_state *memory, __u64 mm, __u64 pid_tgid, __u32 when);

#endif
