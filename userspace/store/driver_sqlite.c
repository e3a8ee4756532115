/* SPDX-License-Identifier: MIT */
/* SQLite: one file, many processes. Write-ahead log, so that readers never wait; every commit is
 * synced. The file may come from somebody else: nothing in its schema is trusted. */

#include "userspace/store/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/base/path.h"

/* Where a store lies. */
struct place {
	int directory;
	char name[PATH_NAME_SIZE];
};

struct database {
	sqlite3 *handle;
	struct place place; /* held open as long as it is */
};

static int code_of(int rc, const char *message)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_ERROR: /* the only way to tell */
		return strstr(message, "no such table") != NULL ? -ENOENT : -EIO;
	default:
		return -EIO;
	}
}

static int failure(struct database *db, int rc, struct buf *error)
{
	const char *message = db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
	const int code = code_of(rc, message);
	if (code < 0)
		(void)buf_adds(error, message);
	return code;
}

static int bind(sqlite3_stmt *statement, size_t i, const struct sql_value *v)
{
	char name[24];
	(void)snprintf(name, sizeof(name), "$%zu", i + 1);
	const int place = sqlite3_bind_parameter_index(statement, name);
	switch (v->type) {
	case SQL_NULL:
		return sqlite3_bind_null(statement, place);
	case SQL_INTEGER:
		return sqlite3_bind_int64(statement, place, v->integer);
	case SQL_REAL: /* SQLite makes NULL of NAN, but keeps infinities */
		return __builtin_isfinite(v->real) ? sqlite3_bind_double(statement, place, v->real)
						   : sqlite3_bind_null(statement, place);
	case SQL_TEXT:
		return sqlite3_bind_text(statement, place, v->data, -1, SQLITE_STATIC);
	case SQL_BLOB:
		return sqlite3_bind_blob64(statement, place, v->data, v->length, SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

static struct sql_value cell(sqlite3_stmt *statement, int i)
{
	struct sql_value v = { 0 };
	switch (sqlite3_column_type(statement, i)) {
	case SQLITE_INTEGER:
		v.type = SQL_INTEGER;
		v.integer = sqlite3_column_int64(statement, i);
		v.real = (double)v.integer;
		break;
	case SQLITE_FLOAT:
		v.type = SQL_REAL;
		v.real = sqlite3_column_double(statement, i);
		break;
	case SQLITE_TEXT:
		v.type = SQL_TEXT;
		v.data = sqlite3_column_text(statement, i);
		v.length = (size_t)sqlite3_column_bytes(statement, i);
		break;
	case SQLITE_BLOB:
		v.type = SQL_BLOB;
		v.data = sqlite3_column_blob(statement, i);
		v.length = (size_t)sqlite3_column_bytes(statement, i);
		break;
	default:
		break;
	}
	return v;
}

#define COLUMNS_MAX 16

static int step_all(struct database *db, sqlite3_stmt *statement, sql_row *row, void *context,
		    struct buf *error)
{
	for (;;) {
		const int rc = sqlite3_step(statement);
		if (rc == SQLITE_DONE)
			return 0;
		if (rc != SQLITE_ROW)
			return failure(db, rc, error);
		struct sql_value cells[COLUMNS_MAX];
		const int columns = sqlite3_column_count(statement);
		const int n = columns < COLUMNS_MAX ? columns : COLUMNS_MAX;
		for (int i = 0; i < n; i++)
			cells[i] = cell(statement, i);
		const int r = row != NULL ? row(context, cells, (size_t)n) : 0;
		if (r != 0)
			return r;
	}
}

static int run(struct database *db, const char *sql, const struct sql_value *parameters,
	       size_t n_parameters, sql_row *row, void *context, struct buf *error)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
	for (size_t i = 0; rc == SQLITE_OK && i < n_parameters; i++)
		rc = bind(statement, i, &parameters[i]);
	const int r = rc != SQLITE_OK ? failure(db, rc, error)
				      : step_all(db, statement, row, context, error);
	(void)sqlite3_finalize(statement);
	return r;
}

static void close_database(struct database *db)
{
	if (db == NULL)
		return;
	(void)sqlite3_close(db->handle);
	cleanup_close(&db->place.directory);
	free(db);
}

static int is_wal(void *context, const struct sql_value *cells, size_t n)
{
	*(bool *)context = n > 0 && cells[0].type == SQL_TEXT && strcmp(cells[0].data, "wal") == 0;
	return 0;
}

/* The change of mode needs the file for itself, and does not wait for that by itself. A file system
 * without shared memory keeps its old mode, which is slower but as safe. */
static void use_write_ahead_log(struct database *db)
{
	static const struct timespec pause = { .tv_nsec = 5000000 };
	/* By the clock: each try may itself wait for a lock. */
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + STORE_LOCK_WAIT_MS * NS_PER_MS;
	do {
		bool done = false;
		struct buf ignored;
		buf_init(&ignored, 256);
		int r = run(db, "PRAGMA journal_mode", NULL, 0, is_wal, &done, &ignored);
		if (r == 0 && !done)
			r = run(db, "PRAGMA journal_mode = WAL", NULL, 0, NULL, NULL, &ignored);
		buf_done(&ignored);
		if (r != -EBUSY)
			return;
		(void)nanosleep(&pause, NULL);
	} while (clock_ns(CLOCK_MONOTONIC) < until_ns);
}

/* ---- files ---- */

/* SQLite opens files by name, again and again, and some beside them. So it gets names in a directory
 * that we hold open, and has to take them as they are: resolved, they could lead elsewhere by then. */
static int keep_name(sqlite3_vfs *vfs, const char *name, int size, char *ret)
{
	(void)vfs;
	const int n = snprintf(ret, (size_t)size, "%s", name);
	return n >= 0 && n < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static const char *file_system(void)
{
	static sqlite3_vfs vfs;
	const sqlite3_vfs *own = sqlite3_vfs_find(NULL);
	if (vfs.zName == NULL && own != NULL) {
		vfs = *own;
		vfs.zName = "startline";
		vfs.xFullPathname = keep_name;
		(void)sqlite3_vfs_register(&vfs, 0);
	}
	return vfs.zName;
}

/* What SQLite takes for its own beside it can change what the database says. */
static int check_files(const struct place *p)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		char name[PATH_NAME_SIZE + 16];
		(void)snprintf(name, sizeof(name), "%s%s", p->name, ends[i]);
		_cleanup_close_ const int fd =
			openat(p->directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || fstat(fd, &st) < 0)
			return -errno;
		if (!S_ISREG(st.st_mode))
			return -EISDIR;
		const int r = path_check(fd);
		if (r < 0)
			return r;
	}
	return 0;
}

/* 0600, as recordings are; SQLite gives the files beside it the same mode. What cannot be written may
 * still be read. */
static int make_file(const struct place *p)
{
	_cleanup_close_ const int fd =
		openat(p->directory, p->name,
		       O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0600);
	return fd >= 0 || errno == EACCES || errno == EROFS || errno == EPERM ? 0 : -errno;
}

static int find_file(const char *path, bool create, struct place *ret, struct buf *error)
{
	ret->directory = path_directory_of(path, ret->name);
	int r = ret->directory < 0 ? ret->directory : check_files(ret);
	if (r == 0 && create)
		r = make_file(ret);
	struct stat status;
	if (r == 0 && fstatat(ret->directory, ret->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		r = create && errno == ENOENT ? -EACCES : -errno;
	if (r < 0)
		(void)buf_adds(error, r == -EISDIR ? "not a file" : path_strerror(r));
	return r == 0 || r == -ENOENT || r == -EACCES ? r : -EIO;
}

/* Where no file can be made beside it, SQLite does not even read a database with a write-ahead log,
 * unless it is told that nobody writes. There is no log when the last writer has left. */
static bool is_at_rest(const struct place *p)
{
	char log[PATH_NAME_SIZE + 16];
	(void)snprintf(log, sizeof(log), "%s-wal", p->name);
	return faccessat(p->directory, ".", W_OK, AT_EACCESS) < 0 &&
	       faccessat(p->directory, log, F_OK, 0) < 0 && errno == ENOENT;
}

static int open_file(const struct place *p, sqlite3 **ret)
{
	char directory[64];
	(void)snprintf(directory, sizeof(directory), "/proc/self/fd/%d/", p->directory);
	_cleanup_(buf_done) struct buf uri;
	buf_init(&uri, 3 * PATH_NAME_SIZE + 128);
	const bool is_fixed = is_at_rest(p);
	(void)buf_addf(&uri, "file://%s", directory);
	for (const char *c = p->name; *c != '\0'; c++)
		(void)(strchr("%?#", *c) != NULL ? buf_addf(&uri, "%%%02x", *c)
						 : buf_addc(&uri, *c));
	(void)buf_adds(&uri, is_fixed ? "?immutable=1" : "");
	return sqlite3_open_v2(buf_str(&uri), ret,
			       (is_fixed ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
				       SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
			       file_system());
}

static int open_database(const char *where, bool create, struct database **ret, struct buf *error)
{
	struct database *db = calloc(1, sizeof(*db));
	if (db == NULL)
		return -ENOMEM;
	int r = find_file(where, create, &db->place, error);
	const int rc = r == 0 ? open_file(&db->place, &db->handle) : SQLITE_OK;
	if (rc != SQLITE_OK) {
		r = failure(db, rc, error);
		if (rc == SQLITE_CANTOPEN &&
		    faccessat(db->place.directory, db->place.name, R_OK, AT_EACCESS) < 0)
			r = -EACCES;
	}
	if (r < 0) {
		close_database(db);
		return r;
	}
	(void)sqlite3_busy_timeout(db->handle, STORE_LOCK_WAIT_MS);
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	use_write_ahead_log(db);
	(void)run(db, "PRAGMA synchronous = FULL", NULL, 0, NULL, NULL, error);
	buf_clear(error);
	*ret = db;
	return 0;
}

const struct driver driver_sqlite = {
	.name = "SQLite",
	/* At once: a lock that is taken only at the first write may be refused instead of waited
	 * for. */
	.begin = "BEGIN IMMEDIATE",
	.open = open_database,
	.run = run,
	.close = close_database,
};
