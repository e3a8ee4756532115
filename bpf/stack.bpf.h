/* SPDX-License-Identifier: MIT */
/* Snapshots of user stacks at moments at which a thread is in the kernel anyway. What each is good
 * for, and what is done with it, is the collector's business. */
#ifndef SL_STACK_BPF_H
#define SL_STACK_BPF_H

#include "bpf/block.h"
#include "bpf/common.bpf.h"
#include "bpf/process.bpf.h"

/* Set by the collector; 0: none. Snapshots at system calls: how much of its own time a thread has from one
 * to the next, at least; more where they take long. At the return from a call: off the CPU for how long. */
extern __u64 stack_gap_ns, stack_wait_ns;
/* Never, if it is 0: then the verifier need not look at all of it. */
extern const volatile __u32 want_stacks;
/* The shim tells of blocks of heap (bpf/block.h). */
extern const volatile __u32 want_blocks;

#define PAGE_SHIFT 12

extern struct ring_map stack_ring SEC(".maps");

/* 0 when it cannot be read: a null pointer ends every walk. */
static __always_inline __u64 pointer_at(__u64 address, __u32 offset)
{
	__u64 pointer = 0;

	if (!address || bpf_probe_read_user(&pointer, sizeof(pointer), (void *)(address + offset)))
		return 0;
	return pointer;
}

/* Takes one of the current thread, which is in a system call or a page fault. Counts what that took. */
int stack_take(struct task_state *ts, __u32 reason, __u64 since_ns, __u64 time_ns);

static __always_inline void stack_at_enter(struct task_struct *task, struct task_state *ts)
{
	const __u64 gap_ns = stack_gap_ns, due_ns = ts->stack_due_ns ? ts->stack_due_ns : gap_ns;

	if (want_stacks && gap_ns && run_ns_of(task, ts, ts->enter_ns) >= due_ns)
		stack_take(ts, SL_SAMPLE_CALL, ts->left_ns, ts->enter_ns);
}

/* Whether the call that begins is the shim's, which is no call of the program's. Called before anything is noted
 * of it, so that its end, too, is that of no call. */
static __always_inline bool stack_at_block(struct task_struct *task, struct task_state *ts,
					   struct pt_regs *regs)
{
	__u64 now;

	if ((__s32)regs->di != SL_BLOCK_FD)
		return false;
	now = bpf_ktime_get_ns();
	ts->in_syscall = 0;
	ts->probe_calls++;
	stack_take(ts, SNAPSHOT_BLOCK, now, now);
	return true;
}

/* A call that executed something has a new stack, which has not waited. */
static __always_inline void stack_at_exit(struct task_state *ts, __u16 bits, __u64 now)
{
	ts->left_ns = now;
	if (want_stacks && ts->grown_pages) {
		stack_take(ts, SNAPSHOT_GROWTH, (__u64)ts->grown_pages << PAGE_SHIFT, now);
		ts->grown_pages = 0;
	}
	if (want_stacks && stack_wait_ns && ts->offcpu_ns >= stack_wait_ns && !(bits & CALL_EXEC))
		stack_take(ts, SL_SAMPLE_WAIT, ts->enter_ns, now);
}

#endif
