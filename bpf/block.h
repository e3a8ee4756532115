/* SPDX-License-Identifier: MIT */
/* How the shim tells of blocks of heap whose stacks are wanted: by a system call that does nothing. It asks to read
 * from a descriptor that there cannot be, which fails at once, and which also the strictest filter of system
 * calls lets pass. The kernel probe at the entry of system calls knows the call by its descriptor, and takes a
 * snapshot of the thread (bpf/stack.bpf.c), whose registers hold what the call says:
 *
 *   RDI (int)  SL_BLOCK_FD           RSI  the block's address
 *   RDX        with ALLOCATED the     R10  its usable bytes
 *              most that were live
 *   R8         enum sl_block_op      R9   with FREED SL_BLOCK_* flags; with ALLOCATED
 *                                         the process's live bytes, with this block
 *
 * (0 bytes with FREED.)
 *
 * The call is told before the block is freed, and after it was allocated, so that what is told of one
 * address is in order.
 *
 * Where no probe listens, the shim puts the same into a ring in shared memory, with a copy of its own stack: the
 * file "blocks-<pid>-<time_ns>" beside its lane, made with the first sample. Nothing is waited for: a new
 * record takes the place of the oldest, read or not. Tickets are drawn from `n_records` and `n_stacks`;
 * the place of a ticket is its remainder. A place's state says who is there: SL_BLOCK_BUSY(ticket) while it
 * is being written, SL_BLOCK_WHOLE(ticket), written last, afterwards. Who finds one busy has lost his ticket. The
 * reader copies, and believes only what was whole before and after, and still his ticket's. */
#ifndef SL_BLOCK_H
#define SL_BLOCK_H

#include <linux/types.h>

#define SL_BLOCK_FD (-1936487936) /* negative, so never one */

enum sl_block_op {
	SL_BLOCK_ALLOCATED = 1, /* with the thread's stack */
	SL_BLOCK_FREED = 2,	/* one that was told of; without */
};

#define SL_BLOCK_TEMPORARY 0x1u /* FREED: by the next call of the thread that allocated it */

/* As the reason of a snapshot (bpf/control.h). */
#define SNAPSHOT_BLOCK 0xfffcu

#define SL_BLOCKS_MAGIC	      0x6b6c622d746c73ull /* "slt-blk" */
#define SL_BLOCKS_VERSION     2u
#define SL_BLOCKS_PREFIX      "blocks-"
#define SL_BLOCKS_RECORDS     1024u
#define SL_BLOCKS_STACKS      64u
#define SL_BLOCKS_STACK_BYTES 16384u

#define SL_BLOCK_BUSY(ticket)  (2 * (ticket) + 1)
#define SL_BLOCK_WHOLE(ticket) (2 * (ticket) + 2)

struct sl_block_record {
	__u64 state;
	__u64 stack;	    /* its ticket + 1; 0: none */
	__u64 snapshot[22]; /* struct stack_snapshot, without bytes */
	__u64 pad[8];
};

struct sl_block_stack {
	__u64 state;
	__u64 n_bytes;
	__u64 pad[6];
	__u8 bytes[SL_BLOCKS_STACK_BYTES];
};

struct sl_blocks_header {
	__u64 magic; /* written last, with release order */
	__u32 version;
	__u32 ns_pid;
	__u64 start_ns; /* as in struct sl_lane: creation by the writer's clock … */
	__u64 wall_ns;	/* … and by the one that no namespace shifts */
};

struct sl_blocks {
	struct sl_blocks_header header;
	__u64 n_records; /* tickets drawn */
	__u64 n_stacks;
	__u64 pad[506];
	struct sl_block_record records[SL_BLOCKS_RECORDS];
	struct sl_block_stack stacks[SL_BLOCKS_STACKS];
};

#endif
