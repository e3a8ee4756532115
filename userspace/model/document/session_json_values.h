/* SPDX-License-Identifier: MIT */
/* For session_json_read.c: single values of a document, what they may cost, and where an error is. */
#ifndef USERSPACE_MODEL_DOCUMENT_SESSION_JSON_VALUES_H
#define USERSPACE_MODEL_DOCUMENT_SESSION_JSON_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/model/document/json_tree.h"
#include "userspace/model/session.h"

#define MAX_STEPS 16 /* more than the tables of session_fields.c are nested */

/* One step on the way from the document to a value in it. */
struct step {
	const char *key; /* NULL: an item of an array */
	size_t index;
};

/* The first error sticks, and the steps stay where it happened. */
struct reading {
	struct session *session;
	size_t n_bytes; /* allocated so far */
	const char *error;
	struct step steps[MAX_STEPS];
	size_t n_steps;
};

void set_error(struct reading *r, const char *error); /* a string that lives on */
void step_in(struct reading *r, const char *key, size_t index);
void step_out(struct reading *r);
/* Logs the error and its place, "runs[0].overhead_ns", and returns -EBADMSG. */
int fail_at(const struct reading *r, const char *name);

/* False, with an error, when a document makes more of itself than it may. */
bool may_use(struct reading *r, size_t n_bytes);

/* The value of @json, which is an error when it has another type. Null is NULL, "", UNKNOWN, NAN,
 * false and 0. Texts are in the session's arena. Integers: a fraction is rounded. */
const char *read_text(struct reading *r, const cJSON *json);
const char *read_detail(struct reading *r, const cJSON *json);
int64_t read_int(struct reading *r, const cJSON *json);
double read_double(struct reading *r, const cJSON *json);
bool read_bool(struct reading *r, const cJSON *json);
int read_process(struct reading *r, const cJSON *json);

/* The value of a name. @fallback: for names that a later version may add; -1: such a name is an
 * error. */
int read_name(struct reading *r, const cJSON *json, int (*of)(const char *), int fallback);

#endif
