/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Copies registers and stack of the current thread into a ring of its own; by way of room that each CPU
 * has, since a record that is reserved has a size that the verifier knows, which most stacks would not fill. */
#include "bpf/stack.bpf.h"

#include "bpf/overhead.bpf.h"
#include "bpf/stack_go.bpf.h"
#include "bpf/stack_python.bpf.h"

#define PAGE_BYTES  4096u
#define NEAR_BYTES  (1u << 20)
#define BLIND_BYTES (16u << 10) /* where nothing tells the end of the stack */
#define TAKEN_MAX   (60u << 10)
#define COST_PART   150	  /* of its time a thread shall lose no more than that part */
#define COST_MAX_NS 20000 /* what took longer was interrupted */

struct stack_room {
	__u64 above;	/* for FORGET_RANGE */
	__u64 is_taken; /* only where programs can be preempted it may be */
	__u64 snapshot[(sizeof(struct stack_snapshot) + TAKEN_MAX) / sizeof(__u64)];
};

struct stack_room_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* collect/bpf/maps.c: as there are CPUs */
	__type(key, __u32);
	__type(value, struct stack_room);
};
struct stack_room_map stack_rooms SEC(".maps");

struct ring_map stack_ring SEC(".maps");

__u64 stack_gap_ns = 0, stack_wait_ns = 0;
__u64 stack_drops = 0; /* snapshots for which there was no room */
const volatile __u32 want_stacks = 0, want_blocks = 0;
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

/* As much as can be read of the @bytes at @sp. One reading takes all or nothing, and a loop in smaller
 * ones takes the verifier milliseconds. */
static __always_inline __u32 copy(__u8 *to, __u64 sp, __u64 bytes)
{
	const __u64 to_page_end = PAGE_BYTES - (sp & (PAGE_BYTES - 1));

	if (bytes > TAKEN_MAX)
		bytes = TAKEN_MAX;
	if (bpf_probe_read_user(to, bytes, (void *)sp) == 0)
		return bytes;
	bytes = bytes / 4;
	if (bpf_probe_read_user(to, bytes, (void *)sp) == 0)
		return bytes;
	if (bytes > to_page_end)
		bytes = to_page_end;
	return bpf_probe_read_user(to, bytes, (void *)sp) == 0 ? bytes : 0;
}

static __always_inline __u64 wake_flags(void)
{
	return bpf_ringbuf_query(&stack_ring, BPF_RB_AVAIL_DATA) >= stack_wake_bytes
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

/* Notes what it has cost since @start_ns, and when it is worth that again. Blocks are chosen by the shim, growths and
 * what was touched by memory_growth.bpf.c. */
static __always_inline void settle(struct task_struct *task, struct task_state *ts, __u32 reason,
				   __u64 start_ns)
{
	const __u64 now = bpf_ktime_get_ns();
	__u64 cost_ns = now - start_ns, gap_ns;

	if (cost_ns > COST_MAX_NS)
		cost_ns = COST_MAX_NS;
	ts->probe_ns += cost_ns;
	if (reason == SNAPSHOT_BLOCK || reason == SNAPSHOT_GROWTH || reason == SNAPSHOT_TOUCHED)
		return;
	gap_ns = cost_ns * COST_PART;
	if (gap_ns < stack_gap_ns)
		gap_ns = stack_gap_ns;
	ts->stack_due_ns = run_ns_of(task, ts, now) + gap_ns;
}

static __always_inline struct stack_room *room_take(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct stack_room *room = bpf_map_lookup_elem(&stack_rooms, &cpu);

	return room && !__sync_lock_test_and_set(&room->is_taken, 1) ? room : NULL;
}

static __always_inline bool tell(struct stack_snapshot *s, __u32 n)
{
	if (n > TAKEN_MAX)
		n = TAKEN_MAX;
	s->n_bytes = n;
	return bpf_ringbuf_output(&stack_ring, s, sizeof(*s) + n, wake_flags()) == 0;
}

__noinline int stack_take(struct task_state *ts, __u32 reason, __u64 since_ns, __u64 time_ns)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const __u64 start_ns = bpf_ktime_get_ns();
	struct stack_snapshot *s;
	struct stack_room *room;
	struct pt_regs *regs;
	__u64 above = 0;
	__u32 n = 0;
	bool is_freed;

	if (!ts || is_over)
		return 0;
	room = room_take();
	if (!room) {
		__sync_fetch_and_add(&stack_drops, 1);
		return 0;
	}
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	/* Where a block is freed nobody asks. */
	is_freed = reason == SNAPSHOT_BLOCK && regs->r8 == SL_BLOCK_FREED;
	if (!is_freed)
		above = goroutine_take(time_ns, 0);
	if (!is_freed && has_pythons)
		python_take(ts, time_ns, 0);
	s = (struct stack_snapshot *)room->snapshot;
	s->time_ns = time_ns;
	s->since_ns = since_ns;
	s->pid = task->tgid;
	s->tid = task->pid;
	s->own_pid = own_id(BPF_CORE_READ(task, group_leader));
	s->own_tid = own_id(task);
	s->reason = reason;
	s->syscall = ts->nr;
	note_registers(s, regs);
	if (!above)
		above = bytes_above(task, regs->sp);
	if (!is_freed)
		n = copy(s->bytes, regs->sp, FORGET_RANGE(room->above, above));
	if (!tell(s, n))
		__sync_fetch_and_add(&stack_drops, 1);
	room->is_taken = 0;
	settle(task, ts, reason, start_ns);
	return 0;
}

/* The sample has got its time already, and what is told here goes before it. */
#define BEFORE_SAMPLE_NS 100000

#define SPEED_TURNS  512
#define SPEED_SPREAD 16 /* times the shortest: what took longer was interrupted */

__u64 speed_least_ns = ~0ull;

/* How fast the CPU is just now. Others that use the same core, its other hyperthread or its caches,
 * make a program slower by half without taking any of its time away, and nobody else tells. Additions that hardly
 * wait for each other, as those of most programs, are slowed as these are. Not while another of its
 * threads runs, which may be on the same core: what a program does to itself is no disturbance. */
static __always_inline void measure_speed(struct task_state *ts)
{
	const __u64 begin = bpf_ktime_get_ns();
	__u64 a = begin, b = ~begin, c = begin << 1, d = begin >> 1, ns;

	for (__u64 i = 0; i < SPEED_TURNS; i++) {
		a += i ^ d;
		b ^= a + i;
		c += i;
		d ^= c;
		a ^= i;
	}
	asm volatile("" ::"r"(a), "r"(b), "r"(c), "r"(d));
	ns = bpf_ktime_get_ns() - begin;
	if (ns < speed_least_ns)
		speed_least_ns = ns;
	if (ns <= clock_cost_ns || ns > SPEED_SPREAD * speed_least_ns)
		return;
	ts->speed_samples++;
	ts->speed_sum += SPEED_TURNS * 1000000ull / (ns - clock_cost_ns);
}

/* At each sample of the timer, which is on all that a CPU does. 1: have it taken. */
SEC("perf_event")
int handle_timer(void *ctx)
{
	struct task_state *ts = task_state_of(bpf_get_current_task_btf());
	__u64 now;

	if (!ts || (ts->flags & TASK_ROOT))
		return 0;
	now = bpf_ktime_get_ns();
	goroutine_take(now - BEFORE_SAMPLE_NS, 1);
	if (has_pythons)
		python_take(ts, now - BEFORE_SAMPLE_NS, 1);
	if (running == 1)
		measure_speed(ts);
	overhead_add(ts, now, 1);
	return 1;
}
