/* SPDX-License-Identifier: MIT */
/* FILE#ENTRY: only some of the entries of a result. So that two of one file have metrics in common,
 * what tells them apart leaves the ids. */

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/foreign/foreign.h"
#include "userspace/model/metrics.h"

#define MAX_LISTED 20 /* names in a message */
#define WILDCARDS  "*?[\\"

/* --- FILE and ENTRY -------------------------------------------------------------------------- */

static bool is_there(const char *path)
{
	_cleanup_(buf_done) struct buf directory = { .limit = PATH_MAX };
	struct stat st;
	const char *name = NULL;
	return stat(path, &st) == 0 || foreign_split(path, &directory, &name);
}

const char *foreign_entry(const char *ref, struct buf *ret_path)
{
	/* The longest name that exists: files may have a # in theirs, entries too. */
	for (size_t n = strlen(ref); n > 0; n--) {
		if (ref[n] != '\0' && ref[n] != '#')
			continue;
		buf_clear(ret_path);
		if (buf_add(ret_path, ref, n) < 0)
			return NULL;
		if (is_there(buf_str(ret_path)))
			return ref[n] == '#' ? ref + n + 1 : NULL;
	}
	buf_clear(ret_path);
	(void)buf_adds(ret_path, ref);
	return NULL;
}

static int no_memory(const char *path)
{
	return fail(-ENOMEM, "'%s': memory is short", path);
}

/* --- choosing -------------------------------------------------------------------------------- */

/* What stands in the brackets of an id, or all of one without. */
struct entry {
	const char *text;
	size_t n;
};

static struct entry entry_of(const char *id)
{
	const char *open = strchr(id, '[');
	const size_t n = strlen(id);
	if (open == NULL || id[n - 1] != ']')
		return (struct entry){ id, n };
	return (struct entry){ open + 1, (size_t)(id + n - open) - 2 };
}

static bool is_same(struct entry a, struct entry b)
{
	return a.n == b.n && memcmp(a.text, b.text, a.n) == 0;
}

struct choice {
	struct entry wanted;
	bool is_glob;		   /* no entry has this very name */
	bool is_single;		   /* one entry, maybe of several metrics */
	size_t n_prefix, n_suffix; /* of the wanted text: what is not wild */
};

/* 1, 0 or -ENOMEM. */
static int is_chosen(struct session *s, const struct choice *c, struct entry entry)
{
	if (!c->is_glob)
		return is_same(entry, c->wanted);
	const char *name = arena_strndup(s->arena, entry.text, entry.n);
	if (name == NULL)
		return -ENOMEM;
	return fnmatch(c->wanted.text, name, 0) == 0;
}

static struct choice choose(struct session *s, const char *which)
{
	struct choice c = { .wanted = { which, strlen(which) }, .is_glob = true };
	for (size_t i = 0; i < s->n_series && c.is_glob; i++)
		c.is_glob = !is_same(entry_of(s->series[i].id), c.wanted);
	c.n_prefix = strcspn(which, WILDCARDS);
	while (c.n_prefix + c.n_suffix < c.wanted.n &&
	       strchr(WILDCARDS "]", which[c.wanted.n - 1 - c.n_suffix]) == NULL)
		c.n_suffix++;
	return c;
}

/* --- ids ------------------------------------------------------------------------------------- */

/* What the wildcards stand for, the whole name where they are none that can be told. */
static struct entry wild_part(const struct choice *c, struct entry entry)
{
	const size_t n_fixed = c->n_prefix + c->n_suffix;
	if (n_fixed > entry.n || memcmp(entry.text, c->wanted.text, c->n_prefix) != 0)
		return entry;
	return (struct entry){ entry.text + c->n_prefix, entry.n - n_fixed };
}

static int rename_series(struct session *s, const struct choice *c, const char *path,
			 struct series *series)
{
	_cleanup_(buf_done) struct buf id = { .limit = strlen(series->id) + sizeof("value") };
	const struct entry entry = entry_of(series->id);
	const size_t n_stem = (size_t)(entry.text - series->id);
	const struct entry rest = c->is_single ? (struct entry){ "", 0 } : wild_part(c, entry);
	if (n_stem > 0)
		(void)buf_add(&id, series->id, n_stem - 1);
	else if (rest.n == 0)
		(void)buf_adds(&id, "value");
	if (rest.n > 0 && n_stem > 0)
		(void)buf_addf(&id, "[%.*s]", (int)rest.n, rest.text);
	else
		(void)buf_add(&id, rest.text, rest.n);
	const struct metric *known = metrics_row(buf_str(&id));
	if (known != NULL && known->unit != series->metric->unit)
		return fail(-EBADMSG, "%s is measured in %s, not in %s", buf_str(&id),
			    unit_name(known->unit), unit_name(series->metric->unit));
	series->metric =
		known != NULL ? known : session_own_metric(s, buf_str(&id), series->metric);
	series->id = arena_intern(s->arena, buf_str(&id));
	const bool is_whole = id.error == 0 && series->id != NULL && series->metric != NULL;
	return is_whole ? 0 : no_memory(path);
}

static int no_such_entry(const struct session *s, const char *which, const char *path)
{
	_cleanup_(buf_done) struct buf names = { .limit = 1 << 16 };
	struct entry last = { NULL, 0 };
	size_t n = 0;
	for (size_t i = 0; i < s->n_series; i++) {
		const struct entry entry = entry_of(s->series[i].id);
		if (last.text != NULL && is_same(entry, last))
			continue;
		last = entry;
		if (n++ < MAX_LISTED)
			(void)buf_addf(&names, "%s'%.*s'", n > 1 ? ", " : "", (int)entry.n,
				       entry.text);
	}
	if (n > MAX_LISTED)
		(void)buf_addf(&names, " and %zu more", n - MAX_LISTED);
	return fail(-ENOENT, "'%s': it has no entry '%s'; there are %s", path, which,
		    buf_str(&names));
}

int foreign_select(struct session *s, const char *which, const char *path)
{
	if (s->n_runs > 0)
		return fail(-EINVAL, "'%s#%s': only results of other tools have entries behind a #",
			    path, which);
	struct choice c = choose(s, which);
	struct entry first = { NULL, 0 };
	size_t n = 0;
	c.is_single = true;
	for (size_t i = 0; i < s->n_series; i++) {
		const struct entry entry = entry_of(s->series[i].id);
		const int chosen = is_chosen(s, &c, entry);
		if (chosen < 0)
			return no_memory(path);
		if (chosen == 0)
			continue;
		c.is_single = c.is_single && (n == 0 || is_same(entry, first));
		first = n == 0 ? entry : first;
		s->series[n++] = s->series[i];
	}
	if (n == 0)
		return no_such_entry(s, which, path);
	s->n_series = n;
	int r = 0;
	for (size_t i = 0; i < n && r == 0; i++)
		r = rename_series(s, &c, path, &s->series[i]);
	if (r < 0)
		return r;
	const char *note = arena_printf(s->arena, "only its entry '%s'", which);
	return note != NULL && session_add_note(s, note) == 0 ? 0 : no_memory(path);
}
