/* SPDX-License-Identifier: MIT */
/* CSV (RFC 4180) with a line of titles, separated by commas, semicolons or tabs. */
#ifndef USERSPACE_FOREIGN_FORMS_CSV_H
#define USERSPACE_FOREIGN_FORMS_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/base/buf.h"

#define CSV_MAX_COLUMNS 64

struct csv {
	const char *at, *end;
	char separator;
	size_t line, next_line;		 /* of the row; from 1 */
	struct buf fields;		 /* of the row, each with its NUL */
	size_t columns[CSV_MAX_COLUMNS]; /* where each begins */
	size_t n;
	const char *error;
};

/* Whether the first line of the text has all these titles, in any order. @titles ends with NULL. */
bool csv_sniff(const char *text, size_t length, const char *const *titles);
/* Reads the line of titles, which is then the row; false: it has not all of these, and only
 * csv_done() may follow. */
bool csv_begin(struct csv *c, const char *text, size_t length, const char *const *titles);
void csv_done(struct csv *c);
/* The next row; false: there is none, or an error, which is then in .error. */
bool csv_next(struct csv *c);
bool csv_is_empty(const struct csv *c);
/* NULL: the row is not that long; @column may be -1. Valid until the next row. */
const char *csv_field(const struct csv *c, int column);
/* Of the titles; -1: none. */
int csv_column(const struct csv *c, const char *title);

#endif
