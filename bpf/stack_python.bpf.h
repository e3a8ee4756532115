/* SPDX-License-Identifier: MIT */
/* The frames of CPython's interpreter, taken along with a stack. */
#ifndef SL_STACK_PYTHON_BPF_H
#define SL_STACK_PYTHON_BPF_H

#include "bpf/common.bpf.h"

/* Set by the collector, once a process is known to run it. */
extern __u32 has_pythons;

/* Takes those of the current thread, if its process is one. They go before the stack that was taken at
 * @time_ns; @slot: 1 in an interrupt, else 0. */
int python_take(struct task_state *ts, __u64 time_ns, __u32 slot);

#endif
