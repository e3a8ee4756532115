/* SPDX-License-Identifier: MIT */
/* Names that a compiler of code at run time tells, in /tmp/perf-PID.map of its mount namespace. */
#ifndef USERSPACE_STACKS_PERF_MAP_H
#define USERSPACE_STACKS_PERF_MAP_H

#include <sys/types.h>

#include "userspace/stacks/elf_symbols.h"

/* Where the map of a process is, or will be: a JVM writes it when it ends. */
struct perf_map_place {
	int root; /* directory of its mount namespace */
	long pid; /* as it sees itself */
	uid_t uid;
};

/* While the process lives. 0, with @ret's root to be closed, or a negative errno. */
int perf_map_locate(pid_t pid, struct perf_map_place *ret);

/* The map, to be read when all is over: a regular file that belongs to the process's user. A descriptor or a
 * negative errno; never waits. */
int perf_map_open(const struct perf_map_place *place);

/* Names the places, which are addresses, by the lines "START SIZE NAME" of the file; of two that cover
 * one, by the later. 0, or -ENOMEM. */
int perf_map_find(int fd, const struct symbol_search *search);

#endif
