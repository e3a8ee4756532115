/* SPDX-License-Identifier: MIT */
/* Recording every allocation and every free, with stacks, into a file of the image's own (bpf/exact.h): one
 * ring per thread, so that nobody waits for anybody. What is needed for it is mapped with the first record,
 * in memory that a forked child finds empty: it begins a file of its own.
 *
 * No lock, no allocation. System calls are made when a ring is begun or grows, when a module is met for the
 * first time, and for stacks that are not the thread's own. */
#ifndef PRELOAD_EXACT_H
#define PRELOAD_EXACT_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/counters.h"
#include "preload/unwind.h"

/* The image begins; its lane is there. */
void exact_begin(void) HIDDEN;
/* The calling thread has its slot. */
void exact_thread_begin(void) HIDDEN;

/* A block of @usable bytes was allocated at @p; @start: by whom. */
void exact_allocated(const struct unwind_start *start, const void *p, __s64 usable) HIDDEN;
/* The same, of who has called this: hooks on their slow side, which are frames of their own. */
void exact_allocated_here(const void *p, __s64 usable) HIDDEN;
/* @p is about to be given back. */
void exact_freed(const void *p) HIDDEN;
/* Libraries are about to go. */
void exact_code_changed(void) HIDDEN;

#endif
