/* SPDX-License-Identifier: MIT */
/* What libbpf is told about the running kernel, so that it need not read all of the kernel's type
 * information by itself: an excerpt of it for the places of members (CO-RE), and for each typed
 * probe the number of what it is attached to.
 *
 *	kernel_prepare(&k);
 *	object = ….open_opts(btf_custom_path = k.path)
 *	kernel_learn(&k, object);     from now on kernel_has()
 *	kernel_number(&k, program);   those of its programs that shall be loaded
 *	… load …
 *	kernel_done(&k);
 *
 * libbpf keeps one table of section handlers for the whole process: one kernel at a time. Its
 * objects may be loaded by several threads. */
#ifndef USERSPACE_COLLECT_BPF_KERNEL_H
#define USERSPACE_COLLECT_BPF_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/collect/bpf/kernel_btf.h"

struct bpf_object;
struct bpf_program;

#define KERNEL_TRACEPOINTS_MAX 32

typedef void kernel_begins_fn(void *data, const struct bpf_program *program);

struct kernel {
	struct kernel_tracepoint tracepoints[KERNEL_TRACEPOINTS_MAX];
	size_t n;
	struct kernel_percpu percpu;
	int excerpt_fd; /* -1: none */
	char path[32];	/* of it */
	kernel_begins_fn *begins;
	void *begins_data;
};

/* @begins is called with @data when @program is about to be loaded: what its object loaded before
 * is there. */
int kernel_prepare(struct kernel *k, kernel_begins_fn *begins, void *data);

/* Asks the kernel about each tracepoint and iterator that the probes want, and about the types
 * they use. -ENOENT: this kernel has no type information. */
int kernel_learn(struct kernel *k, struct bpf_object *object);

/* To be called for each program that will be loaded. */
int kernel_number(struct kernel *k, struct bpf_program *program);

void kernel_done(struct kernel *k);

/* "rss_stat" of a program in section "raw_tp/rss_stat" or "tp_btf/…"; NULL for others. */
const char *tracepoint_of(const struct bpf_program *program);

/* How many arguments the kernel's tracepoint has; 0: there is no such. */
unsigned int kernel_arguments(struct kernel *k, const char *name);

/* Whether the kernel has what @program is to be attached to. */
bool kernel_has(struct kernel *k, const struct bpf_program *program);

#endif
