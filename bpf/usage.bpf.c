/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What processes used: summed over their threads, as these end, and at any moment by a walk over
 * all tasks that the collector starts by reading an iterator. */
#include "bpf/common.bpf.h"
#include "bpf/overhead.bpf.h"
#include "bpf/places.bpf.h"
#include "bpf/process.bpf.h"
#include "bpf/syscalls.bpf.h"

#define PAGE_BYTES    4096ull
#define TICKS_TELL_NS 100000000ull
#define TICKS_HINT_NS 20000000ull

__u32 walk = 0;	     /* set by the collector before it reads the iterator */
__u32 walk_when = 0; /* enum sl_when */
__u64 walk_ns = 0;   /* when the first half of the snapshot was done */

/* ---- what the probes cost ---- */

#define CLOCK_READINGS	  8
#define OVERHEAD_LIMIT_NS 4000 /* a timed run that took longer was interrupted */

__u32 clock_cost_ns = 0;

__noinline int overhead_add(struct task_state *ts, __u64 since_ns, __u32 weight)
{
	__u64 ns;

	/* Each program does this before it reads a clock. */
	bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), NULL, 0);
	ns = bpf_ktime_get_ns() - since_ns;
	if (!ts || (__s64)ns <= 0)
		return 0;
	if (weight > 1 && ns > OVERHEAD_LIMIT_NS)
		ns = OVERHEAD_LIMIT_NS;
	ts->probe_ns += ns * weight;
	return 0;
}

/* What reading the clock costs: the shortest time between two readings. */
static __always_inline void measure_clock(void)
{
	__u64 last = bpf_ktime_get_ns();
	__u32 least = ~0u;

	for (int i = 0; i < CLOCK_READINGS; i++) {
		const __u64 now = bpf_ktime_get_ns();

		if (now - last < least)
			least = now - last;
		last = now;
	}
	clock_cost_ns = least;
}

/* With the call it is in, which may be the one that it never returns from. */
static __always_inline __u64 system_ns_of(struct task_state *ts, __u64 now)
{
	__u64 on_ns = now - ts->enter_ns - ts->offcpu_ns;

	return ts->system_ns +
	       (ts->in_syscall && ts->sched.in_ns && now > ts->enter_ns ? on_ns : 0);
}

static __always_inline void sums_add(struct usage_sums *sums, struct task_struct *task,
				     struct task_state *ts, __u64 now)
{
	__sync_fetch_and_add(&sums->user_raw, task->utime);
	__sync_fetch_and_add(&sums->system_raw, task->stime);
	__sync_fetch_and_add(&sums->system_ns, system_ns_of(ts, now));
	__sync_fetch_and_add(&sums->run_ns, run_ns_of(task, ts, now));
	__sync_fetch_and_add(&sums->minor_faults, task->min_flt);
	__sync_fetch_and_add(&sums->major_faults, task->maj_flt);
	__sync_fetch_and_add(&sums->voluntary, task->nvcsw);
	__sync_fetch_and_add(&sums->involuntary, task->nivcsw);
	__sync_fetch_and_add(&sums->net_rx_bytes, ts->net_rx_bytes);
	__sync_fetch_and_add(&sums->net_tx_bytes, ts->net_tx_bytes);
	__sync_fetch_and_add(&sums->probe_ns, ts->probe_ns);
	__sync_fetch_and_add(&sums->probe_calls, ts->probe_calls);
	__sync_fetch_and_add(&sums->speed_samples, ts->speed_samples);
	__sync_fetch_and_add(&sums->speed_sum, ts->speed_sum);
	/* handle_page_fault does not count its runs: each is a fault that the kernel has counted. */
	__sync_fetch_and_add(&sums->probe_hits,
			     ts->probe_hits +
				     (has_fault_probe ? task->min_flt + task->maj_flt : 0));
	if (!bpf_core_field_exists(task->ioac))
		return;
	__sync_fetch_and_add(&sums->read_chars, task->ioac.rchar);
	__sync_fetch_and_add(&sums->write_chars, task->ioac.wchar);
	if (!bpf_core_field_exists(task->ioac.read_bytes))
		return;
	__sync_fetch_and_add(&sums->read_bytes, task->ioac.read_bytes);
	__sync_fetch_and_add(&sums->write_bytes, task->ioac.write_bytes);
}

/* @part of @whole, of @total; without overflow, to 32 bits. */
static __always_inline __u64 proportion(__u64 total, __u64 part, __u64 whole)
{
	for (int bits = 32; bits; bits /= 2) {
		if (whole >> (23 + bits)) {
			whole >>= bits;
			part >>= bits;
		}
	}
	if (!whole)
		return 0;
	return total / whole * part + total % whole * part / whole;
}

/* The kernel charges whole ticks to user or system, and knows the sum of both far better; their
 * proportion is applied to the sum, as getrusage(2) does. Before there were enough ticks for that
 * to mean anything, time in system calls is system time; unless the few ticks say much more, as
 * they do of a program that spends its time in page faults. */
static __always_inline void split_run(struct sl_usage *event, __u64 run_ns, __u64 user_raw,
				      __u64 system_raw, __u64 system_ns)
{
	const __u64 raw = user_raw + system_raw;
	const __u64 by_ticks = raw >= TICKS_HINT_NS ? proportion(run_ns, system_raw, raw) : 0;

	if (raw >= TICKS_TELL_NS || by_ticks > 2 * system_ns + run_ns / 4)
		system_ns = by_ticks;
	event->run_ns = run_ns;
	event->system_ns = system_ns < run_ns ? system_ns : run_ns;
	event->user_ns = run_ns - event->system_ns;
}

#define ABOVE_BASE(field) (sums->field + process->ended.field - process->base.field)

static __always_inline void fill_resident(struct sl_usage *event,
					  const struct process_state *process)
{
	const struct resident *now = &process->rss, *peak = &process->peak;

	event->rss_bytes = now->pages == SL_UNKNOWN ? 0 : now->pages * PAGE_BYTES;
	event->rss_peak_bytes = peak->pages == SL_UNKNOWN ? 0 : peak->pages * PAGE_BYTES;
	for (int i = 0; i < SL_MEMORY_KINDS; i++) {
		event->rss_kinds[i] = now->kinds[i] * PAGE_BYTES;
		event->rss_peak_kinds[i] = peak->kinds[i] * PAGE_BYTES;
	}
	if (peak->pages == SL_UNKNOWN)
		event->flags |= SL_USAGE_NO_RSS;
}

static __always_inline void emit_usage(struct process_state *process, struct usage_sums *sums,
				       __u64 pid_tgid, __u32 when)
{
	struct sl_usage *event =
		sl_reserve_for(SL_KIND_USAGE, sizeof(*event), bpf_ktime_get_ns(), pid_tgid);
	struct task_struct *task = bpf_get_current_task_btf();

	if (!event)
		return;
	event->when = when;
	event->threads_peak = process->threads_peak;
	split_run(event, ABOVE_BASE(run_ns), ABOVE_BASE(user_raw), ABOVE_BASE(system_raw),
		  ABOVE_BASE(system_ns));
	event->minor_faults = ABOVE_BASE(minor_faults);
	event->major_faults = ABOVE_BASE(major_faults);
	event->voluntary_switches = ABOVE_BASE(voluntary);
	event->involuntary_switches = ABOVE_BASE(involuntary);
	event->read_bytes = ABOVE_BASE(read_bytes);
	event->write_bytes = ABOVE_BASE(write_bytes);
	event->read_chars = ABOVE_BASE(read_chars);
	event->write_chars = ABOVE_BASE(write_chars);
	event->net_rx_bytes = ABOVE_BASE(net_rx_bytes);
	event->net_tx_bytes = ABOVE_BASE(net_tx_bytes);
	event->probe_ns = ABOVE_BASE(probe_ns);
	event->probe_calls = ABOVE_BASE(probe_calls);
	event->probe_hits = ABOVE_BASE(probe_hits);
	event->speed_samples = ABOVE_BASE(speed_samples);
	event->speed_sum = ABOVE_BASE(speed_sum);
	event->flags = 0;
	if (!bpf_core_field_exists(task->ioac.read_bytes))
		event->flags |= SL_USAGE_NO_IO;
	fill_resident(event, process);
	sl_submit(event, false);
}

/* The command's process has done things before R0 that are not its own. Called for each attempt
 * to execute it; the last one, which succeeds, stays. */
int exec_enter(struct task_state *ts)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct process_state *process;
	__u32 tgid = task->tgid;

	if (!ts || !(ts->flags & TASK_ROOT))
		return 0;
	process = bpf_map_lookup_elem(&processes, &tgid);
	if (!process)
		return 0;
	__builtin_memset(&process->base, 0, sizeof(process->base));
	ts->base_run_ns = run_ns_of(task, ts, ts->enter_ns);
	sums_add(&process->base, task, ts, ts->enter_ns);
	return 0;
}

/* The current thread is ending: its numbers pass to the process. */
int usage_thread_ended(struct task_state *ts)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct process_state *process;
	__u32 tgid = task->tgid;

	process = bpf_map_lookup_elem(&processes, &tgid);
	if (ts && process)
		sums_add(&process->ended, task, ts, bpf_ktime_get_ns());
	return 0;
}

/* The last thread has ended. */
int usage_emit_ended(__u32 tgid)
{
	struct process_state *process = bpf_map_lookup_elem(&processes, &tgid);

	if (!process)
		return 0;
	/* `now` may hold half a snapshot of threads that are counted in `ended` by now. */
	__builtin_memset(&process->now, 0, sizeof(process->now));
	__builtin_memset(&process->rss, 0, sizeof(process->rss));
	emit_usage(process, &process->now, (__u64)tgid << 32 | tgid, SL_WHEN_EXIT);
	return 0;
}

/* ---- walks ---- */

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

/* @task, which is recorded from now on, was there before: what it has used so far is not ours. */
static __always_inline void announce(struct task_struct *task, struct task_state *ts)
{
	struct process_state *process;
	__u32 tgid = task->tgid;

	if (ts->flags & TASK_ANNOUNCED)
		return;
	ts->flags |= TASK_ANNOUNCED;
	if (ts->flags & TASK_ROOT)
		own_level = pid_level(task);
	task_emit(task, BPF_CORE_READ(task, real_parent),
		  SL_TASK_ATTACHED | (task->pid == task->tgid ? 0 : SL_TASK_THREAD),
		  bpf_ktime_get_ns());
	if (!live_processes)
		memory_reset();
	sched_created(ts, is_asleep(task));
	if (!(ts->flags & TASK_ROOT))
		has_listeners = 1;
	/* The command's memory before it is executed is a copy of the collector's. */
	process_count_thread(tgid, ts->flags & TASK_ROOT ? 0 : memory_key(task));
	process = bpf_map_lookup_elem(&processes, &tgid);
	if (!process)
		return;
	ts->base_run_ns = task->se.sum_exec_runtime;
	sums_add(&process->base, task, ts, bpf_ktime_get_ns());
}

int usage_announce(struct task_state *ts)
{
	if (ts)
		announce(bpf_get_current_task_btf(), ts);
	return 0;
}

/* Does @task belong to a control group that is followed? Then it is recorded. */
static __always_inline struct task_state *follow(struct task_struct *task)
{
	struct task_state *ts;

	if (!follows_cgroups || !cgroup_is_followed(leader_address(task)))
		return NULL;
	ts = bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (ts)
		ts->flags |= TASK_TRACKED;
	return ts;
}

/* A process is moved, or moves itself, and is in its new place by now; only loaded when a group is
 * followed. */
SEC("tp_btf/cgroup_attach_task")
int handle_cgroup_attach(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[2];
	struct task_state *ts;

	if (tracked(task))
		return 0;
	ts = follow(task);
	if (ts)
		announce(task, ts);
	return 0;
}

static __always_inline void tell(struct task_struct *task, struct task_state *ts)
{
	struct process_state *process;
	__u32 tgid = task->tgid;

	if (!(ts->flags & TASK_ENDED)) {
		sched_snapshot(ts, pid_tgid_of(task));
		calls_tell_thread(ts, pid_tgid_of(task), walk_ns, walk_when);
	}
	if ((__u32)task->pid != tgid)
		return;
	calls_tell_process(tgid, walk_ns, walk_when);
	process = bpf_map_lookup_elem(&processes, &tgid);
	if (!process)
		return;
	if (memory_key(task) == process->mm) {
		memory_refresh(process->mm);
		memory_tell(process->mm, (__u64)tgid << 32 | tgid, walk_when);
	}
	memory_look(process->mm, &process->rss, &process->peak);
	emit_usage(process, &process->now, (__u64)tgid << 32 | tgid, walk_when);
	__builtin_memset(&process->now, 0, sizeof(process->now));
}

SEC("iter/task")
int handle_walk(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct process_state *process;
	struct task_state *ts;
	__u32 tgid;

	if (walk == WALK_NAMES) {
		places_print(ctx->meta->seq);
		return 0;
	}
	if (!task) {
		if (walk == WALK_SUM)
			walk_ns = bpf_ktime_get_ns();
		if (walk == WALK_EMIT)
			memory_emit(walk_when);
		if (walk == WALK_ANNOUNCE)
			measure_clock();
		return 0;
	}
	ts = task_state_of(task);
	/* startline itself makes the walk. */
	if (!ts && walk == WALK_ANNOUNCE && (__u32)task->tgid != bpf_get_current_pid_tgid() >> 32)
		ts = follow(task);
	if (!ts)
		return 0;
	if (walk == WALK_ANNOUNCE)
		announce(task, ts);
	if (walk == WALK_EMIT)
		tell(task, ts);
	if (walk != WALK_SUM || (ts->flags & TASK_ENDED))
		return 0;
	tgid = task->tgid;
	process = bpf_map_lookup_elem(&processes, &tgid);
	if (process)
		sums_add(&process->now, task, ts, bpf_ktime_get_ns());
	return 0;
}
