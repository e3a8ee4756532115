/* SPDX-License-Identifier: MIT */
/* A metric over time, and what its course says: where the level changed for good, which points are
 * spikes, and whether it crept away from an anchor in steps too small to be seen one by one. This
 * only measures; view/ words it with the verdicts of gate/. */
#ifndef USERSPACE_MODEL_HISTORY_HISTORY_H
#define USERSPACE_MODEL_HISTORY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/model/compare/compare.h"
#include "userspace/model/metrics.h"

/* Of the intervals. */
#define HISTORY_LEVEL 0.99

struct point {
	int64_t created_ns;
	const char *id, *commit; /* id: its first 15 digits */
	size_t n;
	double median, low, high; /* low and high: the 95 % interval, NAN where n is too small */
	const char *annotation;	  /* of an accepted change, why; NULL: none was */
};
struct trend { /* of one series of runs, from the store */
	struct arena *arena;
	enum unit unit;
	enum better better;
	struct point *points; /* oldest first */
	size_t n_points;
};
struct trend *trend_free(struct trend *t); /* NULL */

/* The first point from @from on whose id or commit begins with @text, at least four digits; or that
 * is not older than the date @text ("2026-03-01", "2026-03-01 14:02", UTC). n_points: there is none. */
size_t trend_find(const struct trend *t, const char *text, size_t from);
/* The first point that is not older. n_points: there is none. */
size_t trend_at(const struct trend *t, int64_t since_ns);
/* Leaves out the points before @from. */
void trend_cut(struct trend *t, size_t from);
/* How the last points differ from one to the next, changes aside, as noise from process to process: each
 * point is of @n_processes, and differs by less than these do. n 0 where they are too few to tell. */
struct known_noise trend_noise(const struct trend *t, size_t n_processes);
/* A date as in trend_find(), or a duration before @now_ns: "90d". -EINVAL, -ERANGE. */
int parse_since(const char *text, int64_t now_ns, int64_t *ret_ns);

struct history_segment { /* points without a change: [from, to) */
	size_t from, to;
	double median; /* NAN: no point has a value */
};

struct history_change {
	size_t at;	      /* the first point after it */
	struct change change; /* of the segments around it; no series behind base and head */
	double p;	      /* that there is none here (base/stats_changepoint.h) */
	const char *accepted; /* the annotation, may be ""; NULL: nobody has accepted it */
};

/* The last points against those at the anchor. Accepted changes between the two are taken out: the
 * anchor is moved by them, its spread stays. */
struct history_drift {
	size_t anchor, anchor_end; /* [anchor, anchor_end) */
	size_t head;		   /* [head, n_points) */
	struct change change;
	double accepted, steps; /* ratios of all accepted and all other changes in between; 1: none;
				 * NAN: the values have no ratio */
	const char *reason;	/* why nothing can be said, or NULL */
};

struct history {
	struct arena *arena;
	const struct trend *trend; /* borrowed */
	struct metric metric;	   /* as the trend has it */
	struct history_segment *segments;
	size_t n_segments;
	struct history_change *changes; /* oldest first; one less than segments */
	size_t n_changes;
	bool *is_spike; /* of each point */
	struct history_drift drift;
};

/* @id: the metric. @anchor: index of a point; beyond the last: the last. Changes smaller than @margin
 * (0.02 is 2 %) are of no interest, but for metrics that are compared exactly. @t must outlive the
 * result. -ENOMEM. */
int history_build(const struct trend *t, const char *id, size_t anchor, double margin,
		  struct history **ret);
struct history *history_free(struct history *h); /* NULL */

/* The change that the point @i is at, or next to: within STATS_SEGMENT_MIN points. NULL: none. */
const struct history_change *history_change_near(const struct history *h, size_t i);

#endif
