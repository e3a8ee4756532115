/* SPDX-License-Identifier: MIT */
/* Recording every allocation and every free, with stacks, into a file of the image's own (bpf/exact.h): one
 * ring per thread, so that nobody waits for anybody. What is needed for it is mapped with the first record,
 * in memory that a forked child finds empty: it begins a file of its own.
 *
 * Which blocks a sample would have is noted as well (sample.h), so that when the recording ends their frees
 * are told of as if it had sampled from the beginning.
 *
 * No lock, no allocation. System calls are made when a ring is begun or grows, when a module is met for the
 * first time, and for stacks that are not the thread's own. */
#ifndef PRELOAD_EXACT_H
#define PRELOAD_EXACT_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/counters.h"
#include "preload/unwind.h"

/* The image begins; its lane is there. False: it cannot record. */
bool exact_begin(void) HIDDEN;
/* The calling thread has its slot. */
void exact_thread_begin(void) HIDDEN;

/* A block of @usable bytes was allocated at @p; @start: by whom; @is_sampled: it is one of those that are told of
 * when this is over. False: it could not be recorded, see exact_is_over(). */
bool exact_allocated(const struct unwind_start *start, const void *p, __s64 usable,
		     bool is_sampled) HIDDEN;
/* @p is about to be given back. */
bool exact_freed(const void *p) HIDDEN;
/* Nothing more is recorded: startline wants no more, or there was no room. */
bool exact_is_over(void) HIDDEN;
/* The image records no more, for a reason of the program's own. */
void exact_stop(void) HIDDEN;
/* Libraries are about to go. */
void exact_code_changed(void) HIDDEN;

#endif
