/* SPDX-License-Identifier: MIT */
/* Where the hooks go on in a thread that records every allocation; and what they tell on their slow side, of
 * which threads that sample are the other kind. */
#ifndef PRELOAD_HOOKS_EXACT_H
#define PRELOAD_HOOKS_EXACT_H

#include <stddef.h>

#include "preload/counters.h"
#include "preload/hooks_sampling.h"
#include "preload/shim.h"

void *malloc_exact(size_t n) HIDDEN;
void free_exact(void *p) HIDDEN;
void *calloc_exact(size_t n, size_t size, const void *caller) HIDDEN;
void *realloc_exact(void *p, size_t n) HIDDEN;

/* What block_allocated() and block_freed() do where all is recorded. */
void exact_block_allocated(void *p, __s64 usable) HIDDEN;
void exact_block_freed(void *p) HIDDEN;
void exact_block_kept(void *p, __s64 usable) HIDDEN;

/* On the slow side: there are @usable bytes at @p. */
static inline void block_allocated(void *p, __s64 usable)
{
	if (shim.is_exact)
		exact_block_allocated(p, usable);
	else if (shim.sample_bytes != 0)
		sample_allocated(p, usable);
}

/* @p is about to be given back. True: that was told. */
static inline bool block_freed(void *p)
{
	if (likely(!shim.is_exact))
		return sample_freed(p);
	exact_block_freed(p);
	return true;
}

/* … and was not, after all. */
static inline void block_kept(void *p, __s64 usable)
{
	if (shim.is_exact)
		exact_block_kept(p, usable);
	else
		sample_lost();
}

#endif
