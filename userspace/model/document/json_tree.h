/* SPDX-License-Identifier: MIT */
/*
 * What cJSON leaves to its users, for the session document and for tables: exact numbers, text that
 * is not text, tables with many rows, and bounds for documents that come from anyone.
 *
 * Text from outside is bytes. What is not UTF-8 is written as the text \xNN (in the document:
 * "\\xff"), and json_text_decode() turns it into the byte again. So that this is reversible, a
 * backslash that already stands before what looks like such an escape is written as \x5c.
 * Control characters, C1 controls and characters that reorder lines are written as \uNNNN, and so
 * is the second of two '#', because some CI systems take "##[" anywhere in a log as a command.
 */
#ifndef USERSPACE_MODEL_DOCUMENT_JSON_TREE_H
#define USERSPACE_MODEL_DOCUMENT_JSON_TREE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "userspace/base/vec.h"

/* --- writing --------------------------------------------------------------------------------
 *
 *	struct json_tree tree;
 *	cJSON *root = json_init(&tree);
 *	json_add(&tree, root, "answer", json_int(42));
 *	return json_write(&tree, f);
 */

struct json_tree;

/* The rows of an array that are made one by one while the tree is written: @make returns that of
 * @items[@index], or NULL when memory is short. */
struct json_rows {
	cJSON *(*make)(struct json_tree *tree, const struct json_rows *rows, size_t index);
	const void *items, *context;
	size_t n;
};

struct json_tree {
	cJSON *root;
	bool is_short; /* of memory: something is missing, and nothing will be written */
	struct json_rows_list VEC(struct json_rows) rows;
};

/* Returns the root, an object; json_write() frees the tree. */
cJSON *json_init(struct json_tree *tree);

/* Adds @item to @parent, an object, or an array where @key is NULL, and returns it. Takes @item.
 * @key must outlive the tree. Either pointer is NULL where memory was short: so is the result. */
cJSON *json_add(struct json_tree *tree, cJSON *parent, const char *key, cJSON *item);

/* Adds @row to @array as one line of text, which takes a fraction of the memory. Takes @row. */
void json_add_row(struct json_tree *tree, cJSON *array, cJSON *row);

/* Adds all @rows to @array, which is empty, as lines of text: no memory at all. What they point to
 * must outlive the tree. */
void json_add_rows(struct json_tree *tree, cJSON *array, struct json_rows rows);

/* Values for json_add(), next to those of cJSON; NULL when memory is short. cJSON compares numbers
 * roughly when it prints them, so that whole ones beyond 10^15 would come out wrong: these are
 * exact. NAN and infinities are null, and so is a NULL text. @text must outlive the tree. */
cJSON *json_int(int64_t value);
cJSON *json_double(double value);
cJSON *json_text(const char *text);

/* Writes the tree, indented, with a newline at the end, and frees it. -ENOMEM, also when the text
 * without the rows is longer than the 2 GiB that cJSON can print; in the rows something may have
 * been written by then. -EIO when @f cannot be written. */
int json_write(struct json_tree *tree, FILE *f);

/* --- reading ------------------------------------------------------------------------------- */

/* What a document may hold: a value takes 64 bytes and its texts. Ten million values are the
 * session document of a startup with a million segments. */
#define JSON_MAX_LENGTH ((size_t)512 << 20)
#define JSON_MAX_VALUES ((size_t)16 << 20)

struct json_error {
	const char *what; /* what is wrong */
	size_t line;
};

/* Parses text[0..length), which need not end with a NUL; the caller owns the result. NULL when it
 * is not JSON, is larger than the limits or nested deeper than cJSON's (1000). cJSON overlooks
 * some mistakes, like numbers with zeroes in front; whole numbers are exact up to 2^53. */
cJSON *json_parse(const char *text, size_t length, struct json_error *ret_error);

/* Turns \xNN back into bytes, in place, as json_text() made them. */
void json_text_decode(char *text);

#endif
