/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Where a wake-up comes from: a thread that acts on its own, or an interrupt that happened to come
 * while some thread ran. */
#ifndef SL_WAKER_BPF_H
#define SL_WAKER_BPF_H

#include "bpf/common.bpf.h"
#include "bpf/percpu.bpf.h"

#define PREEMPT_HARDIRQ 0xff0000u /* with NMI */
#define PREEMPT_SOFTIRQ 0x000100u /* running one; 0x200 and up: merely disabled */

/* Is the current thread sending on a socket? Then a soft interrupt that runs inside the call is
 * its own doing: the packet on its way to a receiver on this machine. */
static __always_inline bool is_sending(struct task_struct *current)
{
	struct task_state *ts = task_state_of(current);
	struct file *file;

	if (!ts || !ts->in_syscall || ts->nr >= CALLS ||
	    !(call_table[ts->nr & (CALLS - 1)] & CALL_WRITE))
		return false;
	file = file_of_fd(current, (int)ts->args[0]);
	return file && (BPF_CORE_READ(file, f_inode, i_mode) & MODE_FORMAT) == MODE_SOCKET;
}

/* Where the wake-up comes from. The preemption counter is per-CPU data, which lies at a fixed
 * distance from this CPU's run queue. */
static __always_inline __u32 waker_context(struct task_struct *current)
{
	__u64 rq;
	__u32 count;

	if (!preempt_count_offset || !runqueues_offset)
		return SL_CONTEXT_UNKNOWN;
	rq = percpu_runqueue(current, bpf_get_smp_processor_id());
	if (!rq || bpf_probe_read_kernel(&count, sizeof(count),
					 (void *)(rq - runqueues_offset + preempt_count_offset)))
		return SL_CONTEXT_UNKNOWN;
	if (count & PREEMPT_HARDIRQ)
		return SL_CONTEXT_HARDIRQ;
	if (count & PREEMPT_SOFTIRQ)
		return is_sending(current) ? SL_CONTEXT_TASK : SL_CONTEXT_SOFTIRQ;
	return SL_CONTEXT_TASK;
}

#endif
