/* SPDX-License-Identifier: MIT */
/* Names of C++ and Rust functions as their authors wrote them. */
#ifndef USERSPACE_STACKS_DEMANGLE_H
#define USERSPACE_STACKS_DEMANGLE_H

#include "userspace/base/buf.h"

enum {
	MANGLED_MAX = 4096,
	DEMANGLED_MAX = 2048, /* templates of templates grow without end */
};

/* Appends the readable form of @name, or @name where it has none. Cut at DEMANGLED_MAX bytes, with "…".
 * 0 or the buffer's error. */
int demangle(const char *name, struct buf *ret);

#endif
