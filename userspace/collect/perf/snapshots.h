/* SPDX-License-Identifier: MIT */
/* What probes and timers took of a thread, as the unwinder wants it. */
#ifndef USERSPACE_COLLECT_PERF_SNAPSHOTS_H
#define USERSPACE_COLLECT_PERF_SNAPSHOTS_H

#include "bpf/control.h"
#include "userspace/collect/perf/events.h"
#include "userspace/stacks/snapshot.h"

#define SNAPSHOT_KERNEL_FRAMES 128

/* Of a probe, of which @n_bytes of the stack can be read. Borrows them. */
struct snapshot snapshot_of(const struct stack_snapshot *taken, size_t n_bytes);
/* Of a timer; @kernel has room for its frames in the kernel, which are borrowed, too. */
struct snapshot snapshot_of_timer(const struct perf_sample *taken,
				  uint64_t kernel[static SNAPSHOT_KERNEL_FRAMES]);

#endif
