/* SPDX-License-Identifier: MIT */
/* What the probes cost the thread they run in, measured by themselves.
 *
 * A program that runs often times one of OVERHEAD_SAMPLE runs, and that counts so many-fold; one that
 * runs rarely or long times each. Reading the clock twice costs as much as a short program, so
 * those that read it anyway pass that reading on. The kernel's own way to a program is not in it:
 * the collector measures that, and the numbers of runs are counted here. */
#ifndef SL_OVERHEAD_BPF_H
#define SL_OVERHEAD_BPF_H

#include "bpf/common.bpf.h"

#define OVERHEAD_SAMPLE 17u /* a prime: programs take turns, and none shall always be skipped */

extern __u32 clock_cost_ns; /* of one bpf_ktime_get_ns() */

/* usage.bpf.c: adds what passed since @since_ns, @weight times; the way to @ts included. */
int overhead_add(struct task_state *ts, __u64 since_ns, __u32 weight);

/* Is it this run's turn? */
static __always_inline bool overhead_is_due(struct task_state *ts)
{
	if (ts->probe_left--)
		return false;
	ts->probe_left = OVERHEAD_SAMPLE - 1;
	return true;
}

#endif
