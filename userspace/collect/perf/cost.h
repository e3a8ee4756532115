/* SPDX-License-Identifier: MIT */
/* What one sample of a timer costs on this machine: the interrupt more than what is done in it, some 2 us
 * on bare metal and thirty times that in a virtual machine, half of it paid by what runs next. Measured by
 * a process of its own that works in small steps while it is sampled, beside the loading of the kernel
 * probes. */
#ifndef USERSPACE_COLLECT_PERF_COST_H
#define USERSPACE_COLLECT_PERF_COST_H

#include <stdint.h>
#include <sys/types.h>

struct sample_cost {
	uint64_t ns, error_ns; /* 19 of 20 times it is within that of the truth */
	int error; /* why there are no samples to be had: negative errno; 0: there are */
};

struct cost_trial {
	pid_t pid; /* 0: none */
	int fd;
};

void cost_trial_start(struct cost_trial *ret);
/* Waits for it, but not for long: then, what is usual. */
struct sample_cost cost_trial_finish(struct cost_trial *t);
void cost_trial_done(struct cost_trial *t);

/* So many samples a second take no more of a program's time than they may. */
uint64_t sample_cost_rate(const struct sample_cost *cost);

#endif
