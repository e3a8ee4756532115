/* SPDX-License-Identifier: MIT */
/* Which rule (bpf/rows.h) holds at an address: the modules that were met so far, and the tables of rows that
 * the collector made of them. Nothing is locked or allocated; what is in the way of another thread goes
 * without an answer this time. */
#ifndef PRELOAD_CODE_H
#define PRELOAD_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/rows.h"

enum { CODE_MODULES = 256, CODE_DIRECTORY = 256 };

struct code_module {
	uintptr_t start, end;
	uintptr_t bias;		     /* address in memory - address as symbols count */
	const struct sl_rows *table; /* NULL: none so far */
	uint32_t n_asked;	     /* since it has none */
	uint32_t n_build_id;
	uint8_t build_id[SL_BUILD_ID_BYTES];
};

/* Starts as zeros but for the first two. */
struct code {
	const char *directory;	/* of the session */
	bool (*may_call)(void); /* asked before the first system call of a walk; NULL: allowed */
	struct code_module modules[CODE_MODULES];
	/* Its upper half is the epoch, which changes when what was found need not be true any more; the lower one
	 * how many modules are whole. One word, so that nothing of one epoch is added in the next. */
	uint64_t state;
	uint64_t writer; /* thread pointer of who adds a module or a table; 0: nobody does */
};

static inline uint32_t code_epoch(const struct code *code)
{
	/* Acquire: pairs with code_changed(); modules that are looked at later are of this epoch at least. */
	return (uint32_t)(__atomic_load_n(&code->state, __ATOMIC_ACQUIRE) >> 32);
}

/* @may_call: system calls are allowed. */
uint32_t code_rule(struct code *code, uintptr_t address, bool may_call);

/* A library goes, and another one may come to lie where it was. */
void code_changed(struct code *code);

#endif
