/* SPDX-License-Identifier: MIT */
/* What is remembered about a process, and what process.bpf.c, sched.bpf.c and memory.bpf.c do
 * for each other. */
#ifndef SL_PROCESS_BPF_H
#define SL_PROCESS_BPF_H

#include "bpf/common.bpf.h"

struct usage_sums {
	__u64 user_raw, system_raw; /* by ticks; only their proportion is used */
	__u64 system_ns;	    /* in system calls, measured */
	__u64 run_ns;
	__u64 minor_faults, major_faults;
	__u64 voluntary, involuntary;
	__u64 read_bytes, write_bytes, read_chars, write_chars;
	__u64 net_rx_bytes, net_tx_bytes;
	__u64 probe_ns, probe_calls, probe_hits;
	__u64 speed_samples, speed_sum;
};

struct resident {
	__u64 pages; /* in memory; SL_UNKNOWN: not known */
	__u64 kinds[SL_MEMORY_KINDS];
};

struct process_state {
	__u64 live_threads; /* counted here and not by the kernel's `live`, which two threads
			     * that exit together both see at 0 */
	__u64 threads_peak;
	__u64 mm;		   /* whose pages count for it; 0: none */
	struct resident rss, peak; /* of its last image, as last looked at */
	struct usage_sums ended;   /* threads that are gone */
	struct usage_sums base;	   /* before R0: not the program's */
	struct usage_sums now;	   /* being summed up by a snapshot */
};

struct process_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct process_state);
};
extern struct process_map processes SEC(".maps");

extern __u64 live_threads, live_processes; /* recorded ones */

/* A place in the kernel: the innermost return addresses of a sleeping thread. It gets a number
 * when it is first seen; the addresses stay here, and the collector turns numbers into names. */
struct place {
	__u64 frames[PLACE_FRAMES];
};

struct place_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, struct place);
	__type(value, __u64);
};
extern struct place_map places SEC(".maps");

extern __u64 last_place, named_places; /* numbers: given, and printed by places_print() */

/* memory.bpf.c: @mm is an address used as a key. Joining adds its pages to the tree's, once
 * however many processes share it; leaving tells what it had at most (NULL: who asks?). */
int memory_join(__u64 mm);
/* Another thread of the same process uses it: its counters change on several CPUs at a time. */
int memory_share(__u64 mm);
int memory_leave(__u64 mm, struct resident *peak);
/* Reads its counters now; it must be the memory of a task at hand, so that it still exists. */
int memory_refresh(__u64 mm);
/* What it has now, and had at most so far. */
int memory_look(__u64 mm, struct resident *now, struct resident *peak);
/* MAPPED of it, as that of process @pid_tgid. */
int memory_tell(__u64 mm, __u64 pid_tgid, __u32 when);
int memory_emit(__u32 when);
int memory_reset(void);

/* process.bpf.c: a thread more in process @tgid, which may come into being by it. */
int process_count_thread(__u32 tgid, __u64 mm);

extern const volatile bool follows_cgroups;
/* cgroup.bpf.c: whether the task at this address is in a control group that is followed. */
int cgroup_is_followed(__u64 task);

/* ready.bpf.c: looks for listeners that were there before the current program began; descriptors
 * that exec closes are closed by now. */
int ready_inherited(void);
/* Whether there can be any: one was seen, or a recorded process may have brought one along. */
extern __u32 has_listeners;

/* usage.bpf.c */
/* The current task is recorded and was there before; for kernels that refuse the walk over all. */
int usage_announce(struct task_state *ts);
int usage_thread_ended(struct task_state *ts);
int usage_emit_ended(__u32 tgid);

/* sched.bpf.c: a thread was created, has ended, is visited by a snapshot. */
int sched_created(struct task_state *ts, __u32 is_asleep);
int sched_ended(struct task_state *ts, __u64 pid_tgid);
int sched_snapshot(struct task_state *ts, __u64 pid_tgid);

/* Run time of a thread up to now. The scheduler's own sum stops at the last tick or switch; what
 * ran since then comes from the clock. */
static __always_inline __u64 run_ns_of(struct task_struct *task, struct task_state *ts, __u64 now)
{
	__u64 sum = task->se.sum_exec_runtime;
	__u64 in_ns = ts->sched.in_ns;
	__u64 exact = ts->sched.in_sum_ns + (now - in_ns);

	/* It may have been off the CPU since, untold. */
	if (!in_ns || now <= in_ns || task->nvcsw + task->nivcsw != ts->sched.in_switches)
		return sum;
	return exact > sum ? exact : sum;
}

static __always_inline __u32 id_at(struct pid *pid, __u32 level)
{
	struct upid *number = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
			      level * bpf_core_type_size(struct upid);

	return BPF_CORE_READ(number, nr);
}

static __always_inline __u32 pid_level(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread_pid, level);
}

/* As its own pid namespace, the innermost that it has a number in, counts. */
static __always_inline __u32 ns_id(struct task_struct *task)
{
	return id_at(BPF_CORE_READ(task, thread_pid), pid_level(task));
}

extern __u32 own_level; /* how deep startline's pid namespace lies, which the command's is */

/* As startline's pid namespace counts. */
static __always_inline __u32 own_id(struct task_struct *task)
{
	const __u32 level = pid_level(task);

	return id_at(BPF_CORE_READ(task, thread_pid), level < own_level ? level : own_level);
}

static __always_inline __u64 pid_tgid_of(struct task_struct *task)
{
	return (__u64)task->tgid << 32 | (__u32)task->pid;
}

/* Address of its process's leader: read by value, as the verifier does not pass kernel pointers as
 * numbers. */
static __always_inline __u64 leader_address(struct task_struct *task)
{
	__u64 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), &task->group_leader);
	return number;
}

/* Its memory, as a key. Read by value: the verifier does not pass kernel pointers as numbers. */
static __always_inline __u64 memory_key(struct task_struct *task)
{
	return (__u64)BPF_CORE_READ(task, mm);
}

static __always_inline bool is_asleep(struct task_struct *task)
{
	struct task_struct___old *old = (void *)task;

	if (bpf_core_field_exists(old->state))
		return BPF_CORE_READ(old, state) != 0;
	return BPF_CORE_READ(task, __state) != 0;
}

/* Is it held back by its group's CPU quota? */
static __always_inline bool is_throttled(struct task_struct *task)
{
	struct task_struct___throttled *newer = (void *)task;

	if (bpf_core_field_exists(newer->throttled))
		return BPF_CORE_READ(newer, throttled);
	if (bpf_core_field_exists(task->se.cfs_rq->throttle_count))
		return BPF_CORE_READ(task, se.cfs_rq, throttle_count) > 0;
	return false;
}

/* Tells about a new thread. */
static __always_inline void task_emit(struct task_struct *task, struct task_struct *parent,
				      __u32 flags, __u64 now)
{
	struct sl_task *event =
		sl_reserve_for(SL_KIND_TASK, sizeof(*event), now, pid_tgid_of(task));

	if (!event)
		return;
	event->parent_pid = BPF_CORE_READ(parent, tgid);
	event->parent_tid = BPF_CORE_READ(parent, pid);
	event->ns_tid = ns_id(task);
	event->ns_pid = ns_id(BPF_CORE_READ(task, group_leader));
	event->flags = flags;
	event->own_tid = own_id(task);
	bpf_probe_read_kernel(event->comm, sizeof(event->comm), task->comm);
	sl_submit(event, false);
}

#endif
