/* SPDX-License-Identifier: MIT */
/* Where sessions are kept: the documents, compressed, and an index of their metrics. SQLite by
 * default, PostgreSQL by URL; store_sql.c has every statement, a driver only executes them.
 * All failures are logged with the remedy and are -EIO, -EACCES, -EBUSY, -EPROTO (written by a newer
 * version), -ENOENT (no such baseline), -EEXIST. */
#ifndef USERSPACE_STORE_STORE_H
#define USERSPACE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/model/metrics.h"
#include "userspace/model/session.h"

struct store;

/* @url NULL: STARTLINE_STORE, else .startline/history.db. "sqlite:PATH" or a path; "postgresql://…".
 * @create false: -ENOENT, not logged, when there is no store yet. */
int store_open(const char *url, bool create, struct store **ret);
struct store *store_close(struct store *s); /* NULL */

struct store_entry {		/* what is known about a stored session besides the document */
	const char *id;		/* sha256 of the document, hexadecimal */
	int64_t created_ns;	/* CLOCK_REALTIME */
	const char *scenario;	/* name, or the normalised command line */
	const char *host_class; /* fingerprint */
	const char *commit, *branch, *note; /* "" when not known */
	bool is_dirty;
};

/* Stores @s; the same document twice is one entry. Fills ret->id when @ret is given. */
int store_put(struct store *st, const struct session *s, const struct store_entry *about,
	      struct store_entry *ret);
/* By id, or a unique beginning of it. */
int store_get(struct store *st, const char *id, struct session **ret);

/* Named baselines: immutable once saved; "name" then needs a removal first. */
int baseline_save(struct store *st, const char *name, const struct session *s,
		  const struct store_entry *about);
int baseline_load(struct store *st, const char *name, struct session **ret,
		  struct store_entry *ret_about, struct arena *arena);
int baseline_remove(struct store *st, const char *name);
/* Calls @each for every one, oldest first, until it returns non-zero; returns that. */
int baseline_each(struct store *st,
		  int (*each)(void *context, const char *name, const struct store_entry *about),
		  void *context);

/* Runs over time. */
struct point {
	int64_t created_ns;
	const char *id, *commit;
	size_t n;
	double median, low, high;
	const char *annotation; /* an accepted change, or NULL */
};
struct trend {
	struct arena *arena;
	enum unit unit;
	enum better better;
	struct point *points; /* oldest first */
	size_t n_points;
};
int store_trend(struct store *st, const char *scenario, const char *host_class, const char *metric,
		struct trend **ret);
struct trend *trend_free(struct trend *t);
/* Removes sessions that no baseline names and that are older than @before_ns or beyond the last
 * @keep of their series. *ret_removed may be NULL. */
int store_prune(struct store *st, int64_t before_ns, size_t keep, size_t *ret_removed);
int store_annotate(struct store *st, const char *id, const char *metric, const char *text);

#endif
