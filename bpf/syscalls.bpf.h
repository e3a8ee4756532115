/* SPDX-License-Identifier: MIT */
/* System calls, summed by process and number.
 *
 * A thread counts by itself, so that no call costs more than a few additions: its storage has room for
 * some sums. Numbers that programs use much have a slot, and get a sum with their first call; when
 * there is none left, all go to the process. All other numbers, and what threads leave behind, are in
 * `process_calls`; a process that has neither is not in there. */
#ifndef SL_SYSCALLS_BPF_H
#define SL_SYSCALLS_BPF_H

#include "bpf/common.bpf.h"

#define CALLS_FULL  (1u << 31) /* a thread's count is handed on before it overflows */
#define ERRNO_LIMIT 4095

/* Slot + 1 of a call's number; 0: it has none. */
extern const volatile __u8 call_slots[CALLS];

/* A call that has no slot. */
int calls_add_rare(__u32 number, __u32 is_error, __u64 total_ns, __u64 cpu_ns);
/* What a thread of the current process counted goes to the process. */
int calls_hand_on(struct task_state *ts);
/* Gives @slot a sum. Returns which. */
int calls_take_sum(struct task_state *ts, __u32 slot);
/* CALLS of a thread, and of what else its process has; @moment is what they have in common. */
int calls_tell_thread(struct task_state *ts, __u64 pid_tgid, __u64 moment, __u32 when);
int calls_tell_process(__u32 tgid, __u64 moment, __u32 when);
/* @tgid has ended and told all. */
int calls_forget(__u32 tgid);

static __always_inline bool call_failed(long result)
{
	return result < 0 && result >= -ERRNO_LIMIT;
}

/* A call of the current thread returned. Of the command, its first execve is where it begins. */
static __always_inline void calls_add(struct task_state *ts, __u64 nr, long result, __u64 total_ns,
				      __u64 cpu_ns)
{
	/* None is 0, and then this is large: Linux 6.1 cannot bound it otherwise. */
	const __u32 slot = (nr < CALLS ? call_slots[nr & (CALLS - 1)] : 0) - 1u;
	struct call_sum *sum;
	__u32 at;

	if (ts->flags & TASK_ROOT)
		return;
	if (slot >= CALL_SLOTS) {
		calls_add_rare(nr, call_failed(result), total_ns, cpu_ns);
		return;
	}
	at = ts->calls.sum_of[slot] - 1u;
	if (at >= CALL_SUMS)
		at = calls_take_sum(ts, slot);
	if (at >= CALL_SUMS)
		return;
	sum = &ts->calls.sums[at];
	sum->total_ns += total_ns;
	sum->cpu_ns += cpu_ns;
	sum->errors += call_failed(result);
	if (++sum->count >= CALLS_FULL)
		calls_hand_on(ts);
}

#endif
