/* SPDX-License-Identifier: MIT */
/* Go's own table of functions (.gopclntab, Go 1.18 and later), which stripped programs have, too: their
 * names, and how far the stack grew where. Facts: src/runtime/symtab.go and runtime2.go of Go.
 *
 * Nothing of it is kept: a function is found by some twenty small reads. */
#ifndef USERSPACE_STACKS_GO_TABLE_H
#define USERSPACE_STACKS_GO_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module_file;
struct symbol_search;

struct go_table {
	uint64_t address; /* of the section, as symbols count */
	uint64_t size;
	uint64_t text; /* where functions count from */
	uint64_t n_functions;
	uint64_t names, growth, functions; /* parts of the section */
	bool has_start_line;		   /* Go 1.20: another member before the flags */
};

enum go_flag {
	GO_OUTERMOST = 0x1,  /* no frame outside it has a meaning */
	GO_SETS_STACK = 0x2, /* moves to another stack, or may */
	GO_ASSEMBLER = 0x4,
};

struct go_function {
	uint64_t start, end;
	uint32_t name, growth; /* in their parts */
	uint8_t flags;	       /* enum go_flag */
};

/* Looks for it in @f, whose .elf is open, and notes it in .go and .is_go; .go.n_functions 0: there is none, or
 * of a version that is not known. */
void go_table_open(struct module_file *f);

/* False: @address is in none of its functions. */
bool go_function_find(const struct module_file *f, uint64_t address, struct go_function *ret);

/* By how much the stack has grown at @address since @function was entered. -1: not told. */
int32_t go_function_growth(const struct module_file *f, const struct go_function *function,
			   uint64_t address);

enum { GO_NAME_MAX = 1024 };
/* "" where it cannot be read; cut when it is longer. */
void go_function_name(const struct module_file *f, const struct go_function *function,
		      char ret[static GO_NAME_MAX]);

/* Names places that have none yet. */
void go_names_find(const struct module_file *f, const struct symbol_search *search);

#endif
