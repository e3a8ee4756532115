/* SPDX-License-Identifier: MIT */
/* What DWARF tells of places in code: which functions were inlined there, and lines of the source. */
#ifndef USERSPACE_STACKS_DEBUG_INFO_H
#define USERSPACE_STACKS_DEBUG_INFO_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/stacks/elf_symbols.h"

enum { INLINED_MAX = 32 };

/* A function at a place. The line is where it is there: in the innermost function that of the code, in
 * all others that of the call of the next. */
struct debug_function {
	const char *name; /* as the compiler mangled it; NULL: unknown */
	const char *file; /* NULL: unknown */
	uint32_t line;	  /* 0: unknown */
};

/* Of one place: outermost first, as many as @n; 0: nothing is told of it. */
struct debug_place {
	struct debug_function *functions;
	size_t n;
};

/* Fills ret[0..search->n), zeroed by the caller, from the debug information in @image, for as long as
 * @limit_ns allows. Strings and functions are in the search's arena. */
void debug_info_find(const struct elf_image *image, const struct symbol_search *search,
		     uint64_t limit_ns, struct debug_place *ret);

#endif
