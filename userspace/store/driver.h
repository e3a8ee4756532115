/* SPDX-License-Identifier: MIT */
/* What a database must be able to do for the store: execute one statement with typed parameters and
 * hand out the rows. Only store_sql.c calls it, with text of its own; what comes from elsewhere is
 * always a parameter. Parameters are $1, $2 … in both dialects.
 *
 * To add one: a struct driver here and in store_sql.c's choice by URL. */
#ifndef USERSPACE_STORE_DRIVER_H
#define USERSPACE_STORE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/buf.h"

/* How long to wait for another program's lock before giving up. */
#define STORE_LOCK_WAIT_MS 10000

enum sql_type { SQL_NULL, SQL_INTEGER, SQL_REAL, SQL_TEXT, SQL_BLOB };

struct sql_value {
	enum sql_type type;
	int64_t integer;
	double real;	  /* not finite: NULL in the database */
	const void *data; /* text, NUL-terminated, or bytes */
	size_t length;	  /* of bytes; of text in results */
};

/* One row of a result; cells are valid during the call. Non-zero ends the statement and is what it
 * returns. */
typedef int sql_row(void *context, const struct sql_value *cells, size_t n);

struct database;

struct driver {
	const char *name;
	const char *begin; /* a transaction that is going to write */
	/* Within it, until its end; NULL: as it is. */
	const char *lock_schema; /* nobody else makes or changes tables */
	const char *lock_rows;	 /* nobody else writes rows */
	/* @error receives what went wrong, in words. -ENOENT: there is none and @create is false. */
	int (*open)(const char *where, bool create, struct database **ret, struct buf *error);
	/* @row may be NULL. -ENOENT: no such table. -EACCES, -EBUSY, -EIO, -ENOMEM; or what @row
	 * returned. */
	int (*run)(struct database *db, const char *sql, const struct sql_value *parameters,
		   size_t n_parameters, sql_row *row, void *context, struct buf *error);
	void (*close)(struct database *db); /* NULL */
};

extern const struct driver driver_sqlite, driver_postgres;

#endif
