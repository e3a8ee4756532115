/* SPDX-License-Identifier: MIT */
/* Named baselines: a name for a stored session, which then stays. */

#include <errno.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/base/utf8.h"
#include "userspace/store/internal.h"

#define NAME_BYTES_MAX 200

static bool is_name(const char *name)
{
	const size_t n = strnlen(name, NAME_BYTES_MAX + 1);
	_cleanup_(buf_done) struct buf escaped;
	buf_init(&escaped, 4 * NAME_BYTES_MAX + 4);
	(void)text_escape(&escaped, name, n);
	return n > 0 && n <= NAME_BYTES_MAX && *name != '@' && strcmp(buf_str(&escaped), name) == 0;
}

int baseline_check_name(const char *name)
{
	if (is_name(name))
		return 0;
	return fail(-EINVAL,
		    "'%s' cannot be the name of a baseline: 1 to %d bytes of printable text that "
		    "does not begin with '@'",
		    name, NAME_BYTES_MAX);
}

int baseline_taken(const char *name)
{
	return fail(-EEXIST,
		    "there is a baseline '%s' already, and baselines do not change: take another "
		    "name, or first `startline baseline rm %s`",
		    name, name);
}

static int add_name(struct store *st, const char *name, const struct store_entry *about,
		    struct arena *arena, int64_t number)
{
	const struct sql_value parameters[] = {
		sql_text(name),
		sql_integer(number),
		sql_integer(about != NULL && about->created_ns != 0
				    ? about->created_ns
				    : (int64_t)clock_ns(CLOCK_REALTIME)),
		sql_text(stored_text(arena, about != NULL ? about->note : NULL)),
	};
	bool is_new = false;
	const int r = sql_run(&st->sql, SQL_BASELINE_ADD, parameters, 4, see_row, &is_new);
	return r < 0 || is_new ? r : baseline_taken(name);
}

int baseline_save(struct store *st, const char *name, const struct session *s,
		  const struct store_entry *about)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	int64_t number = 0;
	int r = arena != NULL ? baseline_check_name(name) : -ENOMEM;
	if (r < 0)
		return r;
	/* What has no command line is the only one of its kind. */
	struct store_entry entry = about != NULL ? *about : (struct store_entry){ 0 };
	if (entry.scenario == NULL && s->command.n == 0)
		entry.scenario = name;
	r = sql_begin(&st->sql);
	if (r == 0)
		r = session_put(st, s, &entry, arena, &number);
	if (r == 0)
		r = add_name(st, name, about, arena, number);
	if (r == 0)
		return sql_commit(&st->sql);
	sql_rollback(&st->sql);
	return r;
}

int baseline_has(struct store *st, const char *name)
{
	const struct sql_value parameter = sql_text(name);
	bool is_there = false;
	const int r = is_name(name) ? sql_run(&st->sql, SQL_BASELINE_GET, &parameter, 1, see_row,
					      &is_there)
				    : 0;
	return r < 0 ? r : is_there;
}

static int no_such(const struct store *st, const char *name)
{
	return fail(-ENOENT, "there is no baseline '%s' in '%s': see `startline baseline list`",
		    name, st->name);
}

int baseline_load(struct store *st, const char *name, struct session **ret,
		  struct store_entry *ret_about, struct arena *arena)
{
	_cleanup_(arena_freep) struct arena *own = arena == NULL ? arena_new() : NULL;
	struct arena *a = arena != NULL ? arena : own;
	if (a == NULL)
		return -ENOMEM;
	struct entry entry;
	const struct sql_value parameter = sql_text(name);
	int r = is_name(name) ? entry_find(st, SQL_BASELINE_GET, &parameter, 1, a, &entry)
			      : -ENOENT;
	if (r == -ENOENT)
		return no_such(st, name);
	if (r == 0)
		r = document_load(st, entry.number, ret);
	if (r == 0 && ret_about != NULL && arena != NULL)
		*ret_about = entry.about;
	return r;
}

int baseline_remove(struct store *st, const char *name)
{
	const struct sql_value parameter = sql_text(name);
	bool was_there = false;
	if (!is_name(name))
		return no_such(st, name);
	const int r = sql_run(&st->sql, SQL_BASELINE_REMOVE, &parameter, 1, see_row, &was_there);
	return r == 0 && !was_there ? no_such(st, name) : r;
}

struct each {
	struct arena *arena;
	int (*function)(void *context, const char *name, const struct store_entry *about);
	void *context;
};

static int give_baseline(void *context, const struct sql_value *cells, size_t n)
{
	const struct each *each = context;
	struct entry entry;
	const int r = entry_read(each->arena, cells, n, &entry);
	return r < 0 ? r : each->function(each->context, entry.name, &entry.about);
}

int baseline_each(struct store *st,
		  int (*each)(void *context, const char *name, const struct store_entry *about),
		  void *context)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct each e = { .arena = arena, .function = each, .context = context };
	return arena == NULL ? -ENOMEM
			     : sql_run(&st->sql, SQL_BASELINES, NULL, 0, give_baseline, &e);
}
