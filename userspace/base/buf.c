/* SPDX-License-Identifier: MIT */
/* A growing buffer: doubles up to its limit, and remembers its first failure. */

#include "userspace/base/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

static int buf_fail(struct buf *b, int code)
{
	if (b->error == 0)
		b->error = code;
	return b->error;
}

void buf_init(struct buf *b, size_t limit)
{
	*b = (struct buf){ .limit = limit };
}

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .limit = b->limit };
}

void buf_clear(struct buf *b)
{
	b->error = 0;
	buf_truncate(b, 0);
}

int buf_reserve(struct buf *b, size_t n)
{
	if (b->error < 0)
		return b->error;
	if (n > b->limit || b->len > b->limit - n)
		return buf_fail(b, -EFBIG);
	if (b->limit == SIZE_MAX && n == SIZE_MAX - b->len)
		return buf_fail(b, -EFBIG); /* no room for the NUL */

	const size_t want = b->len + n + 1;
	if (want <= b->cap)
		return 0;
	size_t cap = b->cap > SIZE_MAX / 2 ? want : b->cap * 2;
	if (cap < want)
		cap = want;
	if (cap < FIRST_CAP)
		cap = FIRST_CAP;

	char *data = realloc(b->data, cap);
	if (data == NULL)
		return buf_fail(b, -ENOMEM);
	data[b->len] = '\0';
	b->data = data;
	b->cap = cap;
	return 0;
}

int buf_add(struct buf *b, const void *data, size_t n)
{
	const int rc = buf_reserve(b, n);
	if (rc < 0)
		return rc;
	if (n > 0)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int buf_adds(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int buf_addc(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int buf_pad(struct buf *b, char c, size_t n)
{
	const int rc = buf_reserve(b, n);
	if (rc < 0)
		return rc;
	memset(b->data + b->len, c, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int buf_addv(struct buf *b, const char *fmt, va_list args)
{
	va_list again;
	va_copy(again, args);
	const int n = vsnprintf(NULL, 0, fmt, args);
	int rc = n < 0 ? buf_fail(b, -EINVAL) : buf_reserve(b, (size_t)n);
	if (rc == 0) {
		(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
	return rc;
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	const int rc = buf_addv(b, fmt, args);
	va_end(args);
	return rc;
}

void buf_truncate(struct buf *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->data[len] = '\0';
}

const char *buf_str(const struct buf *b)
{
	return b->data == NULL ? "" : b->data;
}

char *buf_take(struct buf *b)
{
	if (b->error < 0 || buf_reserve(b, 0) < 0)
		return NULL;
	char *data = b->data;
	*b = (struct buf){ .limit = b->limit };
	return data;
}
