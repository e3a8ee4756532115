/* SPDX-License-Identifier: MIT */
/* JSON straight to a file, indented by two; objects that are one row of a table on one line. */

#include "userspace/base/json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/utf8.h"

/* One thread writes here: the locks of stdio are half of the time. */
#define put_char(c, f)	   (void)fputc_unlocked(c, f)
#define put_text(s, f)	   (void)fputs_unlocked(s, f)
#define put_bytes(s, n, f) (void)fwrite_unlocked(s, 1, n, f)

#define MAX_WHOLE 9007199254740992.0 /* 2^53: up to here every whole double is exact */

void json_start(struct json_writer *w, FILE *f)
{
	*w = (struct json_writer){ .f = f };
}

static bool is_inline(const struct json_writer *w)
{
	return w->inline_depth > 0 && w->depth >= w->inline_depth;
}

static void new_line(const struct json_writer *w)
{
	put_char('\n', w->f);
	for (int i = 0; i < w->depth; i++)
		put_text("  ", w->f);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Would json_text_decode() take s[0..n) for a byte? */
static bool is_byte_escape(const char *s, size_t n)
{
	if (n < 4 || s[0] != '\\' || s[1] != 'x')
		return false;
	if (s[2] == '5' && s[3] == 'c')
		return true;
	return is_hex(s[2]) && is_hex(s[3]) && s[2] >= '8';
}

static bool is_harmless(uint32_t code_point)
{
	return code_point >= 0x20 && !(code_point >= 0x7f && code_point <= 0x9f) &&
	       code_point != 0x200e && code_point != 0x200f &&
	       !(code_point >= 0x2028 && code_point <= 0x202e) &&
	       !(code_point >= 0x2066 && code_point <= 0x2069) && code_point != 0xfeff;
}

static void write_char(FILE *f, const char *s, size_t n, uint32_t code_point)
{
	if (code_point == '"' || code_point == '\\')
		(void)fprintf(f, "\\%c", (char)code_point);
	else if (code_point == '\n')
		put_text("\\n", f);
	else if (code_point == '\t')
		put_text("\\t", f);
	else if (!is_harmless(code_point))
		(void)fprintf(f, "\\u%04x", (unsigned int)code_point); /* all below U+10000 */
	else
		put_bytes(s, n, f);
}

/* Bytes at s that need no second look: no escape, no part of a longer character. */
static size_t plain_length(const char *s)
{
	size_t n = 0;
	while ((unsigned char)s[n] >= 0x20 && (unsigned char)s[n] < 0x7f && s[n] != '"' &&
	       s[n] != '\\' && s[n] != '#')
		n++;
	return n;
}

static void write_text(FILE *f, const char *s)
{
	const char *begin = s;
	const char *end = s + strlen(s);
	put_char('"', f);
	for (;;) {
		const size_t n_plain = plain_length(s);
		put_bytes(s, n_plain, f);
		s += n_plain;
		if (s == end)
			break;
		uint32_t code_point = 0;
		size_t n = utf8_next(s, (size_t)(end - s), &code_point);
		if (n == 0) {
			(void)fprintf(f, "\\\\x%02x", (unsigned int)(unsigned char)*s);
			n = 1;
		} else if (is_byte_escape(s, (size_t)(end - s))) {
			put_text("\\\\x5c", f);
		} else if (*s == '#' && s > begin && s[-1] == '#') {
			put_text("\\u0023", f);
		} else {
			write_char(f, s, n, code_point);
		}
		s += n;
	}
	put_char('"', f);
}

/* Comma, place and key of the next value. */
static void before_value(struct json_writer *w, const char *key)
{
	if (w->depth > 0) {
		bool *has_items = &w->has_items[w->depth - 1];
		if (*has_items)
			put_char(',', w->f);
		if (!is_inline(w))
			new_line(w);
		else if (*has_items || !w->is_array[w->depth - 1])
			put_char(' ', w->f);
		*has_items = true;
	}
	if (key != NULL) {
		write_text(w->f, key);
		put_text(": ", w->f);
	}
}

void json_open(struct json_writer *w, const char *key, char bracket)
{
	before_value(w, key);
	assert(w->depth < JSON_MAX_DEPTH);
	put_char(bracket, w->f);
	w->has_items[w->depth] = false;
	w->is_array[w->depth] = bracket == '[';
	w->depth++;
}

void json_open_inline(struct json_writer *w, const char *key, char bracket)
{
	json_open(w, key, bracket);
	if (w->inline_depth == 0)
		w->inline_depth = w->depth;
}

void json_close(struct json_writer *w)
{
	assert(w->depth > 0);
	const bool was_inline = is_inline(w);
	const bool is_array = w->is_array[w->depth - 1];
	const bool has_items = w->has_items[w->depth - 1];
	if (w->inline_depth == w->depth)
		w->inline_depth = 0;
	w->depth--;
	if (has_items && !was_inline)
		new_line(w);
	else if (has_items && !is_array)
		put_char(' ', w->f);
	put_char(is_array ? ']' : '}', w->f);
}

void json_int(struct json_writer *w, const char *key, int64_t value)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	before_value(w, key);
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		digits[--at] = '-';
	put_bytes(digits + at, sizeof(digits) - at, w->f);
}

void json_double(struct json_writer *w, const char *key, double value)
{
	before_value(w, key);
	if (!isfinite(value)) {
		put_text("null", w->f);
		return;
	}
	if (value == trunc(value) && fabs(value) <= MAX_WHOLE) {
		(void)fprintf(w->f, "%" PRId64, (int64_t)value);
		return;
	}
	char text[32];
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	put_text(text, w->f);
}

void json_bool(struct json_writer *w, const char *key, bool value)
{
	before_value(w, key);
	put_text(value ? "true" : "false", w->f);
}

void json_null(struct json_writer *w, const char *key)
{
	before_value(w, key);
	put_text("null", w->f);
}

void json_text(struct json_writer *w, const char *key, const char *text)
{
	if (text == NULL) {
		json_null(w, key);
		return;
	}
	before_value(w, key);
	write_text(w->f, text);
}

int json_finish(struct json_writer *w)
{
	assert(w->depth == 0);
	put_char('\n', w->f);
	return fflush(w->f) != 0 || ferror(w->f) ? -EIO : 0;
}
