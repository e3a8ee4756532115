/* SPDX-License-Identifier: MIT */
/* How much of allocations is recorded: what --heap and `heap:` say. */
#ifndef USERSPACE_BASE_HEAP_MODE_H
#define USERSPACE_BASE_HEAP_MODE_H

#include <stdint.h>

#include "userspace/base/buf.h"

enum heap_kind {
	HEAP_OFF,
	HEAP_COUNT,
	HEAP_SAMPLE, /* … and the stacks of some allocations */
	HEAP_EXACT,  /* … of all until the program is ready, then of some */
};

/* Of bytes that are allocated, one in so many brings its block's stack along. */
#define HEAP_SAMPLE_BYTES     (512u << 10)
#define HEAP_SAMPLE_BYTES_MIN 64u
#define HEAP_SAMPLE_BYTES_MAX ((uint64_t)1 << 40)

struct heap_mode {
	enum heap_kind kind;
	uint64_t sample_bytes; /* on average; with SAMPLE and EXACT, else 0 */
};

/* What an option or a file may say, for messages. */
#define HEAP_MODE_WORDS "off, count, sample, sample=BYTES or exact"

/* -EINVAL: it is none of these. */
int parse_heap_mode(const char *text, struct heap_mode *ret);
/* As parse_heap_mode() reads it: "sample=524288". */
void heap_mode_text(struct heap_mode mode, struct buf *out);

#endif
