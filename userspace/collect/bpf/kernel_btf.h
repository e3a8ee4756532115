/* SPDX-License-Identifier: MIT */
/* What the running kernel's type information says: which tracepoints and iterators there are and
 * their numbers, where some per-CPU data lie, and the types that the probes look into. Reads
 * /sys/kernel/btf/vmlinux once, and looks at each name in it once: libbpf would do so for every
 * type that is asked for, which takes longer than all the rest of its work. */
#ifndef USERSPACE_COLLECT_BPF_KERNEL_BTF_H
#define USERSPACE_COLLECT_BPF_KERNEL_BTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/buf.h"

/* Something a probe can be attached to. */
struct kernel_tracepoint {
	const char *name; /* set by the caller: "sched_switch", or "task" */
	bool is_iterator; /* set by the caller */
	bool exists;
	unsigned int arguments; /* of a tracepoint, without the hidden first one */
	uint32_t type_id;	/* by which the kernel knows it when a program is loaded */
};

/* Offsets in the per-CPU section, plus 1; 0: there is no such datum. */
struct kernel_percpu {
	uint64_t runqueues;
	uint64_t preempt_count;
	uint64_t this_cpu_off;
};

struct kernel_query {
	struct kernel_tracepoint *tracepoints;
	size_t n_tracepoints;
	const char *const
		*types; /* names whose types shall be in `excerpt`; strangers may be in it */
	size_t n_types;
	struct kernel_percpu percpu; /* filled in */
	struct buf excerpt;	     /* filled in: see btf_excerpt(). The caller's: buf_done() */
};

/* Answers @q. -ENOENT: the kernel has no type information; -EBADMSG: it makes no sense. Nothing
 * is logged. */
int kernel_btf_read(struct kernel_query *q);

/* The same from @data of @size bytes, for tests. */
int kernel_btf_parse(const void *data, size_t size, struct kernel_query *q);

#endif
