/* SPDX-License-Identifier: MIT */
/* Which member of which struct is which key of the session document. The writer and the reader
 * both walk these tables, so that a key added here is written and read, in this order. */
#ifndef USERSPACE_MODEL_DOCUMENT_SESSION_FIELDS_H
#define USERSPACE_MODEL_DOCUMENT_SESSION_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/model/metrics.h"

enum field_kind {
	FIELD_INT,	 /* int64_t; UNKNOWN is null */
	FIELD_DOUBLE,	 /* double; NAN is null */
	FIELD_SIZE,	 /* size_t */
	FIELD_PROCESS,	 /* int, id of a process; 0 is null */
	FIELD_PARENT,	 /* the same, but 0 is written: the command has no parent */
	FIELD_BOOL,	 /* bool */
	FIELD_TEXT,	 /* const char *, NULL is null */
	FIELD_DETAIL,	 /* const char *, never NULL */
	FIELD_NAME,	 /* an enumeration with names */
	FIELD_INTERVAL,	 /* two doubles; null where one of them is NAN */
	FIELD_TEXTS,	 /* const char ** and its count */
	FIELD_INTS,	 /* int64_t * and its count */
	FIELD_DOUBLES,	 /* double * and its count */
	FIELD_OBJECT,	 /* a struct within, or, with offset 0, members of the same struct */
	FIELD_ARRAY,	 /* pointer to structs and their count */
	FIELD_HISTOGRAM, /* int64_t[HEAP_BUCKETS], zeroes at the end left out */
	FIELD_METRICS,	 /* session->series */
};

struct record;

struct field {
	const char *key; /* NULL ends the table */
	enum field_kind kind;
	size_t offset;
	size_t count_offset; /* of a size_t */
	bool has_gate;
	size_t gate_offset;		/* of a bool: false means the value is not known, null */
	const struct record *record;	/* of FIELD_OBJECT and FIELD_ARRAY */
	const struct name_table *names; /* of FIELD_NAME */
	int fallback;			/* for names of a later version; -1: they are an error */
};

struct record {
	const char *name; /* for messages */
	size_t size;
	bool is_inline; /* written on one line */
	const struct field *fields;
};

extern const struct record session_record, run_record, process_record;

/* A series with what is known of its metric. */
struct series_row {
	struct series series;
	struct metric metric;
};
extern const struct record series_record;

/* What a struct holds where the document says nothing. */
void record_clear(const struct record *record, void *object);

#define SESSION_SCHEMA "startline.report/1"

#endif
