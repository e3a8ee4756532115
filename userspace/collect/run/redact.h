/* SPDX-License-Identifier: MIT */
/* --redact: what matches is masked before anything is stored: in arguments, the paths of programs and
 * files, names of threads and of UNIX sockets, and what --ready looks for. Of what the command wrote
 * nothing is kept, since a secret may come in any number of pieces; MARK READY tells that a line held.
 * An argument may be spread over several ARGS records, so those of one exec are held until the last has
 * come. */
#ifndef USERSPACE_COLLECT_RUN_REDACT_H
#define USERSPACE_COLLECT_RUN_REDACT_H

#include <regex.h>
#include <stddef.h>

#include "userspace/collect/run/source.h"

struct redactor;

/* @regex is borrowed. */
int redactor_new(const regex_t *regex, struct redactor **ret);
struct redactor *redactor_free(struct redactor *r); /* NULL */
/* Passes events on to @sink, masked. */
int redactor_event(struct redactor *r, const struct sl_event *event, struct sink sink);
/* Passes on what is still held. */
int redactor_flush(struct redactor *r, struct sink sink);

/* Overwrites each match in the string text[0..length) with '*'; the length stays. text[length]
 * must be NUL. */
void redact_text(const regex_t *regex, char *text, size_t length);

#endif
