/* SPDX-License-Identifier: MIT */
/* Reaching the kernel's per-CPU data, which BPF programs may not name: the run queue of this CPU
 * is one such datum whose address a task tells, and the kernel's BTF says how far from it the
 * others lie. source_bpf.c fills in the distances; 0 where the kernel does not tell them. */
#ifndef SL_PERCPU_BPF_H
#define SL_PERCPU_BPF_H

#include "bpf/common.bpf.h"

extern const volatile __u32 n_cpus;
extern const volatile __u64 runqueues_offset;	  /* of `runqueues` in the per-CPU section, + 1 */
extern const volatile __u64 preempt_count_offset; /* of the preemption counter, + 1 */
extern const volatile __u64 this_cpu_off_offset;  /* of `this_cpu_off`, + 1 */

#define PERCPU_CPUS 1024

extern __u64 percpu_bases[PERCPU_CPUS]; /* learned as CPUs come by; 0: not yet */

static __always_inline bool percpu_known(void)
{
	return runqueues_offset && this_cpu_off_offset;
}

/* This CPU's run queue, or 0. */
static __always_inline __u64 percpu_runqueue(struct task_struct *current, __u32 cpu)
{
	struct rq *rq;

	if (!bpf_core_field_exists(current->se.cfs_rq->rq))
		return 0;
	rq = BPF_CORE_READ(current, se.cfs_rq, rq);
	if (!rq || (__u32)BPF_CORE_READ(rq, cpu) != cpu)
		return 0;
	return (__u64)rq;
}

/* Makes this CPU's base known: what the kernel adds to a per-CPU pointer to get this CPU's
 * address, which it keeps among the per-CPU data itself. */
static __always_inline void percpu_learn(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	__u64 rq;

	if (cpu >= PERCPU_CPUS || !percpu_known() || percpu_bases[cpu])
		return;
	rq = percpu_runqueue(bpf_get_current_task_btf(), cpu);
	if (rq)
		bpf_probe_read_kernel(&percpu_bases[cpu], sizeof(percpu_bases[cpu]),
				      (void *)(rq - runqueues_offset + this_cpu_off_offset));
}

/* What @cpu has at the per-CPU @pointer. 0 for a CPU that was not seen yet: it ran nothing that
 * is recorded. */
static __always_inline __s32 percpu_s32(const void *pointer, __u32 cpu)
{
	__s32 value = 0;

	if (cpu >= PERCPU_CPUS || !percpu_bases[cpu])
		return 0;
	bpf_probe_read_kernel(&value, sizeof(value), (void *)((__u64)pointer + percpu_bases[cpu]));
	return value;
}

#endif
