/* SPDX-License-Identifier: MIT */
/* How the shim tells of blocks of heap whose stacks are wanted: by a system call that does nothing. It asks to read
 * from a descriptor that there cannot be, which fails at once, and which also the strictest filter of system
 * calls lets pass. The kernel probe at the entry of system calls knows the call by its descriptor, and takes a
 * snapshot of the thread (bpf/stack.bpf.c), whose registers hold what the call says:
 *
 *   RDI (int)  SL_BLOCK_FD           RSI  the block's address
 *   RDX        the bytes asked for   R10  its usable bytes
 *   R8         enum sl_block_op      R9   SL_BLOCK_* flags
 *
 * (0 bytes with FREED.)
 *
 * The call is told before the block is freed, and after it was allocated, so that what is told of one
 * address is in order. Where no probe listens, the shim puts the same into its lane. */
#ifndef SL_BLOCK_H
#define SL_BLOCK_H

#define SL_BLOCK_FD (-1936487936) /* negative, so never one */

enum sl_block_op {
	SL_BLOCK_ALLOCATED = 1, /* with the thread's stack */
	SL_BLOCK_FREED = 2,	/* one that was told of; without */
};

#define SL_BLOCK_TEMPORARY 0x1u /* FREED: by the next call of the thread that allocated it */

/* As the reason of a snapshot (bpf/control.h). */
#define SNAPSHOT_BLOCK 0xfffcu

#endif
