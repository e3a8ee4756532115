/* SPDX-License-Identifier: MIT */
/* A pull parser: it never recurses, keeps no tree and looks at each byte about once. */

#include "userspace/base/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NUMBER_LEN 64 /* longer than any number that something wrote on purpose */
#define REPLACEMENT    0xfffdu

void json_read(struct json_reader *r, const char *text, size_t length)
{
	*r = (struct json_reader){ .start = text, .at = text, .end = text + length };
}

void json_set_error(struct json_reader *r, const char *error)
{
	if (r->error == NULL)
		r->error = error;
}

size_t json_line(const struct json_reader *r)
{
	size_t line = 1;
	for (const char *p = r->start; p < r->at; p++)
		line += *p == '\n';
	return line;
}

static void skip_blanks(struct json_reader *r)
{
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
}

static bool take_char(struct json_reader *r, char c)
{
	skip_blanks(r);
	if (r->at >= r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

char json_peek(struct json_reader *r)
{
	if (r->error != NULL)
		return 0;
	skip_blanks(r);
	if (r->at >= r->end) {
		json_set_error(r, "it ends in the middle");
		return 0;
	}
	const char c = *r->at;
	if (c == '-' || (c >= '0' && c <= '9'))
		return '0';
	if (c != '\0' && strchr("{[\"tfn", c) != NULL)
		return c;
	json_set_error(r, "a value was expected");
	return 0;
}

void json_enter(struct json_reader *r, char bracket)
{
	const char c = json_peek(r);
	if (c == 0)
		return;
	if (c != bracket) {
		json_set_error(r,
			       bracket == '{' ? "an object was expected" : "an array was expected");
		return;
	}
	if (r->depth >= JSON_MAX_DEPTH) {
		json_set_error(r, "nested too deeply");
		return;
	}
	r->at++;
	r->is_first[r->depth++] = true;
}

/* Moves to the next element of the innermost object or array; false when @closing came. */
static bool next_element(struct json_reader *r, char closing)
{
	if (r->error != NULL || r->depth == 0)
		return false;
	bool *is_first = &r->is_first[r->depth - 1];
	if (take_char(r, closing)) {
		r->depth--;
		return false;
	}
	if (!*is_first && !take_char(r, ',')) {
		json_set_error(r, r->at >= r->end ? "it ends in the middle"
						  : "',' or a closing bracket was expected");
		return false;
	}
	*is_first = false;
	return true;
}

bool json_next_key(struct json_reader *r, struct buf *ret_key)
{
	if (!next_element(r, '}'))
		return false;
	json_take_text(r, ret_key);
	if (r->error == NULL && !take_char(r, ':'))
		json_set_error(r, "':' was expected");
	return r->error == NULL;
}

bool json_next_item(struct json_reader *r)
{
	return next_element(r, ']');
}

static bool take_word(struct json_reader *r, const char *word)
{
	const size_t n = strlen(word);
	if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0) {
		json_set_error(r, "a value was expected");
		return false;
	}
	r->at += n;
	return true;
}

bool json_take_null(struct json_reader *r)
{
	return json_peek(r) == 'n' && take_word(r, "null");
}

bool json_take_bool(struct json_reader *r)
{
	const char c = json_peek(r);
	if (c == 't')
		return take_word(r, "true");
	if (c == 'f')
		(void)take_word(r, "false");
	else
		json_set_error(r, "true or false was expected");
	return false;
}

static const char *skip_digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

/* The number token that starts at r->at, checked against RFC 8259 section 6; NULL if it is none. */
static const char *number_end(const struct json_reader *r, bool *ret_is_whole)
{
	const char *p = r->at;
	if (p < r->end && *p == '-')
		p++;
	const char *digits = p;
	p = skip_digits(p, r->end);
	if (p == digits || (*digits == '0' && p > digits + 1))
		return NULL;
	*ret_is_whole = true;
	if (p < r->end && *p == '.') {
		*ret_is_whole = false;
		digits = ++p;
		p = skip_digits(p, r->end);
		if (p == digits)
			return NULL;
	}
	if (p < r->end && (*p == 'e' || *p == 'E')) {
		*ret_is_whole = false;
		p++;
		if (p < r->end && (*p == '+' || *p == '-'))
			p++;
		digits = p;
		p = skip_digits(p, r->end);
		if (p == digits)
			return NULL;
	}
	return p;
}

/* Copies the next number to @text and moves past it. */
static bool take_number(struct json_reader *r, char text[static MAX_NUMBER_LEN], bool *ret_is_whole)
{
	if (json_peek(r) != '0') {
		json_set_error(r, "a number was expected");
		return false;
	}
	const char *end = number_end(r, ret_is_whole);
	if (end == NULL || (size_t)(end - r->at) >= MAX_NUMBER_LEN) {
		json_set_error(r, "not a number");
		return false;
	}
	memcpy(text, r->at, (size_t)(end - r->at));
	text[end - r->at] = '\0';
	r->at = end;
	return true;
}

int64_t json_take_int(struct json_reader *r)
{
	char text[MAX_NUMBER_LEN];
	bool is_whole = false;
	if (!take_number(r, text, &is_whole))
		return 0;
	if (is_whole) {
		errno = 0;
		const long long value = strtoll(text, NULL, 10);
		if (errno != 0)
			json_set_error(r, "the number is too large");
		return value;
	}
	const double value = strtod(text, NULL);
	if (!(fabs(value) < 0x1p63)) {
		json_set_error(r, "the number is too large");
		return 0;
	}
	return llround(value);
}

double json_take_double(struct json_reader *r)
{
	char text[MAX_NUMBER_LEN];
	bool is_whole = false;
	if (!take_number(r, text, &is_whole))
		return NAN;
	const double value = strtod(text, NULL);
	if (!isfinite(value)) {
		json_set_error(r, "the number is too large");
		return NAN;
	}
	return value;
}

static void add_code_point(struct buf *b, uint32_t c)
{
	if (c == 0 || (c >= 0xd800 && c <= 0xdfff))
		c = REPLACEMENT;
	if (c < 0x80) {
		(void)buf_addc(b, (char)c);
		return;
	}
	char bytes[4];
	size_t n = 0;
	if (c < 0x800) {
		bytes[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		bytes[n++] = (char)(0xe0 | c >> 12);
		bytes[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		bytes[n++] = (char)(0xf0 | c >> 18);
		bytes[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		bytes[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	bytes[n++] = (char)(0x80 | (c & 0x3f));
	(void)buf_add(b, bytes, n);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hexadecimal digits at r->at. */
static bool take_hex4(struct json_reader *r, uint32_t *ret)
{
	if (r->end - r->at < 4)
		return false;
	uint32_t value = 0;
	for (int i = 0; i < 4; i++) {
		const int digit = hex_value(r->at[i]);
		if (digit < 0)
			return false;
		value = value << 4 | (uint32_t)digit;
	}
	r->at += 4;
	*ret = value;
	return true;
}

static bool take_unicode(struct json_reader *r, struct buf *ret)
{
	uint32_t c = 0;
	if (!take_hex4(r, &c))
		return false;
	const bool is_high = c >= 0xd800 && c <= 0xdbff;
	if (is_high && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u') {
		const char *before = r->at;
		uint32_t low = 0;
		r->at += 2;
		if (!take_hex4(r, &low))
			return false;
		if (low >= 0xdc00 && low <= 0xdfff)
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		else
			r->at = before; /* two characters, the first of them lone */
	}
	add_code_point(ret, c);
	return true;
}

/* What follows a backslash. */
static bool take_escape(struct json_reader *r, struct buf *ret)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	if (r->at >= r->end)
		return false;
	const char c = *r->at++;
	if (c == 'u')
		return take_unicode(r, ret);
	const char *found = c == '\0' ? NULL : strchr(from, c);
	if (found == NULL)
		return false;
	(void)buf_addc(ret, to[found - from]);
	return true;
}

void json_take_text(struct json_reader *r, struct buf *ret)
{
	buf_clear(ret);
	if (json_peek(r) != '"') {
		json_set_error(r, "a string was expected");
		return;
	}
	r->at++;
	while (r->at < r->end && *r->at != '"') {
		const char *plain = r->at;
		while (r->at < r->end && *r->at != '"' && *r->at != '\\' &&
		       (unsigned char)*r->at >= 0x20)
			r->at++;
		(void)buf_add(ret, plain, (size_t)(r->at - plain));
		if (r->at >= r->end || *r->at == '"')
			break;
		if (*r->at++ != '\\') {
			json_set_error(r, "a control byte inside a string");
			return;
		}
		if (!take_escape(r, ret)) {
			json_set_error(r, "a bad escape inside a string");
			return;
		}
	}
	if (r->at >= r->end)
		json_set_error(r, "it ends in the middle");
	else
		r->at++;
	if (ret->error < 0)
		json_set_error(r, "a string is too long");
}

/* Moves past a string without keeping it. */
static void skip_text(struct json_reader *r)
{
	for (r->at++; r->at < r->end && *r->at != '"'; r->at++) {
		if (*r->at == '\\' && r->at + 1 < r->end)
			r->at++;
	}
	if (r->at >= r->end)
		json_set_error(r, "it ends in the middle");
	else
		r->at++;
}

static void skip_scalar(struct json_reader *r, char kind)
{
	char number[MAX_NUMBER_LEN];
	bool is_whole = false;
	if (kind == '"')
		skip_text(r);
	else if (kind == '0')
		(void)take_number(r, number, &is_whole);
	else if (kind == 'n')
		(void)json_take_null(r);
	else
		(void)json_take_bool(r);
}

/* The key of the next member of the innermost object, thrown away. */
static bool skip_key(struct json_reader *r)
{
	if (!next_element(r, '}'))
		return false;
	if (json_peek(r) != '"')
		json_set_error(r, "a string was expected");
	else
		skip_text(r);
	if (r->error == NULL && !take_char(r, ':'))
		json_set_error(r, "':' was expected");
	return r->error == NULL;
}

void json_skip(struct json_reader *r)
{
	bool is_array[JSON_MAX_DEPTH + 1] = { false };
	const int base = r->depth;
	do {
		if (r->depth > base && !(is_array[r->depth - 1] ? json_next_item(r) : skip_key(r)))
			continue;
		const char kind = json_peek(r);
		if (kind == '{' || kind == '[') {
			json_enter(r, kind);
			if (r->error == NULL)
				is_array[r->depth - 1] = kind == '[';
		} else if (kind != 0) {
			skip_scalar(r, kind);
		}
	} while (r->error == NULL && r->depth > base);
}

void json_expect_end(struct json_reader *r)
{
	if (r->error != NULL)
		return;
	skip_blanks(r);
	if (r->at < r->end)
		json_set_error(r, "more text after the end");
}

void json_text_decode(struct buf *text)
{
	if (text->data == NULL)
		return;
	size_t to = 0;
	for (size_t from = 0; from < text->len; to++) {
		const char *s = text->data + from;
		if (text->len - from >= 4 && s[0] == '\\' && s[1] == 'x' && hex_value(s[2]) >= 0 &&
		    hex_value(s[3]) >= 0) {
			const int byte = hex_value(s[2]) << 4 | hex_value(s[3]);
			const bool is_lower =
				(s[2] < 'A' || s[2] > 'F') && (s[3] < 'A' || s[3] > 'F');
			if (is_lower && (byte >= 0x80 || byte == '\\')) {
				text->data[to] = (char)byte;
				from += 4;
				continue;
			}
		}
		text->data[to] = *s;
		from++;
	}
	buf_truncate(text, to);
}
