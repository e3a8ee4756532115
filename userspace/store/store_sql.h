/* SPDX-License-Identifier: MIT */
/* All the SQL there is, in words that SQLite and PostgreSQL understand alike, and the schema with
 * its migrations. Statements are named, parameters are typed; failures are logged here, once, with
 * the remedy. */
#ifndef USERSPACE_STORE_STORE_SQL_H
#define USERSPACE_STORE_STORE_SQL_H

#include <stdbool.h>

#include "userspace/store/driver.h"

#define STORE_SCHEMA 3

enum statement {
	SQL_SESSION_ADD, /* number, id, created, scenario, host class, commit, branch, note, dirty, runs
			   * -> number, if it was not there */
	SQL_DOCUMENT_ADD,    /* number, bytes, data */
	SQL_SERIES_ADD,	     /* number, scenario, host class, metric, unit, better */
	SQL_POINT_ADD,	     /* series, created, session, n, median, low, high */
	SQL_SESSION_BY_ID,   /* number from, to, LIKE pattern of id -> the columns of an entry */
	SQL_SESSIONS_OF,     /* scenario, host class, since -> number, created, commit */
	SQL_SCENARIOS,	     /* -> scenario, host class, count, latest */
	SQL_DOCUMENT_OF,     /* number -> id, bytes, data */
	SQL_BASELINE_ADD,    /* name, session, created, note -> name, if it was not there */
	SQL_BASELINE_GET,    /* name -> the columns of an entry, name */
	SQL_BASELINE_REMOVE, /* name -> name */
	SQL_BASELINES,	     /* -> the columns of an entry, name */
	SQL_SERIES_GET,	     /* series -> unit, better */
	SQL_POINTS,	     /* series, limit -> session, created, n, median, low, high */
	SQL_POINTS_OF_ALL,   /* scenario or NULL, host class, all but how many -> series, metric,
			      * created, median: of each series the last, oldest first */
	SQL_METRICS_OF,	     /* scenario, host class -> metric */
	SQL_ANNOTATIONS,     /* series -> session, text */
	SQL_ANNOTATION_ADD,  /* series, session, created, text */
	SQL_PRUNE_SESSIONS,  /* before, keep -> number of each that went */
	SQL_PRUNE_DOCUMENTS,
	SQL_PRUNE_POINTS,
	SQL_PRUNE_SERIES,
	SQL_STATEMENTS,
};

/* What the entries' statements give, in this order. */
enum entry_column {
	ENTRY_NUMBER,
	ENTRY_ID,
	ENTRY_CREATED,
	ENTRY_SCENARIO,
	ENTRY_HOST_CLASS,
	ENTRY_COMMIT,
	ENTRY_BRANCH,
	ENTRY_NOTE,
	ENTRY_DIRTY,
	ENTRY_COLUMNS,
	ENTRY_NAME = ENTRY_COLUMNS, /* of a baseline */
};

struct sql {
	const struct driver *driver;
	struct database *database;
	const char *name; /* for messages: without a password */
	bool in_transaction;
};

/* Opens the database and brings its tables to STORE_SCHEMA. @name must outlive it. -ENOENT, not
 * logged: there is no store and @create is false. -EPROTO: a newer startline has written it. */
int sql_open(const struct driver *driver, const char *where, const char *name, bool create,
	     struct sql *ret);
void sql_close(struct sql *q);

int sql_run(struct sql *q, enum statement statement, const struct sql_value *parameters,
	    size_t n_parameters, sql_row *row, void *context);
/* Statements between these two happen all or not at all. After a failure of one of them, and
 * instead of sql_commit(): sql_rollback(). */
int sql_begin(struct sql *q);
int sql_begin_alone(struct sql *q); /* while nobody else writes */
int sql_commit(struct sql *q);
void sql_rollback(struct sql *q);

/* For parameters. */
struct sql_value sql_integer(int64_t value);
struct sql_value sql_real(double value); /* not finite: NULL */
struct sql_value sql_text(const char *text);
struct sql_value sql_blob(const void *data, size_t n);
/* Of cells, whatever the database held: 0, NAN, "". The text is valid as long as the cell. */
int64_t cell_integer(const struct sql_value *cell);
double cell_real(const struct sql_value *cell);
const char *cell_text(const struct sql_value *cell);

#endif
