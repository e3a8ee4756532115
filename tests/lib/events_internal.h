/* SPDX-License-Identifier: MIT */
/* Only for tests/lib/events*.c: the grammar of the stories as tables. */
#ifndef TESTS_LIB_EVENTS_INTERNAL_H
#define TESTS_LIB_EVENTS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/schema.h"

struct name {
	const char *name; /* NULL ends a list */
	int64_t value;
};

enum field_type {
	FIELD_NUMBER, /* also a duration or a size with unit */
	FIELD_TIME,   /* EVENTS_BASE_NS is added */
	FIELD_NAME,   /* one of names */
	FIELD_NAME_OR_NUMBER,
	FIELD_FLAG,	   /* a bare word: sets bits */
	FIELD_TASK,	   /* PID[/TID] into two adjacent u32 */
	FIELD_STATUS_CODE, /* into a wait status */
	FIELD_COMM,
	FIELD_ADDRESS,
	FIELD_TEXT, /* behind the struct */
	FIELD_ARGV, /* ARGS events behind the EXEC */
};

struct field {
	const char *key; /* NULL ends a list */
	enum field_type type;
	size_t offset;
	size_t size; /* bytes of an integer */
	const struct name *names;
	uint32_t bits; /* FIELD_FLAG */
	bool is_positional;
};

struct grammar {
	unsigned int kind;
	unsigned int source;
	bool has_subject;
	const struct field *fields;
};

/* NULL when there is no such kind. */
const struct grammar *grammar_of(const char *token);
const struct field *common_fields(void);

/* "bpf", "shim", "collect". */
bool source_value(const char *name, int64_t *ret);
/* False: not in the list. */
bool name_value(const struct name *names, const char *name, int64_t *ret);
/* "127.0.0.1:80", "unix:/x"; false when it is none. */
bool address_parse(const char *text, struct sl_addr *ret);

#endif
