/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_MEMORY_LIMIT_H
#define STARTLINE_BASE_MEMORY_LIMIT_H
/*
 * A limit for what a library takes: a few bytes of a hostile file can make one allocate gigabytes. While it
 * holds, malloc() of this process fails where the process would have more memory of its own.
 * For a single thread, and for short: all else that needs memory meets the limit, too.
 */

#include <stddef.h>
#include <sys/resource.h>

struct memory_limit {
	struct rlimit usual;
	struct rlimit low;
};

/* Of @more_bytes on top of what the process has now. Where that is not known, or under a sanitizer, which
 * cannot live with it, there is none. */
void memory_limit_init(struct memory_limit *l, size_t more_bytes);
/* It holds from the one to the other. Half a microsecond each. */
void memory_limit_begin(const struct memory_limit *l);
void memory_limit_end(const struct memory_limit *l);

#endif
