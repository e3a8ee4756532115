/* SPDX-License-Identifier: MIT */
/* JSON to a file and back, with text that is not text and numbers that are large. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/cleanup.h"
#include "userspace/model/document/json_tree.h"

/* --- writing ---------------------------------------------------------------------------------- */

/* The document; the caller frees it. */
static char *written(struct json_tree *tree)
{
	char *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);
	assert_non_null(f);
	assert_int_equal(json_write(tree, f), 0);
	(void)fclose(f);
	return out;
}

/* The document of an object whose only member "a" is @value. */
static char *written_value(cJSON *value)
{
	struct json_tree tree;
	cJSON *root = json_init(&tree);
	assert_ptr_equal(json_add(&tree, root, "a", value), value);
	return written(&tree);
}

static void check_value(cJSON *value, const char *expected)
{
	_cleanup_free_ char *out = written_value(value);
	char whole[200];
	(void)snprintf(whole, sizeof(whole), "{\n\t\"a\":\t%s\n}\n", expected);
	assert_string_equal(out, whole);
}

static void check_text(const char *text, const char *expected)
{
	check_value(json_text(text), expected);
}

static void text_is_written_without_control_bytes(void **state)
{
	(void)state;
	check_text("plain \"quoted\" \\ é", "\"plain \\\"quoted\\\" \\\\ é\"");
	check_text("\033[31m\n\t\x7f", "\"\\u001b[31m\\n\\t\\u007f\"");
	check_text("\xc2\x9b!", "\"\\u009b!\"");			    /* C1: CSI */
	check_text("\xe2\x80\xae\\\xe2\x80\xae", "\"\\u202e\\\\\\u202e\""); /* right to left */
	check_text("##[set-env] # ###", "\"#\\u0023[set-env] # #\\u0023\\u0023\""); /* some CI */
	check_text("a\xff\xc3(", "\"a\\\\xff\\\\xc3(\"");
	check_text("\\xff \\x5c \\x41", "\"\\\\x5cxff \\\\x5cx5c \\\\x41\"");
}

static void numbers_are_written_exactly(void **state)
{
	(void)state;
	check_value(json_int(0), "0");
	check_value(json_int(999999999999999), "999999999999999");
	check_value(json_int(1234567890123457), "1234567890123457");
	check_value(json_int(9007199254740993), "9007199254740993");
	check_value(json_int(INT64_MAX), "9223372036854775807");
	check_value(json_int(INT64_MIN), "-9223372036854775808");
	check_value(json_double(9007199254740991.0), "9007199254740991");
	check_value(json_double(-2.5), "-2.5");
	check_value(json_double(0.1), "0.1");
	check_value(json_double(1e300), "1e+300");
}

static void missing_values_are_null(void **state)
{
	(void)state;
	check_value(json_double(NAN), "null");
	check_value(json_double(INFINITY), "null");
	check_value(json_text(NULL), "null");
}

static void rows_are_lines(void **state)
{
	(void)state;
	struct json_tree tree;
	cJSON *root = json_init(&tree);
	cJSON *rows = json_add(&tree, root, "rows", cJSON_CreateArray());
	for (int i = 0; i < 2; i++) {
		cJSON *row = cJSON_CreateObject();
		(void)json_add(&tree, row, "n", json_int(i));
		(void)json_add(&tree, row, "s", json_text("\xff##"));
		json_add_row(&tree, rows, row);
	}
	_cleanup_free_ char *out = written(&tree);
	assert_string_equal(out, "{\n\t\"rows\":\t[\n{\"n\":0,\"s\":\"\\\\xff#\\u0023\"}, "
				 "\n{\"n\":1,\"s\":\"\\\\xff#\\u0023\"}]\n}\n");
}

static cJSON *make_number(struct json_tree *tree, const struct json_rows *rows, size_t index)
{
	(void)tree;
	return json_int(((const int *)rows->items)[index]);
}

static cJSON *make_object(struct json_tree *tree, const struct json_rows *rows, size_t index)
{
	static const int inner[] = { 23, 41 };
	cJSON *row = cJSON_CreateObject();
	(void)json_add(tree, row, "s", json_text(((const char *const *)rows->items)[index]));
	json_add_rows(tree, json_add(tree, row, "in", cJSON_CreateArray()),
		      (struct json_rows){ .make = make_number, .items = inner, .n = index });
	return row;
}

static void rows_made_while_writing_look_the_same(void **state)
{
	(void)state;
	static const char *const texts[] = { "\xff##", "\x1a\x30\x1a", "c" };
	struct json_tree tree;
	cJSON *root = json_init(&tree);
	cJSON *rows = json_add(&tree, root, "rows", cJSON_CreateArray());
	json_add_rows(&tree, rows,
		      (struct json_rows){ .make = make_object, .items = texts, .n = 3 });
	(void)json_add(&tree, root, "after", json_int(1));
	_cleanup_free_ char *out = written(&tree);
	assert_string_equal(out, "{\n\t\"rows\":\t[\n{\"s\":\"\\\\xff#\\u0023\",\"in\":[]}, "
				 "\n{\"s\":\"\\u001a0\\u001a\",\"in\":[\n23]}, "
				 "\n{\"s\":\"c\",\"in\":[\n23, \n41]}],\n\t\"after\":\t1\n}\n");
}

static cJSON *make_nothing(struct json_tree *tree, const struct json_rows *rows, size_t index)
{
	(void)tree;
	(void)rows;
	(void)index;
	return NULL; /* as when memory is short */
}

static void a_row_that_cannot_be_made_is_an_error(void **state)
{
	(void)state;
	struct json_tree tree;
	char *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);
	cJSON *rows = json_add(&tree, json_init(&tree), "rows", cJSON_CreateArray());
	json_add_rows(&tree, rows, (struct json_rows){ .make = make_nothing, .n = 1 });
	assert_int_equal(json_write(&tree, f), -ENOMEM);
	(void)fclose(f);
	free(out);
}

static void what_is_incomplete_is_not_written(void **state)
{
	(void)state;
	struct json_tree tree;
	char *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);
	cJSON *root = json_init(&tree);
	cJSON *list = json_add(&tree, root, "list", NULL); /* as when memory is short */
	assert_null(list);
	assert_null(json_add(&tree, list, NULL, json_int(1)));
	json_add_row(&tree, list, cJSON_CreateObject());
	assert_int_equal(json_write(&tree, f), -ENOMEM);
	(void)fclose(f);
	assert_string_equal(out, "");
	free(out);
}

/* --- and back --------------------------------------------------------------------------------- */

/* The tree of a document that was just written; the caller deletes it. */
static cJSON *parsed(const char *text)
{
	struct json_error error;
	cJSON *tree = json_parse(text, strlen(text), &error);
	assert_non_null(tree);
	return tree;
}

static void check_bytes_return(const char *bytes)
{
	_cleanup_free_ char *out = written_value(json_text(bytes));
	cJSON *tree = parsed(out);
	json_text_decode(tree->child->valuestring);
	assert_string_equal(tree->child->valuestring, bytes);
	cJSON_Delete(tree);
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
	check_bytes_return("日本 ## # \xf0\x9f\x98\x80");
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

static void doubles_come_back_exactly(void **state)
{
	(void)state;
	static const double values[] = {
		0, -1, 0.1, 1e300, 70710.678118654755, 9007199254740991.0, -2.5, 1e-9, 1.0 / 3
	};
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		_cleanup_free_ char *out = written_value(json_double(values[i]));
		cJSON *tree = parsed(out);
		assert_true(tree->child->valuedouble == values[i]);
		cJSON_Delete(tree);
	}
}

/* --- reading what anyone wrote ---------------------------------------------------------------- */

static const char *error_of(const char *text, size_t n)
{
	static char message[200];
	struct json_error error;
	cJSON *tree = json_parse(text, n, &error);
	cJSON_Delete(tree);
	if (tree != NULL)
		return NULL;
	(void)snprintf(message, sizeof(message), "%zu: %s", error.line, error.what);
	return message;
}

static void mistakes_are_named_with_their_line(void **state)
{
	(void)state;
	assert_null(error_of(" [1, 2.5, {}]\n", 14));
	assert_string_equal(error_of("", 0), "1: it ends in the middle");
	assert_string_equal(error_of("[\n\n1 2]", 7), "3: not JSON");
	assert_string_equal(error_of("{\n\"a\": x}", 9), "2: not JSON");
	assert_string_equal(error_of("{}\n}", 4), "2: not JSON");
	assert_string_equal(error_of("{}\0{}", 5), "1: not JSON");
	assert_string_equal(error_of("\n[1,", 4), "2: it ends in the middle");
}

static void depth_is_bounded(void **state)
{
	(void)state;
	enum { MANY = 100000 };
	char *text = malloc(MANY);
	memset(text, '[', MANY);
	assert_string_equal(error_of(text, MANY), "1: not JSON");
	free(text);
}

static void the_number_of_values_is_bounded(void **state)
{
	(void)state;
	const size_t n = JSON_MAX_VALUES + 2;
	char *text = malloc(n);
	memset(text, ',', n);
	text[0] = '[';
	assert_string_equal(error_of(text, n), "1: it is too large");
	free(text);
}

static void every_prefix_of_a_document_is_an_error(void **state)
{
	(void)state;
	static const char text[] =
		"{\"a\": [1, 2.5e3, {\"b\": null}], \"c\": \"\\u00e9x\", \"d\": true}";
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		/* A copy of just that size: sanitizers see a byte read too much. */
		char *exact = malloc(n > 0 ? n : 1);
		memcpy(exact, text, n);
		assert_non_null(error_of(exact, n));
		free(exact);
	}
	assert_null(error_of(text, sizeof(text) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_written_without_control_bytes),
		cmocka_unit_test(numbers_are_written_exactly),
		cmocka_unit_test(missing_values_are_null),
		cmocka_unit_test(rows_are_lines),
		cmocka_unit_test(rows_made_while_writing_look_the_same),
		cmocka_unit_test(a_row_that_cannot_be_made_is_an_error),
		cmocka_unit_test(what_is_incomplete_is_not_written),
		cmocka_unit_test(every_byte_comes_back),
		cmocka_unit_test(doubles_come_back_exactly),
		cmocka_unit_test(mistakes_are_named_with_their_line),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(the_number_of_values_is_bounded),
		cmocka_unit_test(every_prefix_of_a_document_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
