/* SPDX-License-Identifier: MIT */
/* The stack of the goroutine that a thread runs, taken along while the thread itself is on another one. */
#ifndef SL_STACK_GO_BPF_H
#define SL_STACK_GO_BPF_H

#include "bpf/common.bpf.h"

/* Takes that of the current thread if it is one of Go's. It goes before the stack that was taken at
 * @time_ns; @slot: 1 in an interrupt, else 0. Returns how many bytes its
 * stack goes up from where it is, if it is on that one; 0: it is not, or not known. */
int goroutine_take(__u64 time_ns, __u32 slot);

#endif
