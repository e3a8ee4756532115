/* SPDX-License-Identifier: MIT */
/* What the running kernel's type information says that the probes cannot find out by themselves:
 * which tracepoints there are, and where some per-CPU data lie. Reads /sys/kernel/btf/vmlinux
 * once, without libbpf: libbpf keeps its own copy to itself, and parsing twice takes too long. */
#ifndef USERSPACE_COLLECT_KERNEL_BTF_H
#define USERSPACE_COLLECT_KERNEL_BTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_tracepoint {
	const char *name; /* set by the caller: "sched_switch" */
	bool exists;
	unsigned int arguments; /* without the hidden first one */
};

/* Offsets in the per-CPU section, plus 1; 0: there is no such datum. */
struct kernel_percpu {
	uint64_t runqueues;
	uint64_t preempt_count;
	uint64_t this_cpu_off;
};

/* Fills in @tracepoints[0..@n) and @ret. -ENOENT: the kernel has no type information; -EBADMSG:
 * it makes no sense. Nothing is logged. */
int kernel_btf_read(struct kernel_tracepoint *tracepoints, size_t n, struct kernel_percpu *ret);

/* The same from @data of @size bytes, for tests. */
int kernel_btf_parse(const void *data, size_t size, struct kernel_tracepoint *tracepoints, size_t n,
		     struct kernel_percpu *ret);

#endif
