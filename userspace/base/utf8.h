/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_UTF8_H
#define STARTLINE_BASE_UTF8_H
/*
 * Text from outside, made fit for a terminal: paths, arguments and file contents are bytes that
 * somebody else chose.
 *
 * Escaped as \xNN, byte by byte: control bytes (newline, tab and ESC among them), DEL, the C1
 * controls U+0080..U+009F, characters that reorder or break lines (U+061C, U+200E, U+200F,
 * U+2028..U+202E, U+2066..U+2069, see Unicode UAX #9), U+FEFF, and every byte that is not part of
 * valid UTF-8 (overlong forms and surrogates are not valid, RFC 3629). All else is kept. A backslash is
 * kept too: the result is for reading, not for parsing back.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/buf.h"

/* Reads one character from s[0..n). Returns its length in bytes and stores its code point; 0 when
 * there is no valid character (n is 0, or the first byte is not the start of valid UTF-8). */
size_t utf8_next(const char *s, size_t n, uint32_t *ret_code_point);

/* Whether a valid character is one of those that are escaped, see above. */
bool utf8_is_unsafe(uint32_t code_point);

/* Appends the escaped form of s[0..n). Returns 0 or the buffer's error. */
int text_escape(struct buf *out, const char *s, size_t n);

/* The same into dst[0..size), always NUL-terminated when size > 0, cut between characters when it
 * does not fit. Returns the length of the full escaped form. */
size_t text_escape_to(char *dst, size_t size, const char *s, size_t n);

/* Terminal columns that the escaped form of s[0..n) takes: combining marks 0, East Asian wide
 * characters and emoji 2 (what the C library knows of them), an escaped byte 4, else 1. */
size_t text_width(const char *s, size_t n);

/* The longest prefix of s[0..n), in bytes, whose width is at most @max_columns. */
size_t text_fit(const char *s, size_t n, size_t max_columns);

/* Where the end of s[0..n) that takes at most @max_columns begins. */
size_t text_tail(const char *s, size_t n, size_t max_columns);
/* Of a text that is too wide: its two ends, which together take at most @max_columns. What tells names
 * from each other is seldom in their middle. */
void text_fit_ends(const char *s, size_t n, size_t max_columns, size_t *ret_head, size_t *ret_tail);

#endif
