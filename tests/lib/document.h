/* SPDX-License-Identifier: MIT */
/* A session as its document. */
#ifndef TESTS_LIB_DOCUMENT_H
#define TESTS_LIB_DOCUMENT_H

#include <stdio.h>
#include <stdlib.h>

#include "userspace/model/document/session_json.h"

/* The caller frees it. @ret_n may be NULL. Inlined, gcc 12 takes the result for the address of `text`. */
__attribute__((noinline, unused)) static char *document_of(const struct session *s, size_t *ret_n)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	if (f == NULL || session_write_json(s, f) < 0)
		abort();
	(void)fclose(f);
	if (ret_n != NULL)
		*ret_n = n;
	return text;
}

#endif
