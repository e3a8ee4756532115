/* SPDX-License-Identifier: MIT */
/* Where sessions are kept: the documents, compressed, and an index of their metrics. SQLite by
 * default, PostgreSQL by URL; store_sql.c has every statement, a driver only executes them.
 *
 * Text is escaped on its way in (base/utf8.h), so that what comes out may be printed. All failures
 * are logged with the remedy and are -EIO (unreachable, damaged), -EACCES, -EBUSY (locked), -EPROTO
 * (written by a newer version), -ENOENT (no such baseline or run), -EEXIST, -EINVAL, -ENOMEM.
 * Nothing is ever stored by half. */
#ifndef USERSPACE_STORE_STORE_H
#define USERSPACE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/model/history/history.h"
#include "userspace/model/metrics.h"
#include "userspace/model/session.h"

struct store;

/* @url NULL: STARTLINE_STORE, else .startline/history.db. "sqlite:PATH" or a path; "postgresql://…".
 * @create false: -ENOENT, not logged, when there is no store yet. Commands go through
 * cmd/store_access.h. */
int store_open(const char *url, bool create, struct store **ret);
struct store *store_close(struct store *s); /* NULL */
/* The file that store_open() would open; NULL: it is on a server. */
const char *store_file(const char *url);
/* What it is called in messages: without a password. */
const char *store_name(const struct store *s);

struct store_entry {		/* what is known about a stored session besides the document */
	const char *id;		/* sha256 of the document, hexadecimal */
	int64_t created_ns;	/* CLOCK_REALTIME; 0: now */
	const char *scenario;	/* name; NULL: the normalised command line */
	const char *host_class; /* fingerprint; NULL: the session's */
	const char *commit, *branch, *note; /* "" when not known */
	bool is_dirty;
};

/* Escaped as text is stored; NULL is "". "" also when memory is short. */
const char *stored_text(struct arena *arena, const char *text);
/* The command line of @s with what changes from run to run taken out; "" when it has none. In
 * @arena; NULL: no memory. */
const char *store_scenario_of(const struct session *s, struct arena *arena);

/* Stores @s; the same document twice is one entry. @about may be NULL. Fills ret->id when @ret is
 * given: valid until the next call. */
int store_put(struct store *st, const struct session *s, const struct store_entry *about,
	      struct store_entry *ret);
/* By id, or a unique beginning of it of at least four digits. */
int store_get(struct store *st, const char *id, struct session **ret);
/* The same, without the document. */
int store_find(struct store *st, const char *id, struct store_entry *ret, struct arena *arena);
/* Calls @each for every series of runs, the latest first, until it returns non-zero. */
int store_scenarios(struct store *st,
		    int (*each)(void *context, const char *scenario, const char *host_class,
				int64_t n_sessions, int64_t latest_ns),
		    void *context);

/* Calls @each for every metric that such a series of runs has, in no order that means something. */
int store_metrics(struct store *st, const char *scenario, const char *host_class,
		  int (*each)(void *context, const char *metric), void *context);

/* Named baselines: immutable once saved; "name" then needs a removal first. A name is up to 200
 * bytes of printable UTF-8. */
int baseline_check_name(const char *name);
/* -EEXIST, logged: there is one of that name. */
int baseline_taken(const char *name);
int baseline_save(struct store *st, const char *name, const struct session *s,
		  const struct store_entry *about);
/* Whether there is one: 1 or 0. */
int baseline_has(struct store *st, const char *name);
/* @ret_about and @arena may be NULL. */
int baseline_load(struct store *st, const char *name, struct session **ret,
		  struct store_entry *ret_about, struct arena *arena);
int baseline_remove(struct store *st, const char *name);
/* Calls @each for every one, oldest first, until it returns non-zero; returns that. */
int baseline_each(struct store *st,
		  int (*each)(void *context, const char *name, const struct store_entry *about),
		  void *context);

/* Runs over time. */
/* The last @most points (0: all). No such series: a trend without points. */
int store_trend(struct store *st, const char *scenario, const char *host_class, const char *metric,
		size_t most, struct trend **ret);
/* Calls @each with the last @most points (1 or more) of every metric that runs of @scenario have (NULL: of
 * any; then a metric comes once for each), until it returns non-zero; returns that. @metric is as
 * stored_text() has it. Points have a time and a median. */
int store_trends(struct store *st, const char *scenario, const char *host_class, size_t most,
		 int (*each)(void *context, const char *metric, const struct trend *trend),
		 void *context);
/* Removes sessions that no baseline or annotation names and that are older than @before_ns
 * (INT64_MIN: none is) or beyond the last @keep of their series (SIZE_MAX: none is).
 * *ret_removed may be NULL. */
int store_prune(struct store *st, int64_t before_ns, size_t keep, size_t *ret_removed);
/* Marks the change of @metric at the run @id as accepted, and why. */
int store_annotate(struct store *st, const char *id, const char *metric, const char *text);

#endif
