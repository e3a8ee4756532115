/* SPDX-License-Identifier: MIT */
/* Counting by hooks that have no fast path of their own. */
#ifndef PRELOAD_HOOKS_H
#define PRELOAD_HOOKS_H

#include <stddef.h>

#include "preload/counters.h"

/* What the allocator says of block @p, in bytes. */
__s64 usable_proven(void *p) HIDDEN;

/* @p is what a call for @n bytes returned, NULL: it failed. @s: of shim_slot(), not NULL. */
void allocated_slow(struct sl_lane_slot *s, enum sl_heap_call call, void *p, size_t n) HIDDEN;
/* A block of @usable bytes is freed; @call is SL_HEAP_FREE or …REALLOC_FREE. */
void freed_slow(struct sl_lane_slot *s, enum sl_heap_call call, __s64 usable) HIDDEN;

/* To be called once, when the real functions are known: operator new and delete stay ours where they
 * are to be counted, and are taken out of our symbol table where not. */
void new_prepare(void) HIDDEN;

/* Notes the library that does not see us, if there is one: at the beginning of a lane. */
void load_cover(void) HIDDEN;

#endif
