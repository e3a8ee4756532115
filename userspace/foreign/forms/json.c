/* SPDX-License-Identifier: MIT */
/* JSON as benchmark tools write it, and how to recognise it without parsing it. */

#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/foreign/foreign.h"
#include "userspace/foreign/internal.h"

/* --- parsing -------------------------------------------------------------------------------- */

static bool is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* One past the string that begins at text[i]. */
static size_t skip_string(const char *text, size_t length, size_t i)
{
	for (i++; i < length && text[i] != '"'; i++)
		i += text[i] == '\\';
	return i < length ? i + 1 : length;
}

/* How long the bare word at @text is, sign included, if it is a number that JSON does not have. */
static size_t not_a_json_number(const char *text, size_t length)
{
	static const char *const words[] = { "NaN", "Infinity", "inf" };
	const size_t sign = length > 0 && text[0] == '-';
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		const size_t n = sign + strlen(words[i]);
		if (n <= length && strncasecmp(text + sign, words[i], n - sign) == 0 &&
		    (n == length || !is_word_byte(text[n])))
			return n;
	}
	return 0;
}

/* The same document with null for every number that is none. */
static int replace_not_numbers(const char *text, size_t length, struct buf *out)
{
	size_t copied = 0;
	for (size_t i = 0; i < length;) {
		const bool may_begin = text[i] == '-' || is_word_byte(text[i]);
		const size_t n = may_begin ? not_a_json_number(text + i, length - i) : 0;
		if (n > 0) {
			(void)buf_add(out, text + copied, i - copied);
			(void)buf_adds(out, "null");
			i += n;
			copied = i;
		} else if (text[i] == '"') {
			i = skip_string(text, length, i);
		} else {
			i++;
			/* The rest of a word is not the beginning of another. */
			while (may_begin && i < length && is_word_byte(text[i]) &&
			       text[i - 1] != '-')
				i++;
		}
	}
	return buf_add(out, text + copied, length - copied);
}

static cJSON *parse(struct gathering *g, const char *path, const char *text, size_t length)
{
	_cleanup_(buf_done) struct buf clean;
	struct json_error error;
	/* "inf" becomes one byte longer. */
	buf_init(&clean, FOREIGN_MAX_LENGTH + FOREIGN_MAX_LENGTH / 3);
	if (replace_not_numbers(text, length, &clean) < 0) {
		gather_no_memory(g);
		return NULL;
	}
	cJSON *json = json_parse(buf_str(&clean), clean.len, &error);
	if (json == NULL && g->error == 0)
		g->error = fail(-EBADMSG, "'%s': line %zu: %s", path, error.line, error.what);
	return json;
}

cJSON *foreign_json_parse(struct gathering *g, const char *text, size_t length)
{
	return parse(g, g->path, text, length);
}

cJSON *foreign_json_load(struct gathering *g, const char *path)
{
	_cleanup_(buf_done) struct buf text = { .limit = FOREIGN_MAX_LENGTH };
	const int r = g->error == 0 ? fs_read_file(path, &text) : -ENOENT;
	if (r == 0)
		return parse(g, path, buf_str(&text), text.len);
	if (r != -ENOENT)
		g->error = fail(r, "cannot read '%s': %s", path, strerror(-r));
	return NULL;
}

const cJSON *foreign_json_get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

const cJSON *foreign_json_object(const cJSON *object, const char *key)
{
	const cJSON *member = foreign_json_get(object, key);
	return cJSON_IsObject(member) ? member : NULL;
}

double foreign_json_number(const cJSON *object, const char *key)
{
	const cJSON *item = foreign_json_get(object, key);
	return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

const char *foreign_json_text(const cJSON *object, const char *key)
{
	const cJSON *item = foreign_json_get(object, key);
	return cJSON_IsString(item) ? item->valuestring : NULL;
}

/* --- recognising ---------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t skip_blanks(const char *text, size_t length, size_t i)
{
	while (i < length && is_blank(text[i]))
		i++;
	return i;
}

char foreign_first_byte(const char *text, size_t length)
{
	const size_t i = skip_blanks(text, length, 0);
	if (i >= length)
		return '\0';
	return text[i];
}

/* The string from text[begin] to text[end] with its quotes, then a colon and the right value. */
static bool is_member(const char *text, size_t length, size_t begin, size_t end, const char *key,
		      char opening)
{
	const size_t n = strlen(key);
	if (end - begin != n + 2 || memcmp(text + begin + 1, key, n) != 0)
		return false;
	size_t i = skip_blanks(text, length, end);
	if (i >= length || text[i] != ':')
		return false;
	i = skip_blanks(text, length, i + 1);
	return opening == '\0' || (i < length && text[i] == opening);
}

bool foreign_json_begins(const char *text, size_t length, size_t depth, const char *key)
{
	size_t i = 0;
	for (size_t level = 1; level <= depth; level++) {
		i = skip_blanks(text, length, i);
		if (i >= length || text[i] != '{')
			return false;
		const size_t begin = skip_blanks(text, length, i + 1);
		if (begin >= length || text[begin] != '"')
			return false;
		const size_t end = skip_string(text, length, begin);
		if (level == depth)
			return is_member(text, length, begin, end, key, '\0');
		i = skip_blanks(text, length, end);
		if (i >= length || text[i] != ':')
			return false;
		i++;
	}
	return false;
}

bool foreign_json_sniff(const char *text, size_t length, const char *key, char opening)
{
	size_t depth = 0;
	if (foreign_first_byte(text, length) != '{')
		return false;
	for (size_t i = 0; i < length;) {
		if (text[i] == '"') {
			const size_t end = skip_string(text, length, i);
			if (depth == 1 && is_member(text, length, i, end, key, opening))
				return true;
			i = end;
			continue;
		}
		if (text[i] == '{' || text[i] == '[')
			depth++;
		else if ((text[i] == '}' || text[i] == ']') && --depth == 0)
			return false;
		i++;
	}
	return false;
}
