/* SPDX-License-Identifier: MIT */
/* Opening a store by URL, and what is done with it: queries for entries, pruning. */

#include "userspace/store/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/path.h"
#include "userspace/base/utf8.h"
#include "userspace/store/internal.h"

#define DEFAULT_PATH ".startline/history.db"
#define URL_MAX	     4096
#define TEXT_MAX     16384
#define ID_LEAST     4

DEFINE_FREEP(struct store, store_close)

/* ---- opening ---- */

static bool is_postgres(const char *url)
{
	return strncmp(url, "postgresql://", 13) == 0 || strncmp(url, "postgres://", 11) == 0;
}

/* A user's password stands between the first ':' and the last '@' before the path; another way to
 * give one is a parameter, and parameters say nothing to people. */
static int add_without_password(struct buf *out, const char *url)
{
	const char *host = strstr(url, "://") + 3;
	const size_t n = strcspn(host, "/?");
	const char *at = memrchr(host, '@', n);
	if (at == NULL)
		return buf_add(out, url, strcspn(url, "?"));
	const char *colon = memchr(host, ':', (size_t)(at - host));
	const char *user_end = colon != NULL ? colon : at;
	(void)buf_add(out, url, (size_t)(user_end - url));
	return buf_add(out, at, strcspn(at, "?"));
}

static int name_store(struct store *st, const char *url)
{
	struct buf name;
	buf_init(&name, URL_MAX);
	(void)(is_postgres(url) ? add_without_password(&name, url) : buf_adds(&name, st->where));
	st->name = buf_take(&name);
	return st->name != NULL ? 0 : -ENOMEM;
}

static int make_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL || slash == path)
		return 0;
	_cleanup_free_ char *directory = strndup(path, (size_t)(slash - path));
	_cleanup_close_ const int fd =
		directory != NULL ? path_directory(directory, true) : -ENOMEM;
	if (fd >= 0)
		return 0;
	return fail(fd == -EROFS || fd == -EPERM || fd == -EACCES ? -EACCES : -EIO,
		    "cannot have the store in '%s': %s; name another place with --store or "
		    "STARTLINE_STORE",
		    directory != NULL ? directory : path, path_strerror(fd));
}

static const char *or_default(const char *url)
{
	if (url == NULL)
		url = getenv("STARTLINE_STORE");
	return url == NULL || *url == '\0' ? DEFAULT_PATH : url;
}

/* "PATH" or "sqlite:PATH". */
static const char *path_of(const char *url)
{
	return strncmp(url, "sqlite:", 7) == 0 ? url + 7 : url;
}

const char *store_file(const char *url)
{
	url = or_default(url);
	return is_postgres(url) ? NULL : path_of(url);
}

int store_open(const char *url, bool create, struct store **ret)
{
	url = or_default(url);
	if (strlen(url) >= URL_MAX)
		return fail(-EINVAL, "the store's URL is longer than %d bytes", URL_MAX);
	const bool by_url = is_postgres(url);
	if (!by_url && strstr(url, "://") != NULL)
		return fail(-EINVAL, "the store '%s': there are sqlite:PATH and postgresql://...",
			    url);
	_cleanup_(store_closep) struct store *st = calloc(1, sizeof(*st));
	if (st == NULL)
		return -ENOMEM;
	st->where = strdup(path_of(url));
	int r = st->where != NULL ? name_store(st, url) : -ENOMEM;
	if (r == 0 && create && !by_url)
		r = make_directory(st->where);
	if (r == 0)
		r = sql_open(by_url ? &driver_postgres : &driver_sqlite, st->where, st->name,
			     create, &st->sql);
	if (r < 0)
		return r;
	*ret = take_ptr(st);
	return 0;
}

struct store *store_close(struct store *s)
{
	if (s == NULL)
		return NULL;
	if (s->sql.driver != NULL)
		sql_close(&s->sql);
	free(s->where);
	free(s->name);
	free(s);
	return NULL;
}

const char *store_name(const struct store *s)
{
	return s->name;
}

/* ---- keys and texts ---- */

int64_t session_key(const char *id)
{
	char digits[KEY_DIGITS + 1];
	const size_t n = strnlen(id, KEY_DIGITS);
	memcpy(digits, id, n);
	digits[n] = '\0';
	return strtoll(digits, NULL, 16);
}

int64_t series_key(struct arena *arena, const char *scenario, const char *host_class,
		   const char *metric)
{
	char id[BLOB_ID_BYTES];
	/* No stored text has a newline: they are escaped. */
	const char *text = arena_printf(arena, "%s\n%s\n%s", scenario, host_class, metric);
	if (text == NULL)
		return 0;
	blob_id(text, strlen(text), id);
	return session_key(id);
}

const char *stored_text(struct arena *arena, const char *text)
{
	_cleanup_(buf_done) struct buf out;
	buf_init(&out, 4 * TEXT_MAX);
	if (text == NULL || text_escape(&out, text, strnlen(text, TEXT_MAX)) < 0)
		return "";
	const char *copy = arena_strdup(arena, buf_str(&out));
	return copy != NULL ? copy : "";
}

/* ---- entries ---- */

int entry_read(struct arena *arena, const struct sql_value *cells, size_t n, struct entry *ret)
{
	static const size_t texts[] = {
		[ENTRY_ID] = offsetof(struct store_entry, id),
		[ENTRY_SCENARIO] = offsetof(struct store_entry, scenario),
		[ENTRY_HOST_CLASS] = offsetof(struct store_entry, host_class),
		[ENTRY_COMMIT] = offsetof(struct store_entry, commit),
		[ENTRY_BRANCH] = offsetof(struct store_entry, branch),
		[ENTRY_NOTE] = offsetof(struct store_entry, note),
	};
	*ret = (struct entry){ 0 };
	if (n < ENTRY_COLUMNS)
		return -EIO;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (texts[i] == 0 && i != ENTRY_ID)
			continue;
		/* The database may be somebody else's: escaped again, which changes nothing in
		 * what was. */
		const char *text = stored_text(arena, cell_text(&cells[i]));
		memcpy((char *)&ret->about + texts[i], &text, sizeof(text));
	}
	ret->number = cell_integer(&cells[ENTRY_NUMBER]);
	ret->about.created_ns = cell_integer(&cells[ENTRY_CREATED]);
	ret->about.is_dirty = cell_integer(&cells[ENTRY_DIRTY]) != 0;
	if (n > ENTRY_NAME)
		ret->name = stored_text(arena, cell_text(&cells[ENTRY_NAME]));
	return 0;
}

int see_row(void *context, const struct sql_value *cells, size_t n)
{
	(void)cells;
	(void)n;
	*(bool *)context = true;
	return 0;
}

struct found {
	struct arena *arena;
	struct entry *entry;
	size_t n;
};

static int take_entry(void *context, const struct sql_value *cells, size_t n)
{
	struct found *found = context;
	return found->n++ == 0 ? entry_read(found->arena, cells, n, found->entry) : 0;
}

int entry_find(struct store *st, enum statement statement, const struct sql_value *parameters,
	       size_t n_parameters, struct arena *arena, struct entry *ret)
{
	struct found found = { .arena = arena, .entry = ret };
	const int r = sql_run(&st->sql, statement, parameters, n_parameters, take_entry, &found);
	if (r < 0)
		return r;
	return found.n > 0 ? 0 : -ENOENT;
}

int entry_by_id(struct store *st, const char *id, struct arena *arena, struct entry *ret)
{
	const size_t n = strlen(id);
	if (n < ID_LEAST || n >= BLOB_ID_BYTES || strspn(id, "0123456789abcdef") != n)
		return fail(-EINVAL, "'%s': the id of a run is %d or more hexadecimal digits", id,
			    ID_LEAST);
	/* A key is read from its first digits: here are always enough. */
	char pattern[BLOB_ID_BYTES + 1], first[BLOB_ID_BYTES + KEY_DIGITS],
		last[BLOB_ID_BYTES + KEY_DIGITS];
	(void)snprintf(pattern, sizeof(pattern), "%s%%", id);
	(void)snprintf(first, sizeof(first), "%s%s", id, "000000000000000");
	(void)snprintf(last, sizeof(last), "%s%s", id, "fffffffffffffff");
	const struct sql_value parameters[] = { sql_integer(session_key(first)),
						sql_integer(session_key(last)), sql_text(pattern) };
	struct found found = { .arena = arena, .entry = ret };
	const int r = sql_run(&st->sql, SQL_SESSION_BY_ID, parameters, 3, take_entry, &found);
	if (r < 0)
		return r;
	if (found.n == 0)
		return fail(-ENOENT, "there is no run '%s' in '%s': see `startline history`", id,
			    st->name);
	if (found.n > 1)
		return fail(-EINVAL, "'%s' is the beginning of several ids: give more digits", id);
	return 0;
}

int store_find(struct store *st, const char *id, struct store_entry *ret, struct arena *arena)
{
	struct entry entry;
	const int r = entry_by_id(st, id, arena, &entry);
	if (r == 0)
		*ret = entry.about;
	return r;
}

struct scenarios {
	int (*each)(void *context, const char *scenario, const char *host_class, int64_t n_sessions,
		    int64_t latest_ns);
	void *context;
	struct arena *arena;
};

static int give_scenario(void *context, const struct sql_value *cells, size_t n)
{
	const struct scenarios *s = context;
	return n < 4 ? -EIO
		     : s->each(s->context, stored_text(s->arena, cell_text(&cells[0])),
			       stored_text(s->arena, cell_text(&cells[1])), cell_integer(&cells[2]),
			       cell_integer(&cells[3]));
}

int store_scenarios(struct store *st,
		    int (*each)(void *context, const char *scenario, const char *host_class,
				int64_t n_sessions, int64_t latest_ns),
		    void *context)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct scenarios s = { .each = each, .context = context, .arena = arena };
	return arena == NULL ? -ENOMEM
			     : sql_run(&st->sql, SQL_SCENARIOS, NULL, 0, give_scenario, &s);
}

struct metric_names {
	int (*each)(void *context, const char *metric);
	void *context;
	struct arena *arena;
};

static int give_metric(void *context, const struct sql_value *cells, size_t n)
{
	const struct metric_names *m = context;
	return n < 1 ? -EIO : m->each(m->context, stored_text(m->arena, cell_text(&cells[0])));
}

int store_metrics(struct store *st, const char *scenario, const char *host_class,
		  int (*each)(void *context, const char *metric), void *context)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	if (arena == NULL)
		return -ENOMEM;
	struct metric_names m = { .each = each, .context = context, .arena = arena };
	const struct sql_value parameters[] = { sql_text(stored_text(arena, scenario)),
						sql_text(stored_text(arena, host_class)) };
	return sql_run(&st->sql, SQL_METRICS_OF, parameters, 2, give_metric, &m);
}

/* ---- pruning ---- */

static int count_row(void *context, const struct sql_value *cells, size_t n)
{
	(void)cells;
	(void)n;
	++*(size_t *)context;
	return 0;
}

int store_prune(struct store *st, int64_t before_ns, size_t keep, size_t *ret_removed)
{
	static const enum statement rest[] = { SQL_PRUNE_DOCUMENTS, SQL_PRUNE_POINTS,
					       SQL_PRUNE_SERIES };
	const struct sql_value parameters[] = {
		sql_integer(before_ns),
		sql_integer(keep > INT64_MAX ? INT64_MAX : (int64_t)keep),
	};
	size_t removed = 0;
	int r = sql_begin_alone(&st->sql);
	if (r == 0)
		r = sql_run(&st->sql, SQL_PRUNE_SESSIONS, parameters, 2, count_row, &removed);
	for (size_t i = 0; r == 0 && i < sizeof(rest) / sizeof(*rest); i++)
		r = sql_run(&st->sql, rest[i], NULL, 0, NULL, NULL);
	if (r == 0)
		r = sql_commit(&st->sql);
	else
		sql_rollback(&st->sql);
	if (r == 0 && ret_removed != NULL)
		*ret_removed = removed;
	return r;
}
