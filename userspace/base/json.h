/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_JSON_H
#define STARTLINE_BASE_JSON_H
/*
 * JSON (RFC 8259), written to a file and read from memory, without a tree in between: documents
 * with a million rows cost no memory, and 64-bit integers stay exact.
 *
 * Text from outside is bytes. What is not UTF-8 is written as the text \xNN (in the document:
 * "\\xff"), and json_text_decode() turns it into the byte again. So that this is reversible, a
 * backslash that already stands before what looks like such an escape is written as \x5c.
 * Control characters, C1 controls and characters that reorder lines are written as \uNNNN, and so
 * is the second of two '#', because some CI systems take "##[" anywhere in a log as a command.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "userspace/base/buf.h"

#define JSON_MAX_DEPTH 32

/* --- writing --------------------------------------------------------------------------------
 *
 *	struct json_writer w;
 *	json_start(&w, f);
 *	json_open(&w, NULL, '{');
 *	json_int(&w, "answer", 42);
 *	json_close(&w);
 *	return json_finish(&w);
 *
 * @key is NULL inside arrays and for the outermost value. */

struct json_writer {
	FILE *f;
	int depth;
	bool has_items[JSON_MAX_DEPTH];
	bool is_array[JSON_MAX_DEPTH];
	int inline_depth; /* from this depth on everything stays on one line; 0: nothing */
};

void json_start(struct json_writer *w, FILE *f);

/* @bracket is '{' or '['. The inline form writes it and all within on one line. */
void json_open(struct json_writer *w, const char *key, char bracket);
void json_open_inline(struct json_writer *w, const char *key, char bracket);
void json_close(struct json_writer *w);

void json_int(struct json_writer *w, const char *key, int64_t value);
/* NAN and infinities: null. Whole numbers without a fraction, others with as many digits as give
 * the same double again. */
void json_double(struct json_writer *w, const char *key, double value);
void json_bool(struct json_writer *w, const char *key, bool value);
void json_null(struct json_writer *w, const char *key);
void json_text(struct json_writer *w, const char *key, const char *text); /* NULL: null */

/* Ends the document with a newline. -EIO when anything could not be written. */
int json_finish(struct json_writer *w);

/* --- reading --------------------------------------------------------------------------------
 *
 * A cursor over text: ask what comes, then take it.
 *
 *	json_enter(&r, '{');
 *	while (json_next_key(&r, &key)) {
 *		if (strcmp(buf_str(&key), "answer") == 0)
 *			answer = json_take_int(&r);
 *		else
 *			json_skip(&r);
 *	}
 *	if (r.error != NULL)
 *		fail(-EBADMSG, "line %zu: %s", json_line(&r), r.error);
 *
 * The first error sticks: every later call returns at once with nothing, so loops end. The text
 * need not be NUL-terminated. */

struct json_reader {
	const char *start, *at, *end;
	const char *error; /* what is wrong, or NULL */
	int depth;
	bool is_first[JSON_MAX_DEPTH + 1];
};

void json_read(struct json_reader *r, const char *text, size_t length);

/* First character of the next value: '{' '[' '"' 't' 'f' 'n', '0' for any number; 0 on error. */
char json_peek(struct json_reader *r);

void json_enter(struct json_reader *r, char bracket);
/* True: a member or an item follows and must be taken. False: the object or array has ended. */
bool json_next_key(struct json_reader *r, struct buf *ret_key);
bool json_next_item(struct json_reader *r);

/* A fraction is rounded. Beyond 64 bits is an error. */
int64_t json_take_int(struct json_reader *r);
double json_take_double(struct json_reader *r);
bool json_take_bool(struct json_reader *r);
/* Replaces the content of @ret; its limit is the limit of the text. Lone surrogates and NUL
 * become U+FFFD. */
void json_take_text(struct json_reader *r, struct buf *ret);
/* Takes a null if one comes. */
bool json_take_null(struct json_reader *r);
void json_skip(struct json_reader *r);

/* Nothing but blanks may follow. */
void json_expect_end(struct json_reader *r);

void json_set_error(struct json_reader *r, const char *error); /* a string that lives on */
size_t json_line(const struct json_reader *r);

/* Turns \xNN back into bytes, in place, as json_text() made them. */
void json_text_decode(struct buf *text);

#endif
