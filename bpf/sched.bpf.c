/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Threads off the CPU: why, for how long, woken by whom. At switch-out the reason is noted in the
 * thread's own storage, at the wake-up the waker, and at switch-in one OFFCPU record is written.
 * What a thread waited for is found in object.bpf.h. */
#include "bpf/common.bpf.h"
#include "bpf/object.bpf.h"
#include "bpf/percpu.bpf.h"
#include "bpf/process.bpf.h"
#include "bpf/tax.bpf.h"

#define STATE_INTERRUPTIBLE 0x1u
#define STATE_STOPPED	    0xcu /* stopped, traced */
#define STATE_DEAD	    0x80u

#define PREEMPT_HARDIRQ 0xff0000u /* with NMI */
#define PREEMPT_SOFTIRQ 0x000100u /* running one; 0x200 and up: merely disabled */

#define LONG_SLEEP_NS 50000u /* its place in the kernel is looked up, for about 2 us */

struct place_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, struct place);
	__type(value, __u64);
};

struct place_map places SEC(".maps");
__u64 last_place = 0;

const volatile __u32 has_prev_state = 0; /* sched_switch passes it, >= 5.18 */
__u64 switch_limit = 0;			 /* OFFCPU records after readiness; 0: no limit */
__u64 switch_count = 0;
__u32 running = 0;	 /* recorded threads that are not blocked */
__u64 idle_since_ns = 0; /* when `running` fell to 0 */

/* ---- is the tree idle? ---- */

static __always_inline void count_idle(struct task_state *ts, __u64 now)
{
	if (__sync_lock_test_and_set(&ts->sched.is_idle, 1))
		return;
	if (__sync_fetch_and_sub(&running, 1) == 1)
		idle_since_ns = now;
}

static __always_inline void count_running(struct task_state *ts)
{
	if (ts->sched.is_idle && __sync_lock_test_and_set(&ts->sched.is_idle, 0))
		__sync_fetch_and_add(&running, 1);
}

int sched_created(struct task_state *ts, __u32 is_asleep)
{
	if (!ts)
		return 0;
	ts->sched.is_idle = 1;
	if (!is_asleep)
		count_running(ts);
	return 0;
}

/* ---- page faults ---- */

/* The last fault on each CPU. It comes by so often that it is only noted whose it was: a thread
 * that waits for its page finds it here when it leaves the CPU. */
enum fault_word { FAULT_ADDRESS, FAULT_TID, FAULT_WORDS };

__u64 faults[SL_CPUS][FAULT_WORDS];
__u32 faults_are_off = 0;

SEC("?raw_tp/page_fault_user")
int handle_page_fault(__u64 *ctx)
{
	__u64 *fault = faults[bpf_get_smp_processor_id() & (SL_CPUS - 1)];

	fault[FAULT_ADDRESS] = ctx[0];
	fault[FAULT_TID] = (__u32)bpf_get_current_pid_tgid();
	return 0;
}

/* @ts leaves the CPU; if in the midst of a fault, it may come back on another one. */
static __always_inline void keep_fault(struct task_struct *task, struct task_state *ts)
{
	const __u64 *fault = faults[bpf_get_smp_processor_id() & (SL_CPUS - 1)];

	if (fault[FAULT_TID] == (__u32)task->pid)
		ts->sched.fault_address = fault[FAULT_ADDRESS];
}

/* ---- leaving the CPU ---- */

static __always_inline __u16 state_of(__u32 state)
{
	if (state & STATE_INTERRUPTIBLE)
		return SL_STATE_INTERRUPTIBLE;
	if (state & STATE_STOPPED)
		return SL_STATE_STOPPED;
	return state ? SL_STATE_UNINTERRUPTIBLE : SL_STATE_PREEMPTED;
}

static __always_inline __u32 prev_state(__u64 *ctx, struct task_struct *prev)
{
	struct task_struct___old *old = (void *)prev;

	if (has_prev_state)
		return (__u32)ctx[3];
	if (bpf_core_field_exists(old->state))
		return BPF_CORE_READ(old, state);
	return prev->__state;
}

static __always_inline bool is_throttled(struct task_struct *task)
{
	struct task_struct___throttled *newer = (void *)task;

	if (bpf_core_field_exists(newer->throttled))
		return BPF_CORE_READ(newer, throttled);
	if (bpf_core_field_exists(task->se.cfs_rq->throttle_count))
		return BPF_CORE_READ(task, se.cfs_rq, throttle_count) > 0;
	return false;
}

static __always_inline void switch_out(struct task_struct *task, struct task_state *ts, __u32 state,
				       __u64 now)
{
	struct sched_state *s = &ts->sched;
	struct sl_offcpu *record = (struct sl_offcpu *)s->record;
	__u64 major_faults = task->maj_flt;

	s->out_ns = now;
	s->in_ns = 0;
	s->text_length = 0;
	record->event.flags = SL_SOURCE_BPF;
	record->state = state_of(state);
	record->syscall = ts->in_syscall ? ts->nr : SL_NO_SYSCALL;
	record->object = SL_OBJECT_NONE;
	record->fd = -1;
	record->flags = 0;
	record->sock = 0;
	record->wait_ip = 0;
	/* Faults are counted when they end: this one ended after the previous stay. */
	if (major_faults != s->major_faults)
		record->flags |= SL_OFFCPU_MAJOR;
	s->major_faults = major_faults;
	keep_fault(task, ts);
	if (!state) {
		if (is_throttled(task))
			record->flags |= SL_OFFCPU_THROTTLED;
		return;
	}
	if (BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait))
		record->flags |= SL_OFFCPU_IOWAIT;
	object_note(task, ts, record);
	count_idle(ts, now);
}

/* ---- coming back ---- */

/* The number of the place where @task sleeps. */
static __always_inline __u64 place_of(struct task_struct *task)
{
	struct place place = {};
	__u64 *known, number;

	if (bpf_get_task_stack(task, place.frames, sizeof(place.frames), 0) <= 0)
		return 0;
	known = bpf_map_lookup_elem(&places, &place);
	if (known)
		return *known;
	number = __sync_fetch_and_add(&last_place, 1) + 1;
	if (bpf_map_update_elem(&places, &place, &number, BPF_NOEXIST))
		return 0; /* somebody else was first, or they are full */
	return number;
}

/* Does the call by itself say what is waited for? */
static __always_inline bool is_told(__u16 nr)
{
	return nr < CALLS && (call_table[nr & (CALLS - 1)] & CALL_TOLD);
}

static __always_inline bool past_limit(void)
{
	return is_ready && switch_limit && __sync_fetch_and_add(&switch_count, 1) >= switch_limit;
}

static __always_inline void sum_up(struct sched_state *s, __u64 wake_ns, __u64 now)
{
	if (!s->since_ns)
		s->since_ns = s->out_ns;
	s->blocked_ns += wake_ns - s->out_ns;
	s->runnable_ns += now - wake_ns;
	s->count++;
}

static __always_inline void emit_sum(struct sched_state *s, __u64 pid_tgid)
{
	struct sl_schedsum *event;

	if (!s->count)
		return;
	event = sl_reserve_for(SL_KIND_SCHEDSUM, sizeof(*event), bpf_ktime_get_ns(), pid_tgid);
	if (event) {
		event->since_ns = s->since_ns;
		event->blocked_ns = s->blocked_ns;
		event->runnable_ns = s->runnable_ns;
		event->count = s->count;
		sl_submit(event, false);
	}
	s->since_ns = s->blocked_ns = s->runnable_ns = s->count = 0;
}

static __always_inline void emit_offcpu(struct task_struct *task, struct sched_state *s,
					__u64 wake_ns, __u64 now)
{
	struct sl_offcpu *record = (struct sl_offcpu *)s->record;
	__u16 flags = record->event.flags;
	__u32 length = s->text_length;

	sl_fill(&record->event, SL_KIND_OFFCPU, 0, now, pid_tgid_of(task));
	record->event.flags = flags;
	record->out_ns = s->out_ns;
	record->wake_ns = wake_ns;
	record->waker_pid = s->waker_pid;
	record->waker_tid = s->waker_tid;
	record->context = s->context;
	__builtin_memcpy(record->waker_comm, s->waker_comm, sizeof(record->waker_comm));
	if (wake_ns - s->out_ns > LONG_SLEEP_NS && !is_told(record->syscall))
		record->wait_ip = place_of(task);
	if (length <= OFF_TEXT_ROOM - 8)
		sl_output(&record->event, sizeof(*record) + length, false);
}

static __always_inline void switch_in(struct task_struct *task, struct task_state *ts, __u64 now)
{
	struct sched_state *s = &ts->sched;
	struct sl_offcpu *record = (struct sl_offcpu *)s->record;
	__u64 wake_ns = s->wake_ns;

	if (ts->flags & TASK_NEW) {
		ts->flags &= ~TASK_NEW;
		record->event.flags = SL_SOURCE_BPF;
		record->state = SL_STATE_NEW;
		record->syscall = SL_NO_SYSCALL;
		record->fd = -1;
		wake_ns = s->out_ns;
	}
	if (s->out_ns) {
		/* A waker notes its time before the sleeper has left the CPU for good. */
		if (wake_ns < s->out_ns)
			wake_ns = s->out_ns;
		if (record->state == SL_STATE_PREEMPTED) {
			wake_ns = s->out_ns;
			s->waker_pid = s->waker_tid = s->context = 0;
			__builtin_memset(s->waker_comm, 0, sizeof(s->waker_comm));
		}
		ts->offcpu_ns += now - s->out_ns;
		if (past_limit())
			sum_up(s, wake_ns, now);
		else
			emit_offcpu(task, s, wake_ns, now);
	}
	count_running(ts);
	s->out_ns = 0;
	s->wake_ns = 0;
	s->in_ns = now;
	s->in_sum_ns = task->se.sum_exec_runtime;
}

/* Who came last on each CPU. There are kernels that do not tell of every switch (docs/architecture.md,
 * "The kernel side"). Of CPUs beyond SL_CPUS nobody can say: they would share a place. */
enum last_word { LAST_TASK, LAST_IS_OURS, LAST_WORDS };

__u64 last_on_cpu[SL_CPUS][LAST_WORDS];
__u32 untold_switches = 0; /* that concerned a recorded thread; at least */

static __always_inline void note_untold(__u64 *last, struct task_struct *prev,
					struct task_state *ts)
{
	const bool is_gap = last[LAST_TASK] && last[LAST_TASK] != (__u64)prev;

	if (is_gap && (last[LAST_IS_OURS] || (ts && ts->sched.out_ns)))
		__sync_fetch_and_add(&untold_switches, 1);
}

SEC("tp_btf/sched_switch")
int handle_switch(__u64 *ctx)
{
	struct task_struct *prev = (struct task_struct *)ctx[1];
	struct task_struct *next = (struct task_struct *)ctx[2];
	struct task_state *ts = task_state_of(prev), *payer = ts;
	const __u32 cpu = bpf_get_smp_processor_id();
	__u64 *last = last_on_cpu[cpu & (SL_CPUS - 1)];
	__u64 now = 0;

	if (cpu < SL_CPUS)
		note_untold(last, prev, ts);
	if (ts) {
		__u32 state = (__u8)ctx[0] ? 0 : prev_state(ctx, prev);

		now = bpf_ktime_get_ns();
		if ((state & STATE_DEAD) || (ts->flags & TASK_ENDED))
			ts->sched.out_ns = 0;
		else
			switch_out(prev, ts, state, now);
	}
	ts = task_state_of(next);
	if (cpu < SL_CPUS) {
		last[LAST_TASK] = (__u64)next;
		last[LAST_IS_OURS] = ts != NULL;
	}
	if (ts) {
		now = now ? now : bpf_ktime_get_ns();
		switch_in(next, ts, now);
		payer = ts;
	}
	if (payer) {
		payer->probe_hits++;
		tax_add(payer, now, 1);
	}
	return 0;
}

/* ---- being woken ---- */

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

SEC("tp_btf/sched_waking")
int handle_waking(__u64 *ctx)
{
	struct task_state *ts = task_state_of((struct task_struct *)ctx[0]);
	struct task_struct *current;
	struct sched_state *s;
	__u64 now;

	if (!ts)
		return 0;
	current = bpf_get_current_task_btf();
	s = &ts->sched;
	now = bpf_ktime_get_ns();
	s->wake_ns = now;
	s->waker_pid = current->tgid;
	s->waker_tid = current->pid;
	s->context = waker_context(current);
	bpf_get_current_comm(s->waker_comm, sizeof(s->waker_comm));
	count_running(ts);
	/* Paid by the waker, but noted with who waited for it: the two follow each other. */
	ts->probe_hits++;
	if (tax_is_due(ts))
		tax_add(ts, now, TAX_SAMPLE);
	return 0;
}

/* ---- ends and snapshots ---- */

/* The current thread is ending. */
int sched_ended(struct task_state *ts, __u64 pid_tgid)
{
	if (!ts)
		return 0;
	emit_sum(&ts->sched, pid_tgid);
	count_idle(ts, bpf_ktime_get_ns());
	return 0;
}

/* A thread that is off the CPU while a snapshot is taken. It may come back at any moment on
 * another CPU: what was copied counts only if it did not. */
int sched_snapshot(struct task_state *ts, __u64 pid_tgid)
{
	struct sl_offcpu *record;
	__u64 out_ns, wake_ns;

	if (!ts)
		return 0;
	emit_sum(&ts->sched, pid_tgid);
	out_ns = ts->sched.out_ns;
	if (!out_ns || (ts->flags & TASK_NEW))
		return 0;
	record = bpf_ringbuf_reserve(&ring, sizeof(*record) + OFF_TEXT_MAX, 0);
	if (!record) {
		sl_number(NULL, true, SL_KIND_OFFCPU);
		return 0;
	}
	__builtin_memcpy(record, ts->sched.record, sizeof(*record));
	bpf_probe_read_kernel(record->text, OFF_TEXT_MAX, ts->sched.record + sizeof(*record));
	wake_ns = ts->sched.wake_ns;
	record->waker_pid = ts->sched.waker_pid;
	record->waker_tid = ts->sched.waker_tid;
	record->context = ts->sched.context;
	__builtin_memcpy(record->waker_comm, ts->sched.waker_comm, sizeof(record->waker_comm));
	if (ts->sched.out_ns != out_ns) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		return 0;
	}
	record->out_ns = out_ns;
	record->wake_ns = record->state == SL_STATE_PREEMPTED ? out_ns
			  : wake_ns >= out_ns		      ? wake_ns
							      : 0;
	record->flags |= SL_OFFCPU_STILL;
	{
		__u16 flags = record->event.flags;
		__u32 length = ts->sched.text_length;

		if (length > OFF_TEXT_MAX) {
			length = OFF_TEXT_MAX;
			flags |= SL_FLAG_CUT;
		}
		sl_fill(&record->event, SL_KIND_OFFCPU, sizeof(*record) + ((length + 7) & ~7u),
			bpf_ktime_get_ns(), pid_tgid);
		record->event.flags = flags;
	}
	sl_number(&record->event, false, SL_KIND_OFFCPU);
	sl_submit(record, false);
	return 0;
}
