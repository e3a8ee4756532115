/* SPDX-License-Identifier: MIT */
/* Both databases take $1, BIGINT, DOUBLE PRECISION, TEXT, BYTEA, ON CONFLICT DO NOTHING, RETURNING
 * and window functions. Keys are parts of digests, so that writers need no sequence to agree on.
 * What is ordered is ordered by numbers: the order of texts is a matter of locale. */

#include "userspace/store/store_sql.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/log.h"

#define ERROR_MAX 1024

/* ---- the schema ---- */

/* What people query (docs/store.md): these names and columns stay. Only their times need the words of one
 * database. A step that changes what they read drops them first. */
#define SQLITE_TIME(ns)	  "strftime('%Y-%m-%dT%H:%M:%SZ', " ns " / 1000000000, 'unixepoch')"
#define POSTGRES_TIME(ns) "to_timestamp(" ns " / 1000000000)"
#define SESSION_VIEW(TIME)                                                                              \
	"CREATE VIEW session AS SELECT s.id, " TIME(                                                    \
		"s.created_ns") " AS time,"                                                             \
				" s.scenario, s.host_class AS host, s.commit_id, s.branch, s.is_dirty," \
				" s.runs, s.note FROM sl_session s"
#define HISTORY_VIEW(TIME)                                                                            \
	"CREATE VIEW history AS SELECT " TIME(                                                        \
		"p.created_ns") " AS time,"                                                           \
				" s.scenario, s.host_class AS host, s.commit_id, s.branch, m.metric," \
				" m.unit, m.better, p.n, p.median, p.low, p.high, s.id AS session"    \
				" FROM sl_point p JOIN sl_session s ON s.number = p.session"          \
				" JOIN sl_series m ON m.number = p.series"
#define METRIC_VIEW                                                                \
	"CREATE VIEW metric AS SELECT m.scenario, m.host_class AS host, m.metric," \
	" m.unit, m.better, (SELECT COUNT(*) FROM sl_point p"                      \
	" WHERE p.series = m.number) AS sessions FROM sl_series m"
#define BASELINE_VIEW(TIME)                                                                         \
	"CREATE VIEW baseline AS SELECT b.name, " TIME(                                             \
		"b.created_ns") " AS time,"                                                         \
				" s.scenario, s.host_class AS host, s.commit_id, s.branch, b.note," \
				" s.id AS session FROM sl_baseline b"                               \
				" JOIN sl_session s ON s.number = b.session"
#define ANNOTATION_VIEW(TIME)                                                                       \
	"CREATE VIEW annotation AS SELECT " TIME(                                                   \
		"a.created_ns") " AS time,"                                                         \
				" s.scenario, s.host_class AS host, s.commit_id, m.metric, a.text," \
				" s.id AS session FROM sl_annotation a"                             \
				" JOIN sl_session s ON s.number = a.session"                        \
				" JOIN sl_series m ON m.number = a.series"

/* Each step brings a store from the version before to its own. Never change one that was released:
 * add another. */
static const struct {
	int version;
	const char *sql;
	const struct driver *only; /* NULL: all */
} steps[] = {
	{ 1, "CREATE TABLE sl_store (version BIGINT NOT NULL)", NULL },
	{ 1,
	  "CREATE TABLE sl_session (number BIGINT NOT NULL PRIMARY KEY, id TEXT NOT NULL,"
	  " created_ns BIGINT NOT NULL, scenario TEXT NOT NULL, host_class TEXT NOT NULL,"
	  " commit_id TEXT NOT NULL, branch TEXT NOT NULL, note TEXT NOT NULL,"
	  " runs BIGINT NOT NULL)",
	  NULL },
	{ 1,
	  "CREATE INDEX sl_session_series ON sl_session"
	  " (scenario, host_class, created_ns, number, commit_id)",
	  NULL },
	{ 1, "CREATE INDEX sl_session_created ON sl_session (created_ns)", NULL },
	{ 1,
	  "CREATE TABLE sl_document (session BIGINT NOT NULL PRIMARY KEY,"
	  " bytes BIGINT NOT NULL, data BYTEA NOT NULL)",
	  NULL },
	{ 1,
	  "CREATE TABLE sl_series (number BIGINT NOT NULL PRIMARY KEY,"
	  " scenario TEXT NOT NULL, host_class TEXT NOT NULL, metric TEXT NOT NULL,"
	  " unit TEXT NOT NULL, better TEXT NOT NULL)",
	  NULL },
	{ 1,
	  "CREATE TABLE sl_point (series BIGINT NOT NULL, created_ns BIGINT NOT NULL,"
	  " session BIGINT NOT NULL, n BIGINT NOT NULL, median DOUBLE PRECISION,"
	  " low DOUBLE PRECISION, high DOUBLE PRECISION)",
	  NULL },
	/* All columns: a trend is read from the index alone. */
	{ 1,
	  "CREATE INDEX sl_point_series ON sl_point"
	  " (series, created_ns, session, n, median, low, high)",
	  NULL },
	{ 1,
	  "CREATE TABLE sl_baseline (name TEXT NOT NULL PRIMARY KEY,"
	  " session BIGINT NOT NULL, created_ns BIGINT NOT NULL, note TEXT NOT NULL)",
	  NULL },
	{ 2, "ALTER TABLE sl_session ADD COLUMN is_dirty BIGINT NOT NULL DEFAULT 0", NULL },
	{ 2,
	  "CREATE TABLE sl_annotation (series BIGINT NOT NULL, session BIGINT NOT NULL,"
	  " created_ns BIGINT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (series, session))",
	  NULL },
	{ 3, METRIC_VIEW, NULL },
	{ 3, SESSION_VIEW(SQLITE_TIME), &driver_sqlite },
	{ 3, HISTORY_VIEW(SQLITE_TIME), &driver_sqlite },
	{ 3, BASELINE_VIEW(SQLITE_TIME), &driver_sqlite },
	{ 3, ANNOTATION_VIEW(SQLITE_TIME), &driver_sqlite },
	{ 3, SESSION_VIEW(POSTGRES_TIME), &driver_postgres },
	{ 3, HISTORY_VIEW(POSTGRES_TIME), &driver_postgres },
	{ 3, BASELINE_VIEW(POSTGRES_TIME), &driver_postgres },
	{ 3, ANNOTATION_VIEW(POSTGRES_TIME), &driver_postgres },
};

static const char version_get[] = "SELECT version FROM sl_store";
static const char version_remove[] = "DELETE FROM sl_store";
static const char version_set[] = "INSERT INTO sl_store (version) VALUES ($1)";

/* ---- the statements ---- */

#define ENTRY                                                                            \
	"s.number, s.id, s.created_ns, s.scenario, s.host_class, s.commit_id, s.branch," \
	" s.note, s.is_dirty"
/* What is known about a baseline is what was said when it was saved. */
#define BASELINE_ENTRY                                                                   \
	"s.number, s.id, b.created_ns, s.scenario, s.host_class, s.commit_id, s.branch," \
	" b.note, s.is_dirty, b.name"
#define BASELINE_FROM "FROM sl_baseline b JOIN sl_session s ON s.number = b.session"

static const char *const statements[SQL_STATEMENTS] = {
	[SQL_SESSION_ADD] =
		"INSERT INTO sl_session (number, id, created_ns, scenario, host_class, commit_id,"
		" branch, note, is_dirty, runs) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
		" ON CONFLICT DO NOTHING RETURNING number",
	[SQL_DOCUMENT_ADD] = "INSERT INTO sl_document (session, bytes, data) VALUES ($1, $2, $3)",
	[SQL_SERIES_ADD] = "INSERT INTO sl_series (number, scenario, host_class, metric, unit,"
			   " better) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
	[SQL_POINT_ADD] = "INSERT INTO sl_point (series, created_ns, session, n, median, low, high)"
			  " VALUES ($1, $2, $3, $4, $5, $6, $7)",
	/* The caller has made sure that the pattern is hexadecimal. What it means for the key is
	 * said as well: no index is sure to serve LIKE. */
	[SQL_SESSION_BY_ID] = "SELECT " ENTRY " FROM sl_session s"
			      " WHERE s.number BETWEEN $1 AND $2 AND s.id LIKE $3"
			      " ORDER BY s.number LIMIT 2",
	[SQL_SESSIONS_OF] = "SELECT number, created_ns, commit_id FROM sl_session"
			    " WHERE scenario = $1 AND host_class = $2 AND created_ns >= $3"
			    " ORDER BY created_ns, number",
	[SQL_SCENARIOS] = "SELECT scenario, host_class, COUNT(*), MAX(created_ns) FROM sl_session"
			  " GROUP BY scenario, host_class"
			  " ORDER BY MAX(created_ns) DESC, MAX(number) DESC",
	[SQL_DOCUMENT_OF] = "SELECT s.id, d.bytes, d.data FROM sl_session s"
			    " JOIN sl_document d ON d.session = s.number WHERE s.number = $1",
	[SQL_BASELINE_ADD] = "INSERT INTO sl_baseline (name, session, created_ns, note)"
			     " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING name",
	[SQL_BASELINE_GET] = "SELECT " BASELINE_ENTRY " " BASELINE_FROM " WHERE b.name = $1",
	[SQL_BASELINE_REMOVE] = "DELETE FROM sl_baseline WHERE name = $1 RETURNING name",
	[SQL_BASELINES] =
		"SELECT " BASELINE_ENTRY " " BASELINE_FROM " ORDER BY b.created_ns, s.number",
	[SQL_SERIES_GET] = "SELECT unit, better FROM sl_series WHERE number = $1",
	[SQL_POINTS] = "SELECT session, created_ns, n, median, low, high FROM sl_point"
		       " WHERE series = $1 ORDER BY created_ns DESC, session DESC LIMIT $2",
	/* Of each series the index is read from the first of its last points on. The limit keeps
	 * PostgreSQL from looking for that at each point. */
	[SQL_POINTS_OF_ALL] =
		"SELECT s.number, s.metric, p.created_ns, p.median FROM"
		" (SELECT m.number, m.metric, COALESCE((SELECT q.created_ns FROM sl_point q"
		" WHERE q.series = m.number ORDER BY q.created_ns DESC LIMIT 1 OFFSET $3), 0)"
		" AS since FROM sl_series m"
		" WHERE m.host_class = $2 AND (m.scenario = $1 OR $1 IS NULL)"
		" LIMIT 9223372036854775807) AS s"
		" JOIN sl_point p ON p.series = s.number AND p.created_ns >= s.since"
		" ORDER BY s.number, p.created_ns, p.session",
	[SQL_METRICS_OF] = "SELECT metric FROM sl_series WHERE scenario = $1 AND host_class = $2"
			   " ORDER BY number",
	[SQL_ANNOTATIONS] = "SELECT session, text FROM sl_annotation WHERE series = $1"
			    " ORDER BY session",
	[SQL_ANNOTATION_ADD] =
		"INSERT INTO sl_annotation (series, session, created_ns, text)"
		" VALUES ($1, $2, $3, $4) ON CONFLICT (series, session)"
		" DO UPDATE SET created_ns = excluded.created_ns, text = excluded.text",
	[SQL_PRUNE_SESSIONS] =
		"DELETE FROM sl_session WHERE number IN (SELECT number FROM ("
		"SELECT number, created_ns, row_number() OVER (PARTITION BY scenario, host_class"
		" ORDER BY created_ns DESC, number DESC) AS place FROM sl_session) AS ranked"
		" WHERE created_ns < $1 OR place > $2)"
		" AND number NOT IN (SELECT session FROM sl_baseline)"
		" AND number NOT IN (SELECT session FROM sl_annotation) RETURNING number",
	[SQL_PRUNE_DOCUMENTS] = "DELETE FROM sl_document"
				" WHERE session NOT IN (SELECT number FROM sl_session)",
	[SQL_PRUNE_POINTS] = "DELETE FROM sl_point"
			     " WHERE session NOT IN (SELECT number FROM sl_session)",
	[SQL_PRUNE_SERIES] = "DELETE FROM sl_series"
			     " WHERE number NOT IN (SELECT series FROM sl_point)",
};

/* ---- running them ---- */

static int say(const struct sql *q, int code, const char *why)
{
	switch (-code) {
	case EACCES:
		return fail(code,
			    "the store '%s' cannot be used: %s; change its permissions, or name "
			    "another with --store or STARTLINE_STORE",
			    q->name, why);
	case EBUSY:
		return fail(code,
			    "the store '%s' is locked by another program: %s; try again when that "
			    "has ended",
			    q->name, why);
	case ENOMEM:
		return fail(code, "the store '%s': not enough memory", q->name);
	default:
		return fail(
			code == -ENOENT ? -EIO : code,
			"the store '%s' does not work: %s; see whether it is there and whole, or "
			"name another with --store or STARTLINE_STORE",
			q->name, why);
	}
}

static int run_text(struct sql *q, const char *text, const struct sql_value *parameters,
		    size_t n_parameters, sql_row *row, void *context)
{
	struct buf error;
	buf_init(&error, ERROR_MAX);
	int r = q->driver->run(q->database, text, parameters, n_parameters, row, context, &error);
	if (r < 0 && error.len > 0)
		r = say(q, r, buf_str(&error));
	buf_done(&error);
	return r;
}

int sql_run(struct sql *q, enum statement statement, const struct sql_value *parameters,
	    size_t n_parameters, sql_row *row, void *context)
{
	return run_text(q, statements[statement], parameters, n_parameters, row, context);
}

int sql_begin(struct sql *q)
{
	const int r = run_text(q, q->driver->begin, NULL, 0, NULL, NULL);
	q->in_transaction = r == 0;
	return r;
}

int sql_begin_alone(struct sql *q)
{
	const int r = sql_begin(q);
	if (r < 0 || q->driver->lock_rows == NULL)
		return r;
	return run_text(q, q->driver->lock_rows, NULL, 0, NULL, NULL);
}

int sql_commit(struct sql *q)
{
	const int r = run_text(q, "COMMIT", NULL, 0, NULL, NULL);
	if (r < 0)
		sql_rollback(q);
	q->in_transaction = false;
	return r;
}

void sql_rollback(struct sql *q)
{
	struct buf ignored;
	buf_init(&ignored, ERROR_MAX);
	if (q->in_transaction)
		(void)q->driver->run(q->database, "ROLLBACK", NULL, 0, NULL, NULL, &ignored);
	buf_done(&ignored);
	q->in_transaction = false;
}

/* ---- opening ---- */

static int take_version(void *context, const struct sql_value *cells, size_t n)
{
	*(int64_t *)context = n > 0 ? cell_integer(&cells[0]) : 0;
	return 0;
}

/* 0: there are no tables. */
static int read_version(struct sql *q, int64_t *ret)
{
	struct buf error;
	buf_init(&error, ERROR_MAX);
	*ret = 0;
	int r = q->driver->run(q->database, version_get, NULL, 0, take_version, ret, &error);
	if (r == -ENOENT)
		r = 0;
	else if (r < 0)
		r = say(q, r, buf_str(&error));
	buf_done(&error);
	return r;
}

static int step(struct sql *q, int64_t version)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < sizeof(steps) / sizeof(*steps); i++) {
		const bool is_for_it = steps[i].only == NULL || steps[i].only == q->driver;
		if (steps[i].version > version && is_for_it)
			r = run_text(q, steps[i].sql, NULL, 0, NULL, NULL);
	}
	if (r == 0)
		r = run_text(q, version_remove, NULL, 0, NULL, NULL);
	const struct sql_value now = sql_integer(STORE_SCHEMA);
	return r == 0 ? run_text(q, version_set, &now, 1, NULL, NULL) : r;
}

/* Who comes second finds the work done: the version is read again under the lock. */
static int migrate(struct sql *q)
{
	int64_t version = 0;
	int r = sql_begin(q);
	if (r == 0 && q->driver->lock_schema != NULL)
		r = run_text(q, q->driver->lock_schema, NULL, 0, NULL, NULL);
	/* PostgreSQL would end the transaction over a table that is not there. */
	if (r == 0)
		r = run_text(q, "SAVEPOINT before", NULL, 0, NULL, NULL);
	if (r == 0)
		r = read_version(q, &version);
	if (r == 0)
		r = run_text(q, "ROLLBACK TO SAVEPOINT before", NULL, 0, NULL, NULL);
	if (r == 0 && version < STORE_SCHEMA)
		r = step(q, version);
	if (r == 0)
		return sql_commit(q);
	sql_rollback(q);
	return r;
}

static int check_schema(struct sql *q, bool create)
{
	int64_t version = 0;
	int r = read_version(q, &version);
	if (r < 0)
		return r;
	if (version == 0 && !create)
		return -ENOENT;
	if (version > STORE_SCHEMA)
		return fail(
			-EPROTO,
			"the store '%s' was written by a newer startline (schema %lld, this one "
			"knows %d): install that, or name another with --store or "
			"STARTLINE_STORE",
			q->name, (long long)version, STORE_SCHEMA);
	return version < STORE_SCHEMA ? migrate(q) : 0;
}

int sql_open(const struct driver *driver, const char *where, const char *name, bool create,
	     struct sql *ret)
{
	struct buf error;
	buf_init(&error, ERROR_MAX);
	*ret = (struct sql){ .driver = driver, .name = name };
	int r = driver->open(where, create, &ret->database, &error);
	if (r < 0 && !(r == -ENOENT && !create))
		r = say(ret, r, error.len > 0 ? buf_str(&error) : strerror(-r));
	buf_done(&error);
	if (r == 0)
		r = check_schema(ret, create);
	if (r < 0)
		sql_close(ret);
	return r;
}

void sql_close(struct sql *q)
{
	q->driver->close(q->database);
	q->database = NULL;
}

/* ---- values ---- */

struct sql_value sql_integer(int64_t value)
{
	return (struct sql_value){ .type = SQL_INTEGER, .integer = value };
}

struct sql_value sql_real(double value)
{
	return (struct sql_value){ .type = SQL_REAL, .real = value };
}

struct sql_value sql_text(const char *text)
{
	return (struct sql_value){ .type = SQL_TEXT, .data = text };
}

struct sql_value sql_blob(const void *data, size_t n)
{
	return (struct sql_value){ .type = SQL_BLOB, .data = data, .length = n };
}

int64_t cell_integer(const struct sql_value *cell)
{
	return cell->type == SQL_INTEGER ? cell->integer : 0;
}

double cell_real(const struct sql_value *cell)
{
	return cell->type == SQL_INTEGER || cell->type == SQL_REAL ? cell->real : NAN;
}

const char *cell_text(const struct sql_value *cell)
{
	return cell->type == SQL_TEXT && cell->data != NULL ? cell->data : "";
}
