/* SPDX-License-Identifier: MIT */
/* See readable.h. The question is a call that every kernel has, that no sensible filter forbids and
 * that changes nothing: a change of the signal mask of no known kind. The kernel reads the mask that
 * it is given before it looks at the kind, which it then finds invalid; any other answer proves nothing. */
#include "preload/readable.h"

#include "preload/sys.h"

enum { PAGE_BYTES = 4096, MASK_BYTES = 8, NO_SUCH_KIND = 41, INVALID = -22 /* EINVAL */ };

static bool page_is_readable(struct reader *r, uintptr_t page)
{
	for (uint32_t i = 0; i < READER_PAGES && i < r->n_asked; i++) {
		if (r->readable[i] == page)
			return true;
	}
	if (sys_call4(SYS_rt_sigprocmask, NO_SUCH_KIND, (long)page, 0, MASK_BYTES) != INVALID)
		return false;
	r->readable[r->n_asked++ % READER_PAGES] = page;
	return true;
}

bool reader_may_read(struct reader *r, const void *at, size_t n)
{
	const uintptr_t first = (uintptr_t)at & ~(uintptr_t)(PAGE_BYTES - 1);
	uintptr_t end = 0;

	/* A mask at the null pointer is none, and is not read. */
	if (first == 0 || __builtin_add_overflow((uintptr_t)at, n, &end))
		return n == 0;
	for (uintptr_t page = first; page < end; page += PAGE_BYTES) {
		if (!page_is_readable(r, page))
			return false;
	}
	return true;
}

const char *reader_after(struct reader *r, const char *s, const char *prefix, bool *ret_is_readable)
{
	for (bool is_known = false; *prefix != '\0'; s++, prefix++) {
		if ((!is_known || (uintptr_t)s % PAGE_BYTES == 0) && !reader_may_read(r, s, 1)) {
			*ret_is_readable = false;
			return NULL;
		}
		is_known = true;
		if (*s != *prefix)
			return NULL;
	}
	return s;
}

size_t reader_length(struct reader *r, const char *s, size_t limit)
{
	for (size_t n = 0; n < limit; n++) {
		if ((n == 0 || (uintptr_t)&s[n] % PAGE_BYTES == 0) && !reader_may_read(r, &s[n], 1))
			return SIZE_MAX;
		if (s[n] == '\0')
			return n;
	}
	return limit;
}
