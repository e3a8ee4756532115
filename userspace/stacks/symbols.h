/* SPDX-License-Identifier: MIT */
/* Names of code, and the lines it was made of.
 *
 * Looked up when all addresses are known: each symbol table is gone through once, in pieces, and what was
 * not asked for is not kept. So the size of a table costs time (which is bounded), and no memory.
 *
 * A name is given only if the symbol says that it covers the address (of size 0: up to the next one, in
 * its section): nothing is named after its neighbour. Where names come from: the file's .symtab or
 * .dynsym, .gnu_debugdata, a separate debug file by build-id or .gnu_debuglink; of code made at run time,
 * /tmp/perf-PID.map; of the kernel, /proc/kallsyms. Nothing is fetched from anywhere: see debuginfod.h. */
#ifndef USERSPACE_STACKS_SYMBOLS_H
#define USERSPACE_STACKS_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/stacks/modules.h"

/* A place in the code of one module. */
struct code_place {
	uint64_t offset; /* as in struct code_frame */
	uint32_t id;	 /* the caller's, to tell what is meant */
};

/* One function at that place. @depth 0: the one that has the code; then those that were inlined into it
 * there, from the outside in. @file: NULL: unknown; @line: of the source, 0: unknown: where this function
 * is, that is where the next one inside it is called. Names are demangled. */
struct code_function {
	uint32_t id;
	uint32_t depth;
	const char *name;
	const char *file;
	uint32_t line;
};
/* A negative errno ends the search with that. */
typedef int symbols_found(void *user, const struct code_function *function);

/* Whether @module is a file whose debug information is nowhere here, and which has a build-id to ask others
 * for it by. */
bool symbols_are_elsewhere(struct modules *modules, struct module *module);

/* Names @places, which are sorted by offset afterwards, all in @module. -ETIME: it would have taken longer
 * than @limit_ns to name them all; those that it could were. */
int symbols_find(struct modules *modules, struct module *module, struct code_place *places,
		 size_t n, uint64_t limit_ns, symbols_found *found, void *user);

#endif
