/* SPDX-License-Identifier: MIT */
/* PostgreSQL, by URL. libpq is loaded when it is used, so that startline does not depend on it;
 * the few functions are declared here as its documentation has them (libpq, chapter 34). */

#include "userspace/store/driver.h"

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/rights.h"

#define PARAMETERS_MAX 16
#define COLUMNS_MAX    16

/* postgres_ext.h, catalog/pg_type.dat */
enum { OID_BYTEA = 17, OID_INT8 = 20, OID_TEXT = 25, OID_FLOAT8 = 701 };
enum { CONNECTION_OK = 0, COMMAND_OK = 1, TUPLES_OK = 2 };
#define FIELD_SQLSTATE 'C'

struct database { /* of this file; @connection and results are libpq's */
	void *library, *connection;
	void *(*connect)(const char *const *keys, const char *const *values, int expand);
	int (*status)(const void *connection);
	char *(*message)(const void *connection);
	void (*finish)(void *connection);
	void *(*notices)(void *connection, void (*process)(void *, const char *), void *context);
	void *(*execute)(void *connection, const char *sql, int n, const unsigned int *types,
			 const char *const *values, const int *lengths, const int *formats,
			 int result_format);
	int (*result_status)(const void *result);
	char *(*result_field)(const void *result, int field);
	int (*rows)(const void *result);
	int (*columns)(const void *result);
	unsigned int (*type)(const void *result, int column);
	char *(*value)(const void *result, int row, int column);
	int (*length)(const void *result, int row, int column);
	int (*is_null)(const void *result, int row, int column);
	void (*clear)(void *result);
};

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
	{ "PQconnectdbParams", offsetof(struct database, connect) },
	{ "PQstatus", offsetof(struct database, status) },
	{ "PQerrorMessage", offsetof(struct database, message) },
	{ "PQfinish", offsetof(struct database, finish) },
	{ "PQsetNoticeProcessor", offsetof(struct database, notices) },
	{ "PQexecParams", offsetof(struct database, execute) },
	{ "PQresultStatus", offsetof(struct database, result_status) },
	{ "PQresultErrorField", offsetof(struct database, result_field) },
	{ "PQntuples", offsetof(struct database, rows) },
	{ "PQnfields", offsetof(struct database, columns) },
	{ "PQftype", offsetof(struct database, type) },
	{ "PQgetvalue", offsetof(struct database, value) },
	{ "PQgetlength", offsetof(struct database, length) },
	{ "PQgetisnull", offsetof(struct database, is_null) },
	{ "PQclear", offsetof(struct database, clear) },
};

static int load_library(struct database *db, struct buf *error)
{
	db->library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
	if (db->library == NULL) {
		(void)buf_adds(error, "libpq.so.5 is not installed (Debian package: libpq5)");
		return -EIO;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		void *function = dlsym(db->library, functions[i].name);
		if (function == NULL) {
			(void)buf_addf(error, "libpq.so.5 has no %s", functions[i].name);
			return -EIO;
		}
		memcpy((char *)db + functions[i].offset, &function, sizeof(function));
	}
	return 0;
}

static void silent(void *context, const char *message)
{
	(void)context;
	(void)message;
}

/* The first line says it; hints and positions follow. */
static void add_message(struct database *db, struct buf *error)
{
	const char *text = db->message(db->connection);
	const size_t n = strcspn(text, "\n");
	(void)buf_add(error, text, n);
}

/* SQLSTATE, PostgreSQL appendix A. */
static int code_of(const char *state)
{
	static const struct {
		const char *prefix;
		int code;
	} codes[] = {
		{ "42P01", -ENOENT }, { "42501", -EACCES }, { "25006", -EACCES },
		{ "55P03", -EBUSY },  { "40001", -EBUSY },  { "40P01", -EBUSY },
		{ "57014", -EBUSY },  { "28", -EACCES },
	};
	for (size_t i = 0; state != NULL && i < sizeof(codes) / sizeof(*codes); i++) {
		if (strncmp(state, codes[i].prefix, strlen(codes[i].prefix)) == 0)
			return codes[i].code;
	}
	return -EIO;
}

struct arguments {
	unsigned int types[PARAMETERS_MAX];
	const char *values[PARAMETERS_MAX];
	int lengths[PARAMETERS_MAX], formats[PARAMETERS_MAX];
	char numbers[PARAMETERS_MAX][32];
};

static void bind(struct arguments *a, size_t i, const struct sql_value *v)
{
	static const unsigned int types[] = {
		[SQL_NULL] = OID_TEXT, [SQL_INTEGER] = OID_INT8, [SQL_REAL] = OID_FLOAT8,
		[SQL_TEXT] = OID_TEXT, [SQL_BLOB] = OID_BYTEA,
	};
	a->types[i] = types[v->type];
	a->values[i] = v->type == SQL_NULL || (v->type == SQL_REAL && !isfinite(v->real))
			       ? NULL
			       : a->numbers[i];
	if (v->type == SQL_INTEGER)
		(void)snprintf(a->numbers[i], sizeof(a->numbers[i]), "%lld", (long long)v->integer);
	if (v->type == SQL_REAL)
		(void)snprintf(a->numbers[i], sizeof(a->numbers[i]), "%.17g", v->real);
	if (v->type == SQL_TEXT || v->type == SQL_BLOB)
		a->values[i] = v->data;
	a->lengths[i] = (int)v->length;
	a->formats[i] = v->type == SQL_BLOB;
}

/* Values come in binary, as the server has them: the most significant byte first. */
static uint64_t big_endian(const unsigned char *bytes)
{
	uint64_t value = 0;
	for (size_t i = 0; i < sizeof(value); i++)
		value = value << 8 | bytes[i];
	return value;
}

static struct sql_value cell(struct database *db, const void *result, int row, int column)
{
	const char *data = db->value(result, row, column);
	const unsigned int type = db->type(result, column);
	struct sql_value v = { .data = data, .length = (size_t)db->length(result, row, column) };
	if (db->is_null(result, row, column))
		return v;
	if ((type == OID_INT8 || type == OID_FLOAT8) && v.length == sizeof(uint64_t)) {
		const uint64_t bits = big_endian((const unsigned char *)data);
		v.type = type == OID_INT8 ? SQL_INTEGER : SQL_REAL;
		if (type == OID_INT8)
			v.real = (double)(v.integer = (int64_t)bits);
		else
			memcpy(&v.real, &bits, sizeof(v.real));
	} else if (type == OID_BYTEA || type == OID_TEXT) {
		/* libpq ends every value with a NUL, which is not counted. */
		v.type = type == OID_BYTEA ? SQL_BLOB : SQL_TEXT;
	}
	return v;
}

static int give_rows(struct database *db, const void *result, sql_row *row, void *context)
{
	const int n = db->columns(result) < COLUMNS_MAX ? db->columns(result) : COLUMNS_MAX;
	int r = 0;
	for (int i = 0; r == 0 && i < db->rows(result); i++) {
		struct sql_value cells[COLUMNS_MAX];
		for (int k = 0; k < n; k++)
			cells[k] = cell(db, result, i, k);
		r = row(context, cells, (size_t)n);
	}
	return r;
}

static int run(struct database *db, const char *sql, const struct sql_value *parameters,
	       size_t n_parameters, sql_row *row, void *context, struct buf *error)
{
	struct arguments a = { 0 };
	if (n_parameters > PARAMETERS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n_parameters; i++)
		bind(&a, i, &parameters[i]);
	void *result = db->execute(db->connection, sql, (int)n_parameters, a.types, a.values,
				   a.lengths, a.formats, 1);
	const int status = db->result_status(result);
	int r = 0;
	if (status != COMMAND_OK && status != TUPLES_OK) {
		r = code_of(db->result_field(result, FIELD_SQLSTATE));
		add_message(db, error);
	} else if (row != NULL) {
		r = give_rows(db, result, row, context);
	}
	db->clear(result);
	return r;
}

static void close_database(struct database *db)
{
	if (db == NULL)
		return;
	if (db->connection != NULL)
		db->finish(db->connection);
	/* libpq stays loaded: its TLS library registers handlers for the end of the program. */
	free(db);
}

static int connect_database(struct database *db, const char *url, struct buf *error)
{
	/* Later ones win: the URL may have a time-out of its own, but not another encoding. */
	const char *const keys[] = { "connect_timeout", "application_name", "dbname",
				     "client_encoding", NULL };
	const char *const values[] = { "10", "startline", url, "UTF8", NULL };
	struct rights before;
	const int taken = rights_take_effective(&before);
	if (taken == 0)
		db->connection = db->connect(keys, values, 1);
	rights_give_back(&before);
	if (taken < 0)
		return taken;
	if (db->connection == NULL)
		return -ENOMEM;
	if (db->status(db->connection) != CONNECTION_OK) {
		add_message(db, error);
		return -EIO;
	}
	(void)db->notices(db->connection, silent, NULL);
	/* What is read in order there is an index for; before the first ANALYZE of a new table the
	 * planner guesses that sorting were cheaper, which makes a long trend three times as slow. */
	char sql[256];
	(void)snprintf(sql, sizeof(sql),
		       "SELECT set_config('lock_timeout', '%d', false),"
		       " set_config('enable_bitmapscan', 'off', false),"
		       " set_config('enable_sort', 'off', false)",
		       STORE_LOCK_WAIT_MS);
	return run(db, sql, NULL, 0, NULL, NULL, error);
}

static int open_database(const char *where, bool create, struct database **ret, struct buf *error)
{
	(void)create; /* a database is made by its administrator; tables are made like any others */
	struct database *db = calloc(1, sizeof(*db));
	if (db == NULL)
		return -ENOMEM;
	int r = load_library(db, error);
	if (r == 0)
		r = connect_database(db, where, error);
	if (r < 0) {
		close_database(db);
		return r;
	}
	*ret = db;
	return 0;
}

const struct driver driver_postgres = {
	.name = "PostgreSQL",
	.begin = "BEGIN",
	/* Any number that nobody else uses: "slstore" in ASCII. */
	.lock_schema = "SELECT pg_advisory_xact_lock(32488865452225125)",
	/* Readers go on. What is being written is waited for, so that nothing is removed that a
	 * baseline is about to name. */
	.lock_rows = "LOCK TABLE sl_session IN SHARE ROW EXCLUSIVE MODE",
	.open = open_database,
	.run = run,
	.close = close_database,
};
