/* SPDX-License-Identifier: MIT */
/* Escaping twice: bytes that are no UTF-8 before cJSON gets a text, because it would print them as
 * they are; characters that must not reach a terminal in what cJSON printed, where they can only
 * stand inside strings. */

#include "userspace/model/document/json_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/utf8.h"

#define MAX_TEXT ((size_t)1 << 30) /* one text, escaped; less than cJSON can print */
/* Stands before and after the number of rows that are not made yet. Only we can write it: in texts
 * cJSON escapes control characters. */
#define ROWS_MARK '\x1a'
#define MAX_WHOLE 9007199254740992.0 /* 2^53: up to here every whole double is exact */

/* One thread writes here: the locks of stdio are half of the time. */
#define put_bytes(s, n, f) (void)fwrite_unlocked(s, 1, n, f)

/* --- building ------------------------------------------------------------------------------- */

cJSON *json_init(struct json_tree *tree)
{
	*tree = (struct json_tree){ .root = cJSON_CreateObject() };
	tree->is_short = tree->root == NULL;
	return tree->root;
}

cJSON *json_add(struct json_tree *tree, cJSON *parent, const char *key, cJSON *item)
{
	const bool is_added = key == NULL ? cJSON_AddItemToArray(parent, item)
					  : cJSON_AddItemToObjectCS(parent, key, item);
	if (is_added)
		return item;
	cJSON_Delete(item);
	tree->is_short = true;
	return NULL;
}

void json_add_row(struct json_tree *tree, cJSON *array, cJSON *row)
{
	_cleanup_(buf_done) struct buf line;
	char *text = cJSON_PrintUnformatted(row);
	cJSON_Delete(row);
	/* cJSON puts all items of an array on one line. */
	buf_init(&line, MAX_TEXT);
	if (text != NULL && buf_addc(&line, '\n') == 0)
		(void)buf_adds(&line, text);
	cJSON_free(text);
	if (line.len <= 1)
		tree->is_short = true;
	else
		(void)json_add(tree, array, NULL, cJSON_CreateRaw(buf_str(&line)));
}

void json_add_rows(struct json_tree *tree, cJSON *array, struct json_rows rows)
{
	char mark[24];
	if (rows.n == 0)
		return;
	(void)snprintf(mark, sizeof(mark), "%c%zu%c", ROWS_MARK, tree->rows.n, ROWS_MARK);
	if (vec_push(&tree->rows, rows) < 0)
		tree->is_short = true;
	(void)json_add(tree, array, NULL, cJSON_CreateRaw(mark));
}

cJSON *json_int(int64_t value)
{
	char text[24];
	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	return cJSON_CreateRaw(text);
}

cJSON *json_double(double value)
{
	char text[32];
	if (!isfinite(value))
		return cJSON_CreateNull();
	if (value == trunc(value) && fabs(value) <= MAX_WHOLE)
		return json_int((int64_t)value);
	/* The fewest digits that give the same double again. */
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	return cJSON_CreateRaw(text);
}

/* --- text ----------------------------------------------------------------------------------- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that an escape at @s stands for: one that is not ASCII, or the backslash; -1: none. */
static int escaped_byte(const char *s)
{
	if (s[0] != '\\' || s[1] != 'x')
		return -1;
	const int high = hex_value(s[2]);
	const int low = high < 0 ? -1 : hex_value(s[3]); /* s[2] may be the end */
	const int byte = low < 0 ? -1 : high * 16 + low;
	return byte >= 0x80 || byte == '\\' ? byte : -1;
}

static void encode(struct buf *out, const char *s)
{
	const char *end = s + strlen(s);
	while (s < end) {
		uint32_t code_point = 0;
		const size_t n = utf8_next(s, (size_t)(end - s), &code_point);
		if (n == 0)
			(void)buf_addf(out, "\\x%02x", (unsigned int)(unsigned char)*s);
		else if (escaped_byte(s) >= 0)
			(void)buf_adds(out, "\\x5c");
		else
			(void)buf_add(out, s, n);
		s += n == 0 ? 1 : n;
	}
}

static bool needs_encoding(const char *s)
{
	while ((unsigned char)*s < 0x80 && *s != '\\' && *s != '\0')
		s++;
	return *s != '\0';
}

cJSON *json_text(const char *text)
{
	if (text == NULL)
		return cJSON_CreateNull();
	if (!needs_encoding(text))
		return cJSON_CreateStringReference(text);
	_cleanup_(buf_done) struct buf encoded;
	buf_init(&encoded, MAX_TEXT);
	encode(&encoded, text);
	return encoded.error < 0 ? NULL : cJSON_CreateString(buf_str(&encoded));
}

void json_text_decode(char *text)
{
	char *to = text;
	for (const char *from = text; *from != '\0'; to++) {
		const int byte = escaped_byte(from);
		if (byte >= 0)
			*to = (char)byte;
		else
			*to = *from;
		from += byte >= 0 ? 4 : 1;
	}
	*to = '\0';
}

/* --- writing -------------------------------------------------------------------------------- */

/* Bytes at s that need no second look: ASCII that can be printed, and cJSON's own blanks. */
static size_t plain_length(const char *s)
{
	size_t n = 0;
	while ((s[n] >= 0x20 && s[n] < 0x7f && s[n] != '#') || s[n] == '\n' || s[n] == '\t')
		n++;
	return n;
}

static void write_harmless(const char *begin, const char *end, FILE *f)
{
	const char *s = begin;
	for (;;) {
		const size_t n_plain = plain_length(s);
		put_bytes(s, n_plain, f);
		s += n_plain;
		if (s == end)
			break;
		uint32_t code_point = 0xfffd; /* not needed: all texts were encoded */
		const size_t n = utf8_next(s, (size_t)(end - s), &code_point);
		const bool is_second = *s == '#' && s > begin && s[-1] == '#';
		if (n == 0 || is_second || utf8_is_unsafe(code_point))
			(void)fprintf(f, "\\u%04x", (unsigned int)code_point); /* <= 0xffff */
		else
			put_bytes(s, n, f);
		s += n == 0 ? 1 : n;
	}
}

static int write_text(struct json_tree *tree, const char *text, FILE *f);

static int write_rows(struct json_tree *tree, size_t number, FILE *f)
{
	const struct json_rows rows = tree->rows.items[number];
	const size_t n_before = tree->rows.n;
	int rc = 0;
	for (size_t i = 0; i < rows.n && rc == 0; i++) {
		cJSON *row = rows.make(tree, &rows, i);
		char *text = tree->is_short ? NULL : cJSON_PrintUnformatted(row);
		cJSON_Delete(row);
		/* As cJSON prints the items of an array, had they been there. */
		if (i > 0)
			put_bytes(", ", 2, f);
		put_bytes("\n", 1, f);
		rc = text != NULL ? write_text(tree, text, f) : -ENOMEM;
		cJSON_free(text);
		tree->rows.n = n_before;
	}
	return rc;
}

static int write_text(struct json_tree *tree, const char *text, FILE *f)
{
	int rc = 0;
	for (;;) {
		const char *end = strchrnul(text, ROWS_MARK);
		write_harmless(text, end, f);
		if (*end == '\0' || rc < 0)
			return rc;
		char *after = NULL;
		const size_t number = strtoul(end + 1, &after, 10);
		if (*after != ROWS_MARK || number >= tree->rows.n)
			return -EINVAL;
		rc = write_rows(tree, number, f);
		text = after + 1;
	}
}

int json_write(struct json_tree *tree, FILE *f)
{
	char *text = tree->is_short ? NULL : cJSON_Print(tree->root);
	const int rc = text != NULL ? write_text(tree, text, f) : -ENOMEM;
	cJSON_free(text);
	cJSON_Delete(tree->root);
	tree->root = NULL;
	vec_done(&tree->rows);
	if (rc < 0)
		return rc;
	put_bytes("\n", 1, f);
	return fflush(f) != 0 || ferror(f) ? -EIO : 0;
}

/* --- reading -------------------------------------------------------------------------------- */

/* No fewer than there are: each value but the outermost one follows one of these. */
static size_t count_values(const char *text, size_t length)
{
	size_t n = 1;
	for (size_t i = 0; i < length; i++)
		n += text[i] == ',' || text[i] == '[' || text[i] == '{';
	return n;
}

static size_t line_of(const char *text, size_t at)
{
	size_t line = 1;
	for (size_t i = 0; i < at; i++)
		line += text[i] == '\n';
	return line;
}

cJSON *json_parse(const char *text, size_t length, struct json_error *ret_error)
{
	*ret_error = (struct json_error){ .line = 1 };
	if (length > JSON_MAX_LENGTH || count_values(text, length) > JSON_MAX_VALUES) {
		ret_error->what = "it is too large";
		return NULL;
	}
	/* A copy that ends with a NUL: before 1.7.18, cJSON read one byte too much of a text that
	 * ended after a comma (CVE-2023-53154). */
	_cleanup_free_ char *copy = malloc(length + 1);
	if (copy == NULL) {
		ret_error->what = "memory is short";
		return NULL;
	}
	memcpy(copy, text, length);
	copy[length] = '\0';
	const char *end = copy;
	cJSON *tree = cJSON_ParseWithLengthOpts(copy, length + 1, &end, true);
	if (tree == NULL) {
		const size_t at = (size_t)(end - copy);
		ret_error->what = at >= length ? "it ends in the middle" : "not JSON";
		ret_error->line = line_of(text, at < length ? at : length);
	}
	return tree;
}
