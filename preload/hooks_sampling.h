/* SPDX-License-Identifier: MIT */
/* Sampling by the hooks: a fast path of its own, on which a thread stays as long as it samples, and
 * what becomes of a block that is sampled. */
#ifndef PRELOAD_HOOKS_SAMPLING_H
#define PRELOAD_HOOKS_SAMPLING_H

#include <stddef.h>

#include "preload/counters.h"
#include "preload/sample.h"

/* Where the hooks go on in a thread that does not count on their own fast path. */
void *malloc_sampling(size_t n) HIDDEN;
void free_sampling(void *p) HIDDEN;
void *calloc_sampling(size_t n, size_t size, const void *caller) HIDDEN;
void *realloc_sampling(void *p, size_t n) HIDDEN;

/* The calling thread begins to sample. */
void sample_begin(void) HIDDEN;
/* @usable bytes were allocated at @p, which may be due. */
void sample_allocated(void *p, __s64 usable) HIDDEN;
/* The same in two steps: it is due, and becomes one of the sampled blocks, if that is true; and is told of. */
bool sample_add(void *p) HIDDEN;
void sample_tell(void *p, __s64 usable) HIDDEN;
/* @p, which may have been sampled, is about to be given back. True: it was. */
bool sample_release(void *p) HIDDEN;
/* The same in two steps. */
bool sample_remove(void *p, unsigned int *ret_flags) HIDDEN;
void sample_tell_freed(void *p, unsigned int flags) HIDDEN;
/* … and was not, after all: a block that could not be resized is one that was lost. */
void sample_lost(void) HIDDEN;

static inline bool sample_freed(void *p)
{
	return sample_may_have(p) && sample_release(p);
}

#endif
