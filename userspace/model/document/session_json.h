/* SPDX-License-Identifier: MIT */
/* The session document, schema startline.report/1: the one place that reads and writes it. */
#ifndef USERSPACE_MODEL_DOCUMENT_SESSION_JSON_H
#define USERSPACE_MODEL_DOCUMENT_SESSION_JSON_H

#include <stdbool.h>
#include <stdio.h>

#include "userspace/model/session.h"

/* Writes @s as one JSON document, pretty-printed, UTF-8. Bytes of the target that are not UTF-8
 * are written as the text \xNN, never dropped. -EIO when @f cannot be written, -ENOMEM when memory
 * is short: a million segments take half a GiB here, and 1.4 GiB to be read again. */
int session_write_json(const struct session *s, FILE *f);

/* Reads a session document. -EBADMSG, logged with the line or the place in the document, when it is
 * not one or larger than the limits of json_tree.h; -EPROTO when its schema is newer. Keys that are
 * not known are ignored, missing ones are UNKNOWN, of a key that comes twice the last one counts.
 * Integers are exact up to 2^53 (104 days in ns), beyond that the nearest double. */
int session_read_json(const char *text, size_t length, const char *name, struct session **ret);

/* Whether @text begins like a session document. */
bool session_sniff_json(const char *text, size_t length);

#endif
