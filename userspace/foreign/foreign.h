/* SPDX-License-Identifier: MIT */
/* Other tools' results as sessions: metrics with their raw values, no timeline. Recognised by
 * content, never by name. To add one: a row in foreign.c and a foreign_<tool>.c; tests/unit and
 * tests/fuzz take it from the table, tools/check-docs asks for its line in docs/metrics.md. */
#ifndef USERSPACE_FOREIGN_FOREIGN_H
#define USERSPACE_FOREIGN_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/model/session.h"

struct foreign {
	const char *name; /* "hyperfine" */
	const char *help; /* "JSON of --export-json" */
	bool is_directory;
	/* Whether the beginning of a file, or a directory, looks like it. */
	bool (*sniff)(const char *text, size_t length, const char *path);
	/* -EBADMSG, logged with the place, when it is damaged. */
	int (*read)(const char *text, size_t length, const char *path, struct session *ret);
};
extern const struct foreign foreigns[]; /* ends with a NULL name */

/* *ret is NULL when no reader knows it: not an error. @text: the whole file ("" for a directory). */
int foreign_read(const char *text, size_t length, const char *path, struct session **ret);

#endif
