/* SPDX-License-Identifier: MIT */
/* What an allocator says of itself where its calls do not come by: jemalloc, mimalloc or tcmalloc linked into
 * the program. Their documented functions that only read are called, at two moments: when main is about to
 * be entered, and at the end of a program that calls exit. Never in a signal handler, in a forked child, or
 * under a seccomp filter; nothing is set, replaced or reset. */
#ifndef PRELOAD_OWN_ALLOCATOR_H
#define PRELOAD_OWN_ALLOCATOR_H

#include <stdbool.h>

#include "preload/counters.h"

/* In the first thread, before main. @is_own: the program defines malloc. */
void own_allocator_begin(bool is_own) HIDDEN;
/* exit has come to the destructors. */
void own_allocator_end(void) HIDDEN;

#endif
