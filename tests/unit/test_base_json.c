/* SPDX-License-Identifier: MIT */
/* JSON to a file and back, with text that is not text. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/json.h"

/* The document that json_text() makes of one string; the caller frees it. */
static char *written(const char *text)
{
	char *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);
	struct json_writer w;
	json_start(&w, f);
	json_text(&w, NULL, text);
	assert_int_equal(json_finish(&w), 0);
	(void)fclose(f);
	return out;
}

static void check_written(const char *text, const char *expected)
{
	_cleanup_free_ char *out = written(text);
	assert_string_equal(out, expected);
}

static void text_is_written_without_control_bytes(void **state)
{
	(void)state;
	check_written("plain \"quoted\" \\ é", "\"plain \\\"quoted\\\" \\\\ é\"\n");
	check_written("\033[31m\n\t\x7f", "\"\\u001b[31m\\n\\t\\u007f\"\n");
	check_written("\xc2\x9b!", "\"\\u009b!\"\n");		 /* C1: CSI */
	check_written("\xe2\x80\xae!", "\"\\u202e!\"\n");	 /* right-to-left override */
	check_written("##[set-env]", "\"#\\u0023[set-env]\"\n"); /* a command to some CI runners */
	check_written("a\xff\xc3(", "\"a\\\\xff\\\\xc3(\"\n");
	check_written("\\xff \\x5c \\x41", "\"\\\\x5cxff \\\\x5cx5c \\\\x41\"\n");
}

static void check_bytes_return(const char *bytes)
{
	_cleanup_free_ char *out = written(bytes);
	_cleanup_(buf_done) struct buf text;
	struct json_reader r;
	buf_init(&text, 1000);
	json_read(&r, out, strlen(out));
	json_take_text(&r, &text);
	json_expect_end(&r);
	assert_null(r.error);
	json_text_decode(&text);
	assert_string_equal(buf_str(&text), bytes);
}

static void every_byte_comes_back(void **state)
{
	(void)state;
	char all[256];
	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	check_bytes_return(all);
	check_bytes_return("\\xff\xff\\x5c\\\\x5c\\");
	check_bytes_return("\\x\xff\\x8\x80");
	check_bytes_return("日本 ## #");
	srand(7);
	for (int round = 0; round < 2000; round++) {
		/* Few kinds of bytes, so that escapes meet each other. */
		static const char alphabet[] = "\\x5cf8#\xff\x80\xc3\xa9";
		char text[24] = "";
		for (size_t i = 0; i + 1 < sizeof(text); i++)
			text[i] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
		check_bytes_return(text);
	}
}

static void numbers_come_back_exactly(void **state)
{
	(void)state;
	static const double values[] = {
		0, -1, 0.1, 1e300, 70710.678118654755, 9007199254740993.0, -2.5, 1e-9
	};
	static const int64_t whole[] = { 0, -1, INT64_MAX, INT64_MIN, 9007199254740993 };
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]) + 5; i++) {
		char *out = NULL;
		size_t n = 0;
		FILE *f = open_memstream(&out, &n);
		struct json_writer w;
		struct json_reader r;
		json_start(&w, f);
		if (i < 5)
			json_int(&w, NULL, whole[i]);
		else
			json_double(&w, NULL, values[i - 5]);
		assert_int_equal(json_finish(&w), 0);
		(void)fclose(f);
		json_read(&r, out, n);
		if (i < 5)
			assert_true(json_take_int(&r) == whole[i]);
		else
			assert_true(json_take_double(&r) == values[i - 5]);
		json_expect_end(&r);
		assert_null(r.error);
		free(out);
	}
}

static void missing_numbers_are_null(void **state)
{
	(void)state;
	char *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);
	struct json_writer w;
	json_start(&w, f);
	json_open_inline(&w, NULL, '[');
	json_double(&w, NULL, NAN);
	json_double(&w, NULL, INFINITY);
	json_text(&w, NULL, NULL);
	json_close(&w);
	assert_int_equal(json_finish(&w), 0);
	(void)fclose(f);
	assert_string_equal(out, "[null, null, null]\n");
	free(out);
}

/* Walks the document as a reader of anything would. */
static const char *error_of(const char *text, size_t n)
{
	static char message[200];
	struct json_reader r;
	json_read(&r, text, n);
	json_skip(&r);
	json_expect_end(&r);
	if (r.error == NULL)
		return NULL;
	(void)snprintf(message, sizeof(message), "%zu: %s", json_line(&r), r.error);
	return message;
}

static void good_documents_are_walked(void **state)
{
	(void)state;
	static const char *const good[] = { "{}",
					    "[]",
					    " [1, 2.5, -3e4, null, true, false] ",
					    "{\"a\": {\"b\": [{}, []]}, \"c\": \"\\u00e9\\n\"}",
					    "\"\"",
					    "0" };
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(error_of(good[i], strlen(good[i])));
}

static void bad_documents_are_errors(void **state)
{
	(void)state;
	static const char *const bad[] = { "",	    "{",       "[1",	"[1,]",	      "{\"a\"}",
					   "{a:1}", "[01]",    "[1.]",	"[-]",	      "[1e]",
					   "nul",   "\"\n\"",  "[1] 2", "{\"a\":1,}", "[1 2]",
					   "\"a",   "{\"a\":", "{,}",	"[+1]",	      "[NaN]" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		/* Strings are only looked at when they are taken. */
		if (strcmp(bad[i], "\"\n\"") != 0)
			assert_non_null(error_of(bad[i], strlen(bad[i])));
	}
	assert_string_equal(error_of("[\n\n1 2]", 7), "3: ',' or a closing bracket was expected");
}

static void depth_is_bounded(void **state)
{
	(void)state;
	enum { MANY = 100000 };
	char *text = malloc(MANY);
	memset(text, '[', MANY);
	assert_string_equal(error_of(text, MANY), "1: nested too deeply");
	free(text);
}

static void text_with_bad_escapes_is_an_error(void **state)
{
	(void)state;
	static const char *const bad[] = { "\"\\q\"", "\"\\u12\"", "\"\\u12g4\"",     "\"\x01\"",
					   "\"\\",    "\"abc",	   "\"\\ud800\\u12\"" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_cleanup_(buf_done) struct buf text;
		struct json_reader r;
		buf_init(&text, 100);
		json_read(&r, bad[i], strlen(bad[i]));
		json_take_text(&r, &text);
		assert_non_null(r.error);
	}
}

static void surrogates_become_characters(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf text;
	struct json_reader r;
	static const char document[] = "\"\\ud83d\\ude00 \\ud83d \\u0000\"";
	buf_init(&text, 100);
	json_read(&r, document, sizeof(document) - 1);
	json_take_text(&r, &text);
	assert_null(r.error);
	assert_string_equal(buf_str(&text), "\xf0\x9f\x98\x80 \xef\xbf\xbd \xef\xbf\xbd");
}

static void every_prefix_of_a_document_is_an_error(void **state)
{
	(void)state;
	static const char text[] =
		"{\"a\": [1, 2.5e3, {\"b\": null}], \"c\": \"\\u00e9x\", \"d\": true}";
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		/* A copy of just that size: sanitizers see a byte read too much. */
		char *copy = malloc(n + 1);
		memcpy(copy, text, n);
		char *exact = realloc(copy, n > 0 ? n : 1);
		assert_non_null(error_of(exact, n));
		free(exact);
	}
	assert_null(error_of(text, sizeof(text) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_written_without_control_bytes),
		cmocka_unit_test(every_byte_comes_back),
		cmocka_unit_test(numbers_come_back_exactly),
		cmocka_unit_test(missing_numbers_are_null),
		cmocka_unit_test(good_documents_are_walked),
		cmocka_unit_test(bad_documents_are_errors),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(text_with_bad_escapes_is_an_error),
		cmocka_unit_test(surrogates_become_characters),
		cmocka_unit_test(every_prefix_of_a_document_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
