/* SPDX-License-Identifier: MIT */
/* What recording costs the target where it cannot time itself: the kernel's way to the probes, and
 * what the dynamic loader and the kernel do for one more shared object. Measured on this machine,
 * now, on startline's own processes; the model adds it up (docs/metrics.md, "Overhead"). */
#ifndef USERSPACE_COLLECT_RUN_OVERHEAD_H
#define USERSPACE_COLLECT_RUN_OVERHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/collect/run/source.h"

/* Of a system call of this process that does nothing, in ps: the shortest of a few windows, together
 * less than a millisecond. To be asked before the probes are attached. */
uint64_t overhead_measure_call(void);

/* Measures the same with the probes looking, and emits META: what a call and a run of a probe cost
 * beyond what the probes see of themselves, with the errors; where it cannot be measured, what is
 * usual, with an error as large. */
int overhead_emit_calls(struct source_bpf *bpf, uint64_t without_ps, struct sink sink);

/* A process of its own that runs a trivial program a few times with and without the shim, some 10 ms
 * in all, while the probes load. */
struct overhead_trial {
	unsigned int flags;
	pid_t pid; /* 0: none */
	int fd;
};

/* Begins it, with SHIM_* @flags. A failure shows at the end. */
void overhead_trial_start(unsigned int flags, struct overhead_trial *ret);
/* Waits for it, but not for long, and emits META: what it came to, or what is usual. */
int overhead_trial_finish(struct overhead_trial *t, struct sink sink);
void overhead_trial_done(struct overhead_trial *t);

#endif
