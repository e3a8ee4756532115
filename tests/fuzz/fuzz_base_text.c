/* SPDX-License-Identifier: MIT */
/* Feeds arbitrary bytes to what reads and prints text from outside, and checks what must hold for
 * all of it. */

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "tests/fuzz/fuzzing.h"
#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/shellwords.h"
#include "userspace/base/units.h"
#include "userspace/base/utf8.h"

#define MAX_TEXT 4096

static void escape_everything(const char *s, size_t n)
{
	_cleanup_(buf_done) struct buf escaped;
	buf_init(&escaped, 4 * MAX_TEXT);
	assert(text_escape(&escaped, s, n) == 0);
	assert(text_escape_to(NULL, 0, s, n) == escaped.len);

	/* Nothing is left to escape, and the width is that of what will be printed. */
	assert(strlen(buf_str(&escaped)) == escaped.len);
	assert(text_escape_to(NULL, 0, buf_str(&escaped), escaped.len) == escaped.len);
	assert(text_width(buf_str(&escaped), escaped.len) == text_width(s, n));

	const size_t fit = text_fit(s, n, 20);
	assert(fit <= n && text_width(s, fit) <= 20);
}

static void parse_everything(const char *s)
{
	uint64_t u = 0;
	int64_t i = 0;
	double d = 0;
	(void)parse_u64(s, &u);
	(void)parse_i64(s, &i);
	(void)parse_double(s, &d);
	(void)parse_bytes(s, &u);
	if (parse_duration(s, &u) == 0) {
		char text[UNITS_BYTES];
		assert(strlen(format_ns(text, (double)u)) < UNITS_BYTES);
	}
}

static void split_everything(const char *s)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	char **words = NULL;
	const char *error = NULL;
	size_t n = 0, at = 0, bytes = 0;
	if (shellwords_split(arena, s, &words, &n, &error, &at) < 0) {
		assert(error != NULL && at <= strlen(s));
		return;
	}
	for (size_t i = 0; i < n; i++)
		bytes += strlen(words[i]);
	assert(n > 0 && words[n] == NULL && bytes <= strlen(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[MAX_TEXT + 1];
	const size_t n = size < MAX_TEXT ? size : MAX_TEXT;
	memcpy(text, data, n);
	text[n] = '\0';
	escape_everything(text, n);
	parse_everything(text);
	split_everything(text);
	return 0;
}
