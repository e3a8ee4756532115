/* SPDX-License-Identifier: MIT */
/* Where in a program a stack is, in the frame that says most, and what code is called by people. */
#ifndef USERSPACE_MODEL_PLACE_H
#define USERSPACE_MODEL_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/buf.h"
#include "userspace/model/session.h"

/* The frame that says most of where a stack is: the innermost one outside of the kernel, of the C
 * library and of the loader; of an interpreter's stacks that of the program, where it is known; where there is none,
 * by which its runtime's own code was entered, or the innermost that has a name. NULL: no stack. */
const struct frame *stack_place(const struct session *s, int64_t place);
/* The same of a stack that allocated: nor is it one that only gives out memory for who called it, such as
 * malloc, operator new, strdup, or a container of C++. */
const struct frame *heap_place(const struct session *s, int64_t place);

/* Of the C library, the loader or the kernel, of nothing known, or only a jump to a library. */
bool is_common_code(const struct frame *f);
/* Of the library that startline preloads. */
bool is_startline_code(const struct frame *f);
/* Python's name for what it executes when it loads a module: the file says which. */
bool is_module_body(const char *function);
/* All of what runs in an interpreter is in one function of it: that says nothing. */
bool is_interpreter(const struct frame *f);
/* How much of a function's name is its own: not what a compiler appends to clones, "f.isra.0". */
size_t function_length(const char *name);

/* The last part of a module's path without the version of a library: the same in other builds of it.
 * "libfoo.so" of "/usr/lib/libfoo.so.1.2", "flask/__init__.py". Interned in @a; NULL: no memory. */
const char *module_label(struct arena *a, const char *module);
/* Appends a command line that is one text already, its words' absolute paths without their folders:
 * "redis-server redis.conf" of "/usr/bin/redis-server /etc/redis.conf". */
void program_label(const char *line, struct buf *out);

#endif
