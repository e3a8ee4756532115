/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_BUF_H
#define STARTLINE_BASE_BUF_H
/*
 * A growing string (or byte) buffer with a limit.
 *
 *	_cleanup_(buf_done) struct buf text = { .limit = 64 * 1024 };
 *	(void)buf_addf(&text, "%s=%d\n", key, value);
 *	(void)buf_adds(&text, "end\n");
 *	if (text.error < 0)                           sticky: check once, at the end
 *		return text.error;
 *	puts(buf_str(&text));
 *
 * The limit is mandatory because what goes in often comes from outside. The first failure stays
 * in .error; from then on nothing is added. The content up to the failure stays readable.
 * data[len] is always NUL once anything was added; the content itself may contain NULs.
 */

#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *data;   /* NULL until something is added: use buf_str() */
	size_t len;   /* bytes of content, the final NUL not counted */
	size_t cap;   /* bytes allocated */
	size_t limit; /* most bytes of content */
	int error;    /* 0, -ENOMEM or -EFBIG (the limit) */
};

/* The same for storage that is there already. Cannot fail. */
void buf_init(struct buf *b, size_t limit);

/* Frees the content. The buffer may be used again after buf_init(). */
void buf_done(struct buf *b);

/* Empties the buffer and forgets its error; keeps the memory and the limit. */
void buf_clear(struct buf *b);

/* Append bytes, a string, one byte, @n times the byte @c, formatted text. All or nothing.
 * Return 0, or the sticky error: -EFBIG beyond the limit, -ENOMEM, -EINVAL for a bad format. */
int buf_add(struct buf *b, const void *data, size_t n);
int buf_adds(struct buf *b, const char *s);
int buf_addc(struct buf *b, char c);
int buf_pad(struct buf *b, char c, size_t n);
int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_addv(struct buf *b, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));

/* Makes room for @n more bytes, for writing directly at data + len; the writer then advances
 * .len itself and keeps data[len] NUL. Returns 0 or the sticky error. */
int buf_reserve(struct buf *b, size_t n);

/* Cuts the content to @len bytes; longer is a no-op. */
void buf_truncate(struct buf *b, size_t len);

/* The content as a string; "" when nothing was added. Valid until the next change. */
const char *buf_str(const struct buf *b);

/* Gives the content to the caller as a malloc'd string (free() it) and leaves the buffer empty.
 * NULL if the buffer failed or memory is short. */
char *buf_take(struct buf *b);

#endif
