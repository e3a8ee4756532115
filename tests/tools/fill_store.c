/* SPDX-License-Identifier: MIT */
/* Puts runs into a store, of one metric and all at once: saving a hundred thousand would take minutes.
 * usage: fill_store FILE SCENARIO HOST_CLASS METRIC UNIT <lines of "SECONDS COMMIT VALUE" */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/store/internal.h"

enum { ARG_STORE = 1, ARG_SCENARIO, ARG_HOST_CLASS, ARG_METRIC, ARG_UNIT, ARGS };

static int add_run(struct sql *q, struct arena *arena, char **argv, int64_t series, int64_t seconds,
		   const char *commit, double value)
{
	char id[BLOB_ID_BYTES];
	const char *of = stored_text(arena, argv[ARG_SCENARIO]);
	const char *on = stored_text(arena, argv[ARG_HOST_CLASS]);
	const char *about = arena_printf(arena, "%s\n%s\n%lld", of, on, (long long)seconds);
	if (about == NULL)
		return -1;
	blob_id(about, strlen(about), id);
	const int64_t number = session_key(id), created_ns = seconds * 1000000000;
	const struct sql_value session[] = {
		sql_integer(number), sql_text(id), sql_integer(created_ns),
		sql_text(of),	     sql_text(on), sql_text(stored_text(arena, commit)),
		sql_text("trunk"),   sql_text(""), sql_integer(0),
		sql_integer(10),
	};
	const struct sql_value point[] = {
		sql_integer(series),	sql_integer(created_ns), sql_integer(number),
		sql_integer(10),	sql_real(value),	 sql_real(value * 0.99),
		sql_real(value * 1.01),
	};
	const int r = sql_run(q, SQL_SESSION_ADD, session, 10, NULL, NULL);
	return r < 0 ? r : sql_run(q, SQL_POINT_ADD, point, 7, NULL, NULL);
}

static int fill(struct sql *q, struct arena *arena, char **argv)
{
	const char *of = stored_text(arena, argv[ARG_SCENARIO]);
	const char *on = stored_text(arena, argv[ARG_HOST_CLASS]);
	const char *metric = stored_text(arena, argv[ARG_METRIC]);
	const int64_t series = series_key(arena, of, on, metric);
	const struct sql_value row[] = {
		sql_integer(series),	  sql_text(of),	    sql_text(on), sql_text(metric),
		sql_text(argv[ARG_UNIT]), sql_text("lower")
	};
	int r = sql_run(q, SQL_SERIES_ADD, row, 6, NULL, NULL);
	long long seconds;
	double value;
	char commit[128];
	while (r >= 0 && scanf("%lld %127s %lf", &seconds, commit, &value) == 3)
		r = add_run(q, arena, argv, series, seconds, commit, value);
	return r;
}

int main(int argc, char **argv)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct sql q;
	if (argc != ARGS || arena == NULL ||
	    sql_open(&driver_sqlite, argv[ARG_STORE], argv[ARG_STORE], true, &q) < 0)
		return 2;
	int r = sql_begin(&q);
	if (r >= 0)
		r = fill(&q, arena, argv);
	if (r >= 0)
		r = sql_commit(&q);
	sql_close(&q);
	return r < 0 ? 1 : 0;
}
