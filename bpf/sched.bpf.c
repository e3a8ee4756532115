/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Threads off the CPU: why, for how long, woken by whom. At switch-out the reason is noted in the
 * thread's own storage, at the wake-up the waker, and at switch-in one OFFCPU record is written.
 * What a thread waited for is found in object.bpf.h. */
#include "bpf/common.bpf.h"
#include "bpf/object.bpf.h"
#include "bpf/overhead.bpf.h"
#include "bpf/percpu.bpf.h"
#include "bpf/process.bpf.h"
#include "bpf/waker.bpf.h"

#define STATE_INTERRUPTIBLE 0x1u
#define STATE_STOPPED	    0xcu /* stopped, traced */
#define STATE_DEAD	    0x80u

#define LONG_SLEEP_NS 50000u /* its place in the kernel is looked up, for about 2 us */

struct place_map places SEC(".maps");
__u64 last_place = 0, named_places = 0;

const volatile __u32 has_prev_state = 0; /* sched_switch passes it, >= 5.18 */
__u64 switch_limit = 0;			 /* OFFCPU records after readiness; 0: no limit */
__u64 switch_count = 0;
__u64 running = 0;
__u64 idle_since_ns = 0; /* when `running` fell to 0 */

/* ---- is the tree idle? ---- */

static __always_inline void count_idle(struct task_state *ts, __u64 now)
{
	if (__sync_lock_test_and_set(&ts->sched.is_idle, 1))
		return;
	if (fetch_add(&running, -1) == 1)
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

#define FAULT_FETCH 0x10u /* of the error code: it was to execute what is there */

__u64 faults[SL_CPUS][FAULT_WORDS];
__u32 faults_are_off = 0;

SEC("raw_tp/page_fault_user")
int handle_page_fault(__u64 *ctx)
{
	__u64 *fault = faults[bpf_get_smp_processor_id() & (SL_CPUS - 1)];

	fault[FAULT_ADDRESS] = ctx[0];
	fault[FAULT_TID] = (__u32)bpf_get_current_pid_tgid();
	if (ctx[2] & FAULT_FETCH)
		link_fetched(ctx[0], ctx[1]);
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

static __always_inline void offcpu_begin(struct task_struct *task, struct task_state *ts,
					 __u16 state, __u64 now)
{
	struct sched_state *s = &ts->sched;
	struct sl_offcpu *record = (struct sl_offcpu *)s->record;

	s->out_ns = now;
	s->out_sum_ns = task->se.sum_exec_runtime;
	s->in_ns = 0;
	s->text_length = 0;
	record->event.flags = SL_SOURCE_BPF;
	record->state = state;
	record->syscall = ts->in_syscall ? ts->nr : SL_NO_SYSCALL;
	record->object = SL_OBJECT_NONE;
	record->fd = -1;
	record->flags = 0;
	record->sock = 0;
	record->wait_ip = 0;
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
	number = fetch_add(&last_place, 1) + 1;
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
	return is_ready && switch_limit && fetch_add(&switch_count, 1) >= switch_limit;
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

static __always_inline void emit_offcpu(struct sched_state *s, __u64 pid_tgid, __u64 wake_ns,
					__u64 now)
{
	struct sl_offcpu *record = (struct sl_offcpu *)s->record;
	__u16 flags = record->event.flags;
	__u32 length = s->text_length;

	sl_fill(&record->event, SL_KIND_OFFCPU, 0, now, pid_tgid);
	record->event.flags = flags;
	record->out_ns = s->out_ns;
	record->wake_ns = wake_ns;
	record->waker_pid = s->waker_pid;
	record->waker_tid = s->waker_tid;
	record->context = s->context;
	__builtin_memcpy(record->waker_comm, s->waker_comm, sizeof(record->waker_comm));
	if (length <= OFF_TEXT_ROOM - 8)
		sl_output(&record->event, sizeof(*record) + length, false);
}

/* For an interval that no wake-up ended. */
static __always_inline void forget_waker(struct sched_state *s)
{
	s->waker_pid = s->waker_tid = s->context = 0;
	__builtin_memset(s->waker_comm, 0, sizeof(s->waker_comm));
}

/* The thread is on the CPU since @now. Global, so that it is verified once, though it is called from
 * several places. */
__noinline int offcpu_end(struct task_state *ts, __u64 pid_tgid, __u64 now)
{
	struct sched_state *s;
	struct sl_offcpu *record;
	__u64 wake_ns, since_ns;

	if (!ts)
		return 0;
	s = &ts->sched;
	record = (struct sl_offcpu *)s->record;
	wake_ns = s->wake_ns;
	s->wake_ns = 0;
	s->in_ns = now;
	count_running(ts);
	if (!s->out_ns)
		return 0;
	if (ts->flags & TASK_NEW) {
		ts->flags &= ~TASK_NEW;
		record->event.flags = SL_SOURCE_BPF;
		record->state = SL_STATE_NEW;
		record->syscall = SL_NO_SYSCALL;
		record->fd = -1;
		wake_ns = s->out_ns;
	} else if (record->state == SL_STATE_PREEMPTED) {
		wake_ns = s->out_ns;
		forget_waker(s);
	} else if (!wake_ns) { /* untold */
		wake_ns = now;
		forget_waker(s);
	}
	/* A waker notes its time before the sleeper has left the CPU for good. */
	if (wake_ns < s->out_ns)
		wake_ns = s->out_ns;
	since_ns = s->out_ns > ts->enter_ns ? s->out_ns : ts->enter_ns;
	if (now > since_ns)
		ts->offcpu_ns += now - since_ns;
	if (past_limit())
		sum_up(s, wake_ns, now);
	else
		emit_offcpu(s, pid_tgid, wake_ns, now);
	s->out_ns = 0;
	return 0;
}

static __always_inline void come_back(struct task_struct *task, struct task_state *ts, __u64 sum_ns,
				      __u64 now)
{
	struct sched_state *s = &ts->sched;

	offcpu_end(ts, pid_tgid_of(task), now);
	s->in_sum_ns = sum_ns;
	s->in_voluntary = task->nvcsw;
	s->in_switches = task->nvcsw + task->nivcsw;
}

/* ---- what the kernel did not tell ----
 *
 * There are kernels that do not tell of every switch (docs/architecture.md, "The kernel side"). How
 * long a thread ran is known nevertheless, by the scheduler's sum; so is how long it did not, and
 * whether it went by itself. Only where in between is not: several such intervals become one. */

__u32 inferred_intervals = 0;

/* It was told to leave at out_ns, and has been back for as long as it ran since. The sum may be a
 * tick old, if it is not just leaving. */
static __always_inline void infer_return(struct task_struct *task, struct task_state *ts, __u64 now)
{
	struct sched_state *s = &ts->sched;
	struct sl_offcpu *record = (struct sl_offcpu *)s->record;
	const __u64 sum_ns = s->out_sum_ns;
	const __u64 ran_ns = task->se.sum_exec_runtime - sum_ns;

	record->flags |= SL_OFFCPU_INFERRED;
	come_back(task, ts, sum_ns, ran_ns < now - s->out_ns ? now - ran_ns : s->out_ns);
	__sync_fetch_and_add(&inferred_intervals, 1);
}

/* It was told to come at in_ns, and has left since and come back at @now, or, while it still runs,
 * some time before. @n_known: how often it left by itself, as was told. */
static __always_inline void infer_offcpu(struct task_struct *task, struct task_state *ts,
					 __u32 n_known, __u64 now)
{
	struct sched_state *s = &ts->sched;
	struct sl_offcpu *record = (struct sl_offcpu *)s->record;
	const __u64 out_ns = s->in_ns + (task->se.sum_exec_runtime - s->in_sum_ns);

	if (out_ns >= now)
		return;
	offcpu_begin(task, ts,
		     task->nvcsw - s->in_voluntary > n_known ? SL_STATE_INTERRUPTIBLE
							     : SL_STATE_PREEMPTED,
		     out_ns);
	record->flags |= SL_OFFCPU_INFERRED;
	come_back(task, ts, task->se.sum_exec_runtime, now);
	__sync_fetch_and_add(&inferred_intervals, 1);
}

/* @task is on the CPU. The kernel counts its switches: of those since in_ns, @n_known are told, and
 * @n_voluntary that it made by itself. */
static __always_inline void infer_missing(struct task_struct *task, struct task_state *ts,
					  __u32 n_known, __u32 n_voluntary, __u64 now)
{
	struct sched_state *s = &ts->sched;

	if (s->out_ns)
		infer_return(task, ts, now);
	else if (s->in_ns && task->nvcsw + task->nivcsw - s->in_switches > n_known)
		infer_offcpu(task, ts, n_voluntary, now);
}

int sched_returned(struct task_state *ts, __u64 now)
{
	if (ts && has_switches)
		infer_return(bpf_get_current_task_btf(), ts, now);
	return 0;
}

/* ---- switches ---- */

static __always_inline void switch_in(struct task_struct *task, struct task_state *ts, __u64 now)
{
	struct sched_state *s = &ts->sched;
	struct sl_offcpu *record = (struct sl_offcpu *)s->record;

	if (!s->out_ns && s->in_ns) {
		infer_offcpu(task, ts, 0, now);
		return;
	}
	if (s->wake_ns > s->out_ns + LONG_SLEEP_NS && record->state != SL_STATE_PREEMPTED &&
	    !(ts->flags & TASK_NEW) && !is_told(record->syscall))
		record->wait_ip = place_of(task);
	come_back(task, ts, task->se.sum_exec_runtime, now);
}

static __always_inline void switch_out(struct task_struct *task, struct task_state *ts, __u32 state,
				       __u64 now)
{
	struct sched_state *s = &ts->sched;
	struct sl_offcpu *record = (struct sl_offcpu *)s->record;
	__u64 major_faults = task->maj_flt;

	infer_missing(task, ts, 1, state != 0, now);
	offcpu_begin(task, ts, state_of(state), now);
	/* Faults are counted when they end: this one ended after the previous interval. */
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

SEC("tp_btf/sched_switch")
int handle_switch(__u64 *ctx)
{
	struct task_struct *prev = (struct task_struct *)ctx[1];
	struct task_struct *next = (struct task_struct *)ctx[2];
	struct task_state *ts = task_state_of(prev), *payer = ts;
	__u64 now = 0;

	if (ts) {
		__u32 state = (__u8)ctx[0] ? 0 : prev_state(ctx, prev);

		now = bpf_ktime_get_ns();
		if ((state & STATE_DEAD) || (ts->flags & TASK_ENDED))
			ts->sched.out_ns = ts->sched.in_ns = 0;
		else
			switch_out(prev, ts, state, now);
	}
	ts = task_state_of(next);
	if (ts) {
		now = now ? now : bpf_ktime_get_ns();
		switch_in(next, ts, now);
		payer = ts;
	}
	if (payer) {
		payer->probe_hits++;
		overhead_add(payer, now, 1);
	}
	return 0;
}

/* ---- being woken ---- */

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
	if (overhead_is_due(ts))
		overhead_add(ts, now, OVERHEAD_SAMPLE);
	return 0;
}

/* ---- ends and snapshots ---- */

/* The current thread is ending. */
int sched_ended(struct task_state *ts, __u64 pid_tgid)
{
	if (!ts)
		return 0;
	if (has_switches)
		infer_missing(bpf_get_current_task_btf(), ts, 0, 0, bpf_ktime_get_ns());
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
	if (!out_ns || !has_switches || (ts->flags & TASK_NEW))
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
