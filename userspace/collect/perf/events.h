/* SPDX-License-Identifier: MIT */
/* The perf events of a run, one set for each CPU: a timer that samples what is on the CPU, and the records
 * about mappings, forks, execs and ends that it takes to know what an address means.
 *
 * With a program that tells which threads are recorded they are on all that the CPU does, whose records
 * come, too; else on the command and what it will create, which costs each fork and exec 50 to 100 us, and
 * begins a period anew in each thread. */
#ifndef USERSPACE_COLLECT_PERF_EVENTS_H
#define USERSPACE_COLLECT_PERF_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/collect/perf/ring.h"

#define STACK_SLICE 32768u /* of the stack in a sample: holds all but deep recursion */

struct perf_cpu {
	int fd;		/* the timer's */
	int tracker_fd; /* where the timer pauses now and then, what must go on; else -1 */
	uint64_t period_ns;
	struct perf_ring ring;
};

struct perf_events {
	struct perf_cpu *cpus;
	size_t n;
	int epoll_fd;	 /* readable: a ring has filled to some extent */
	bool has_kernel; /* samples in the kernel, too */
	bool is_whole;	 /* samples are of recorded threads, but records of all that the CPUs do */
	uint8_t *whole;
};

struct perf_wish {
	pid_t pid;
	uint64_t period_ns; /* 0: no timer, but the records */
	size_t ring_bytes;  /* of each; 0: the default */
	bool may_pause;
	int program; /* that says at each sample whether it is taken; -1: none */
};

/* Nothing is sampled before @pid executes. Negative errno; then @ret holds nothing. */
int perf_events_open(const struct perf_wish *wish, struct perf_events *ret);
void perf_events_close(struct perf_events *e);
/* Lets the timer run, or not; what may not pause goes on. */
void perf_events_let_run(const struct perf_events *e, bool is_on);

/* Why events cannot be had, for people: @r is what perf_events_open() returned. */
const char *perf_events_why(int r);
/* … and what to type. "" where nothing helps. */
const char *perf_events_remedy(int r);
/* kernel.perf_event_paranoid; -1: unknown. */
int perf_events_paranoid(void);

#define RING_BYTES_MIN ((size_t)64 << 10)

/* A sampling event as they all are, every @period_ns; to be opened by perf_event_open(). */
struct perf_event_attr perf_timer(uint64_t period_ns);
int perf_open(const struct perf_event_attr *attr, pid_t pid, int cpu);

/* ---- what records say ---- */

struct perf_sample {
	pid_t pid, tid;
	uint64_t time_ns;
	const uint64_t *kernel; /* addresses, innermost first, with context markers */
	size_t n_kernel;
	const uint64_t *registers; /* PERF_REGISTERS of them, NULL: none of 64-bit user space */
	const uint8_t *stack;
	size_t n_stack;
};

#define PERF_REGISTERS \
	20u /* in the order of the kernel's enum perf_event_x86_regs, without DS to GS */

/* Takes the record of a timer's sample apart. False: it makes no sense. */
bool perf_sample_read(const struct perf_event_header *record, struct perf_sample *ret);

#endif
