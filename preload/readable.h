/* SPDX-License-Identifier: MIT */
/* Pointers that come from the program may point anywhere: where the kernel would answer EFAULT the
 * shim must not crash. So pages are asked for before they are read. */
#ifndef PRELOAD_READABLE_H
#define PRELOAD_READABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { READER_PAGES = 4 };

/* What is known of pages; starts with none asked for, lives on the stack and for one call only. */
struct reader {
	uintptr_t readable[READER_PAGES]; /* addresses of pages, the latest last asked for */
	uint32_t n_asked;		  /* so many of these mean anything */
};

/* Whether all of @at .. @at + @n can be read. */
bool reader_may_read(struct reader *r, const void *at, size_t n);

/* What follows @prefix in @s, all NULL that cannot be read. *ret_is_readable (unchanged if so) says
 * whether what had to be looked at could be. */
const char *reader_after(struct reader *r, const char *s, const char *prefix,
			 bool *ret_is_readable);

/* Length of @s, or @limit if it is longer; SIZE_MAX if it cannot be read so far. */
size_t reader_length(struct reader *r, const char *s, size_t limit);

#endif
