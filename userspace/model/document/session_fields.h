/* SPDX-License-Identifier: MIT */
/* Which member of which struct is which key of the session document. The writer and the reader
 * both walk these tables, so that a key added here is written and read, in this order. */
#ifndef USERSPACE_MODEL_DOCUMENT_SESSION_FIELDS_H
#define USERSPACE_MODEL_DOCUMENT_SESSION_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

enum field_kind {
	FIELD_INT,	 /* int64_t; UNKNOWN is null */
	FIELD_PROCESS,	 /* int, id of a process; 0 is null */
	FIELD_PARENT,	 /* the same, but 0 is written: the command has no parent */
	FIELD_BOOL,	 /* bool */
	FIELD_TEXT,	 /* const char *, NULL is null */
	FIELD_DETAIL,	 /* const char *, never NULL */
	FIELD_TEXTS,	 /* struct text_list */
	FIELD_LINES,	 /* const char ** and its count */
	FIELD_INTS,	 /* int64_t * and its count */
	FIELD_PHASE,	 /* enum phase */
	FIELD_STATE,	 /* enum activity */
	FIELD_CAUSE,	 /* enum cause */
	FIELD_OBJECT,	 /* a struct within, or, with offset 0, members of the same struct */
	FIELD_ARRAY,	 /* pointer to structs and their count */
	FIELD_HISTOGRAM, /* int64_t[HEAP_BUCKETS], zeroes at the end left out */
	FIELD_NOTHING,	 /* null: a key for later */
	FIELD_METRICS,	 /* session->series */
};

struct record;

struct field {
	const char *key; /* NULL ends the table */
	enum field_kind kind;
	size_t offset;
	size_t count_offset; /* of a size_t */
	bool has_gate;
	size_t gate_offset;	     /* of a bool: false means the value is not known, null */
	const struct record *record; /* of FIELD_OBJECT and FIELD_ARRAY */
};

struct record {
	const char *name; /* for messages */
	size_t size;
	bool is_inline; /* written on one line */
	const struct field *fields;
};

extern const struct record session_record;
extern const struct record run_record;

#define SESSION_SCHEMA "startline.report/1"

#endif
