/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Copies registers and stack of the current thread into a ring of its own. How much is decided
 * beforehand: a record can be given back, but not cut, and one that is reserved needs no room elsewhere. */
#include "bpf/stack.bpf.h"

#include "bpf/stack_python.bpf.h"

#define KIB	    1024u
#define PAGE_BYTES  4096u
#define NEAR_BYTES  (1u << 20)
#define BLIND_BYTES (16u << 10) /* where nothing tells the end of the stack */
#define COST_PART   100		/* of its time a thread shall lose no more than that part */
#define COST_MAX_NS 20000	/* what took longer was interrupted */

struct ring_map stack_ring SEC(".maps");

__u64 stack_gap_ns = 0, stack_wait_ns = 0;
__u64 stack_drops = 0; /* snapshots for which there was no room */
const volatile __u64 stack_wake_bytes = 512 << 10;

/* How far the stack goes up from @sp, at most. Above the main thread's lie arguments and environment,
 * above those that C libraries make the thread's own variables: nobody needs to see either. */
static __always_inline __u64 bytes_above(struct task_struct *task, __u64 sp)
{
	const __u64 main_end = BPF_CORE_READ(task, mm, start_stack);
	__u64 thread_end = 0;

	if (bpf_core_field_exists(task->thread.fsbase))
		thread_end = BPF_CORE_READ(task, thread.fsbase);
	if (thread_end > sp && thread_end - sp <= NEAR_BYTES)
		return thread_end - sp;
	if (main_end > sp && main_end - sp <= NEAR_BYTES)
		return main_end - sp;
	return BLIND_BYTES;
}

static __always_inline void note_registers(struct stack_snapshot *s, struct pt_regs *regs)
{
	s->registers[0] = regs->ax;
	s->registers[1] = regs->dx;
	s->registers[2] = regs->cx;
	s->registers[3] = regs->bx;
	s->registers[4] = regs->si;
	s->registers[5] = regs->di;
	s->registers[6] = regs->bp;
	s->registers[7] = regs->sp;
	s->registers[8] = regs->r8;
	s->registers[9] = regs->r9;
	s->registers[10] = regs->r10;
	s->registers[11] = regs->r11;
	s->registers[12] = regs->r12;
	s->registers[13] = regs->r13;
	s->registers[14] = regs->r14;
	s->registers[15] = regs->r15;
	s->registers[16] = regs->ip;
}

/* Of @bytes at @sp, as much as can be read, into a record with @room. One reading takes all or nothing, and
 * a loop in smaller ones takes the verifier milliseconds. */
static __always_inline void copy(struct stack_snapshot *s, __u32 room, __u64 sp, __u64 bytes)
{
	const __u64 to_page_end = PAGE_BYTES - (sp & (PAGE_BYTES - 1));

	s->n_bytes = 0;
	if (bytes > room)
		bytes = room;
	if (bpf_probe_read_user(s->bytes, bytes, (void *)sp) == 0) {
		s->n_bytes = bytes;
		return;
	}
	bytes = bytes / 4;
	if (bpf_probe_read_user(s->bytes, bytes, (void *)sp) == 0) {
		s->n_bytes = bytes;
		return;
	}
	if (bytes > to_page_end)
		bytes = to_page_end;
	if (bpf_probe_read_user(s->bytes, bytes, (void *)sp) == 0)
		s->n_bytes = bytes;
}

/* Reserving wants a constant. */
#define TAKE(kib)                                                                \
	{                                                                        \
		s = bpf_ringbuf_reserve(&stack_ring, sizeof(*s) + (kib)*KIB, 0); \
		if (s)                                                           \
			copy(s, (kib)*KIB, sp, bytes);                           \
	}

static __always_inline __u64 wake_flags(void)
{
	return bpf_ringbuf_query(&stack_ring, BPF_RB_AVAIL_DATA) >= stack_wake_bytes
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

/* Notes what it has cost since @start_ns, and when it is worth that again. */
static __always_inline void settle(struct task_struct *task, struct task_state *ts, __u64 start_ns)
{
	const __u64 now = bpf_ktime_get_ns();
	__u64 cost_ns = now - start_ns, gap_ns;

	if (cost_ns > COST_MAX_NS)
		cost_ns = COST_MAX_NS;
	ts->probe_ns += cost_ns;
	gap_ns = cost_ns * COST_PART;
	if (gap_ns < stack_gap_ns)
		gap_ns = stack_gap_ns;
	ts->stack_due_ns = run_ns_of(task, ts, now) + gap_ns;
}

__noinline int stack_take(struct task_state *ts, __u32 reason, __u64 since_ns, __u64 time_ns)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const __u64 start_ns = bpf_ktime_get_ns();
	struct stack_snapshot *s;
	struct pt_regs *regs;
	__u64 sp, bytes;

	if (!ts || is_over)
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	sp = regs->sp;
	bytes = bytes_above(task, sp);
	if (has_pythons)
		python_take(ts, time_ns, 0);
	if (bytes <= 4 * KIB)
		TAKE(4)
	else if (bytes <= 16 * KIB)
		TAKE(16)
	else if (bytes <= 32 * KIB)
		TAKE(32)
	else
		TAKE(60)
	if (!s) {
		__sync_fetch_and_add(&stack_drops, 1);
		settle(task, ts, start_ns);
		return 0;
	}
	s->time_ns = time_ns;
	s->since_ns = since_ns;
	s->pid = task->tgid;
	s->tid = task->pid;
	s->own_pid = own_id(BPF_CORE_READ(task, group_leader));
	s->own_tid = own_id(task);
	s->reason = reason;
	s->syscall = ts->nr;
	note_registers(s, regs);
	bpf_ringbuf_submit(s, wake_flags());
	settle(task, ts, start_ns);
	return 0;
}
