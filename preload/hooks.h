/* SPDX-License-Identifier: MIT */
/* Counting by hooks that have no fast path of their own. */
#ifndef PRELOAD_HOOKS_H
#define PRELOAD_HOOKS_H

#include <stddef.h>

#include "preload/counters.h"

/* What the allocator says of block @p, in bytes. */
__s64 usable_proven(void *p) HIDDEN;

/* What a hook does that is not on its fast path, up to its end. @caller: who has called the hook. */
void *malloc_slow(size_t n) HIDDEN;
void free_slow(void *p) HIDDEN;
void *calloc_slow(size_t n, size_t size, const void *caller) HIDDEN;
void *realloc_slow(void *p, size_t n) HIDDEN;
/* A call on the fast path has failed. Returns NULL. */
void *allocation_failed(enum sl_heap_call call) HIDDEN;
/* For each new thread glibc's loader allocates one entry of this size for each library with thread
 * storage, of which the shim is one: what it adds is not the program's. */
enum { THREAD_ENTRY = 16 };

/* The bytes that calloc(@n, THREAD_ENTRY) asks for because of us. */
size_t added_by_us(size_t n, const void *caller) HIDDEN;

/* What is to be counted of calloc(@n, @size). Where the product overflows the call fails. */
static inline size_t calloc_bytes(size_t n, size_t size, const void *caller)
{
	return n * size - (unlikely(size == THREAD_ENTRY) ? added_by_us(n, caller) : 0);
}

/* @p is what a call for @n bytes returned, NULL: it failed. @s: of shim_slot(), not NULL. Samples, too. */
void allocated_slow(struct sl_lane_slot *s, enum sl_heap_call call, void *p, size_t n) HIDDEN;
/* A block of @usable bytes is freed; @call is SL_HEAP_FREE or …REALLOC_FREE. Before the block is given
 * back block_freed() must have been called. */
void freed_slow(struct sl_lane_slot *s, enum sl_heap_call call, __s64 usable) HIDDEN;

/* To be called once, when the real functions are known: operator new and delete stay ours where they
 * are to be counted, and are taken out of our symbol table where not. */
void new_prepare(void) HIDDEN;

/* Notes the library that does not see us, if there is one: at the beginning of a lane. */
void load_cover(void) HIDDEN;

#endif
