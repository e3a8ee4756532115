/* SPDX-License-Identifier: MIT */
/* Policy: what a measured change or value means. Whether there is a change and how large it is are
 * two questions: the interval answers the first, the levels the second. Pure functions. */
#ifndef USERSPACE_GATE_VERDICT_H
#define USERSPACE_GATE_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/model/compare/compare.h"

enum verdict {
	VERDICT_IMPROVED,
	VERDICT_UNCHANGED,
	VERDICT_REGRESSED,
	VERDICT_CHANGED, /* which way is not said: for the metric neither is better */
	VERDICT_INCONCLUSIVE,
	VERDICT_INCOMPARABLE,
	VERDICT_COUNT
};
const char *verdict_name(enum verdict verdict); /* "improved" … */
/* Whether there is a better and a worse, and it is no part of something that is judged as a whole: the tests
 * of a suite are parts of its time. */
bool verdict_may_be_worse(const struct change *c);
/* IMPROVED, REGRESSED or CHANGED. */
bool verdict_is_change(enum verdict verdict);

/* How bad it is. TOLERATED is green and marked "over, tolerated". */
enum level {
	LEVEL_GREEN,
	LEVEL_TOLERATED,
	LEVEL_YELLOW,
	LEVEL_INCONCLUSIVE,
	LEVEL_RED,
	LEVEL_COUNT
};
const char *level_name(enum level level); /* "green" …: gate/severity.c */

struct levels {
	double warn, fail; /* 0.05 is 5 % */
	double exact;	   /* the smallest change of an exact metric that matters */
};
#define LEVELS_BUDGET	((struct levels){ 0, 0, 0 })
#define LEVELS_BASELINE ((struct levels){ 0.05, 0.10, GATE_EXACT })

/* A change smaller than the margin is of no interest; an interval inside the band of equivalence
 * proves that there is none worth speaking of. */
#define GATE_MARGIN	 0.02
#define GATE_EQUIVALENCE 0.05
/* An exact change by less than this share, or of counts by less than 1, is of no interest. */
#define GATE_EXACT 0.001
/* A change as ratios head / base, also where it is known as a difference only; never negative, INFINITY
 * where base is 0. NAN: not known. */
struct ratios {
	double low, value, high;
};
struct ratios ratios_of(const struct change *c);
/* What one change says, by its interval. Direction by metric->better. BASIS_NONE, and a change
 * without an interval, is inconclusive. */
enum verdict verdict_of(const struct change *c);
/* For all that is said of @c from now on: the share to use in place of GATE_EXACT. */
void verdict_set_exact(struct comparison *c, double share);
/* One value a side, of two runs: no statistics are to blame for that. Processes of another tool are judged by what is
 * known of them. */
bool verdict_is_of_one_run_each(const struct change *c);
/* As verdict_of(), as part of @whole: INCOMPARABLE where the machines differ, but for exact metrics,
 * which do not depend on how fast a machine is. */
enum verdict verdict_in(const struct comparison *whole, const struct change *c);
/* … and how bad that is: yellow or red when the interval reaches warn or fail; CHANGED either way. */
enum level level_of(const struct change *c, enum verdict verdict, const struct levels *levels);
/* Whether it is certain that this is not as much worse as @fail, be there a change or not: the whole
 * interval lies below. */
bool verdict_excludes(const struct change *c, double fail);

/* About how many more pairs of runs would decide it, from the width of the interval now; 0: cannot
 * be said. */
size_t verdict_more_runs(const struct change *c);

#endif
