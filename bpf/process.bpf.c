/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Processes: fork, exec, exit, and what they used. */
#include "bpf/common.bpf.h"

int process_enter(struct task_state *ts)
{
	return 0;
}

int process_exit(struct task_state *ts, long result)
{
	return 0;
}

SEC("tp_btf/sched_process_fork")
int handle_fork(__u64 *ctx)
{
	struct task_struct *child = (struct task_struct *)ctx[1];
	struct task_state *ts;

	if (!tracked((struct task_struct *)ctx[0]))
		return 0;
	ts = bpf_task_storage_get(&tasks, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (ts)
		ts->flags = TASK_TRACKED;
	return 0;
}
