/* SPDX-License-Identifier: MIT */
/* One walk over the text, character by character, serves escaping, width and fitting. */

#include "userspace/base/utf8.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>

#define ESCAPED_BYTE_LEN 4     /* \xNN */
#define FIRST_NOT_SINGLE 0x300 /* the first character that is not one column wide */

/* One piece of text: a character to keep, or a run of bytes to escape. */
struct piece {
	size_t n_bytes;
	size_t n_columns;
	bool is_escaped;
};

static size_t char_len(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 4;
	return 0;
}

size_t utf8_next(const char *s, size_t n, uint32_t *ret_code_point)
{
	static const unsigned char lead_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };

	if (n == 0)
		return 0;
	const unsigned char lead = (unsigned char)*s;
	const size_t len = char_len(lead);
	if (len == 0 || len > n)
		return 0;
	uint32_t code_point = lead & lead_mask[len];
	for (size_t i = 1; i < len; i++) {
		const unsigned char c = (unsigned char)s[i];
		if ((c & 0xc0) != 0x80)
			return 0;
		code_point = code_point << 6 | (c & 0x3f);
	}
	const bool is_surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
	if (code_point < smallest[len] || code_point > 0x10ffff || is_surrogate)
		return 0;
	*ret_code_point = code_point;
	return len;
}

bool utf8_is_unsafe(uint32_t c)
{
	const bool controls = c < 0x20 || (c >= 0x7f && c <= 0x9f);
	const bool reorders = c == 0x061c || (c >= 0x200e && c <= 0x200f) ||
			      (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
	const bool breaks_line = c == 0x2028 || c == 0x2029;
	return controls || reorders || breaks_line || c == 0xfeff;
}

/* What the C library knows of Unicode, whatever locale the environment names; NULL where there is no
 * C.UTF-8, and every character then counts as one column. */
static locale_t unicode(void)
{
	static locale_t locale;
	static bool is_known;
	if (!is_known) {
		locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
		is_known = true;
	}
	return locale;
}

static size_t char_width(uint32_t code_point)
{
	if (code_point < FIRST_NOT_SINGLE || !unicode())
		return 1;
	const locale_t before = uselocale(unicode());
	const int width = wcwidth((wchar_t)code_point);
	uselocale(before);
	return width < 0 ? 1 : (size_t)width; /* -1: not assigned when the library was made */
}

/* n must not be 0. */
static struct piece next_piece(const char *s, size_t n)
{
	uint32_t code_point = 0;
	const size_t len = utf8_next(s, n, &code_point);
	if (len == 0)
		return (struct piece){ .n_bytes = 1,
				       .n_columns = ESCAPED_BYTE_LEN,
				       .is_escaped = true };
	if (utf8_is_unsafe(code_point))
		return (struct piece){ .n_bytes = len,
				       .n_columns = len * ESCAPED_BYTE_LEN,
				       .is_escaped = true };
	return (struct piece){ .n_bytes = len, .n_columns = char_width(code_point) };
}

/* Writes the escaped form of n_bytes bytes; dst has room for ESCAPED_BYTE_LEN each. */
static void write_escaped(char *dst, const char *s, size_t n_bytes)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n_bytes; i++) {
		const unsigned char byte = (unsigned char)s[i];
		*dst++ = '\\';
		*dst++ = 'x';
		*dst++ = digits[byte >> 4];
		*dst++ = digits[byte & 15];
	}
}

static size_t piece_len(struct piece piece)
{
	return piece.is_escaped ? piece.n_bytes * ESCAPED_BYTE_LEN : piece.n_bytes;
}

/* How many bytes from the beginning are printable ASCII: most texts are nothing else. */
static size_t plain_len(const char *s, size_t n)
{
	size_t i = 0;
	while (i < n && s[i] >= ' ' && s[i] <= '~')
		i++;
	return i;
}

int text_escape(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		const size_t plain = plain_len(s + i, n - i);
		if (plain > 0) {
			const int r = buf_add(out, s + i, plain);
			if (r < 0)
				return r;
			i += plain;
			continue;
		}
		const struct piece piece = next_piece(s + i, n - i);
		const size_t len = piece_len(piece);
		const int rc = buf_reserve(out, len);
		if (rc < 0)
			return rc;
		if (piece.is_escaped)
			write_escaped(out->data + out->len, s + i, piece.n_bytes);
		else
			memcpy(out->data + out->len, s + i, len);
		out->len += len;
		out->data[out->len] = '\0';
		i += piece.n_bytes;
	}
	return out->error;
}

size_t text_escape_to(char *dst, size_t size, const char *s, size_t n)
{
	size_t full_len = 0;
	size_t written = 0;
	for (size_t i = 0; i < n;) {
		const struct piece piece = next_piece(s + i, n - i);
		const size_t len = piece_len(piece);
		/* After the first piece that did not fit nothing more is written. */
		if (written == full_len && size > 0 && len < size - written) {
			if (piece.is_escaped)
				write_escaped(dst + written, s + i, piece.n_bytes);
			else
				memcpy(dst + written, s + i, len);
			written += len;
		}
		full_len += len;
		i += piece.n_bytes;
	}
	if (size > 0)
		dst[written] = '\0';
	return full_len;
}

size_t text_width(const char *s, size_t n)
{
	size_t width = 0;
	for (size_t i = 0; i < n;) {
		const struct piece piece = next_piece(s + i, n - i);
		width += piece.n_columns;
		i += piece.n_bytes;
	}
	return width;
}

size_t text_fit(const char *s, size_t n, size_t max_columns)
{
	size_t width = 0;
	size_t fit = 0;
	while (fit < n) {
		const struct piece piece = next_piece(s + fit, n - fit);
		if (piece.n_columns > max_columns - width)
			break;
		width += piece.n_columns;
		fit += piece.n_bytes;
	}
	return fit;
}

size_t text_tail(const char *s, size_t n, size_t max_columns)
{
	const size_t width = text_width(s, n);
	size_t at = width > max_columns ? text_fit(s, n, width - max_columns) : 0;
	/* One that takes several columns may lie across. */
	while (at < n && text_width(s + at, n - at) > max_columns)
		at += next_piece(s + at, n - at).n_bytes;
	return at;
}

void text_fit_ends(const char *s, size_t n, size_t max_columns, size_t *ret_head, size_t *ret_tail)
{
	*ret_head = text_fit(s, n, max_columns / 2);
	*ret_tail = text_tail(s, n, max_columns - text_width(s, *ret_head));
}
