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

/* Starts as zeros but for the directory. */
struct code {
	const char *directory; /* of the session */
	struct code_module modules[CODE_MODULES];
	uint32_t n_modules; /* those below are whole */
	uint32_t is_adding; /* one thread is */
	uint32_t epoch;	    /* changes when what was found need not be true any more */
};

/* @may_call: system calls are allowed. */
uint32_t code_rule(struct code *code, uintptr_t address, bool may_call);

/* A library goes, and another one may come to lie where it was. */
void code_changed(struct code *code);

#endif
