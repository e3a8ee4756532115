/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Go's runtime does much of its own work on its threads' own stacks (g0), where a goroutine leaves word of where
 * it was. Facts: src/runtime/runtime2.go of Go 1.18 to 1.26. Nobody says which programs are Go's: one
 * that is tells by pointers that lead back to each other, at the places where Go has them. Those of
 * others lead nowhere, in two readings. */
#include "bpf/stack_go.bpf.h"

#include "bpf/stack.bpf.h"

#define RT_SIGRETURN 15
#define SIGNAL_SP    160 /* of what the kernel left on the stack for it: uc.uc_mcontext.rsp */

#define ABOVE_MAX (1 << 20) /* more than is taken */

/* Of the thread's own variables, below where the thread pointer leads: its runtime.g. */
#define G_BELOW 8
/* Of runtime.m: .curg; until 1.24, when the state of a goroutine had one word more, .mstartfn, and .curg where now
 * .caughtsig is, which is hardly ever set. */
#define CURG 184
/* Words of runtime.g. */
enum { G_LOW, G_HIGH, G_M = 6, G_SP, G_PC, G_G, G_WORDS };

/* The goroutine that the current thread runs: its address and the words of it. 0: none, or it is not Go's. */
static __always_inline __u64 goroutine_of(__u64 thread, __u64 *words)
{
	const __u64 m = pointer_at(pointer_at(thread - G_BELOW, 0), G_M * sizeof(*words));
	__u64 curg[2], g;

	if (!m || bpf_probe_read_user(curg, sizeof(curg), (void *)(m + CURG)))
		return 0;
	g = curg[1] ? curg[1] : curg[0];
	if (bpf_probe_read_user(words, G_WORDS * sizeof(*words), (void *)g))
		return 0;
	return words[G_M] == m && words[G_G] == g ? g : 0;
}

/* Where it may be on its stack without having told that: R12 has it at calls into the vDSO, and what is
 * restored at the end of a signal. */
static __always_inline __u64 called_at(const struct pt_regs *regs)
{
	return regs->orig_ax == RT_SIGRETURN ? pointer_at(regs->sp, SIGNAL_SP) : regs->r12;
}

/* How many bytes of its stack are in use. Both places may be older. */
static __always_inline __u64 in_use(const __u64 *g, __u64 called_sp)
{
	const __u64 size = g[G_HIGH] - g[G_LOW];
	__u64 left = g[G_HIGH] - g[G_SP], called = g[G_HIGH] - called_sp;

	if (left > size)
		left = 0;
	if (called > size)
		called = 0;
	return left > called ? left : called;
}

__noinline int goroutine_take(__u64 time_ns, __u32 slot)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u64 g, from, n, above, words[G_WORDS];
	struct stack_snapshot *s;

	if (is_over || !bpf_core_field_exists(task->thread.fsbase))
		return 0;
	g = goroutine_of(BPF_CORE_READ(task, thread.fsbase), words);
	if (!g)
		return 0;
	above = words[G_HIGH] - regs->sp;
	if (above <= words[G_HIGH] - words[G_LOW])
		return above < ABOVE_MAX ? above : ABOVE_MAX;
	n = in_use(words, called_at(regs));
	s = n ? bpf_ringbuf_reserve(&stack_ring, sizeof(*s) + GOROUTINE_BYTES, 0) : NULL;
	if (!s)
		return 0;
	from = words[G_HIGH] - n;
	s->time_ns = time_ns;
	s->own_tid = own_id(task);
	s->reason = SNAPSHOT_GOROUTINE;
	s->syscall = slot;
	s->registers[0] = g;
	s->registers[1] = words[G_HIGH];
	s->registers[2] = from;
	s->registers[7] = words[G_SP];
	s->registers[16] = words[G_PC];
	/* Else the compiler bounds a copy, and the verifier does not see it. */
	barrier_var(n);
	if (n > GOROUTINE_BYTES)
		n = GOROUTINE_BYTES;
	s->n_bytes = n;
	if (bpf_probe_read_user(s->bytes, n, (void *)from) == 0)
		bpf_ringbuf_submit(s, BPF_RB_NO_WAKEUP);
	else
		bpf_ringbuf_discard(s, BPF_RB_NO_WAKEUP);
	return 0;
}
