/* SPDX-License-Identifier: MIT */
/* The system calls of a whole run, by name. */
#ifndef USERSPACE_MODEL_SYSCALLS_H
#define USERSPACE_MODEL_SYSCALLS_H

#include "userspace/base/vec.h"
#include "userspace/model/session.h"

struct syscall_list VEC(struct syscall);

/* Sums over the processes, those first that took most CPU time, then those most called. The caller
 * frees @ret's items, also after a failure (-ENOMEM). */
int syscalls_sum(const struct run *run, struct syscall_list *ret);

/* What part of the run's system time a call took that was on the CPU for @cpu_ns; NAN: unknown. In
 * short runs the kernel's clock ticks tell less than was measured in calls. */
double syscalls_share(const struct run *run, const struct syscall_list *sums, int64_t cpu_ns);

#endif
