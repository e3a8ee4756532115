/* SPDX-License-Identifier: MIT */
/* What `check` or `ab` found out about one scenario: the only thing that the terminal report, the CI
 * outputs and the exit status look at. */
#ifndef USERSPACE_GATE_OUTCOME_H
#define USERSPACE_GATE_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/gate/budget.h"
#include "userspace/gate/severity.h"
#include "userspace/model/compare/compare.h"

enum outcome_kind {
	OUTCOME_JUDGED,
	OUTCOME_SKIPPED,       /* the artefacts are byte-identical: nothing to judge */
	OUTCOME_MISCONFIGURED, /* only measuring showed it: so few values give no p95 */
	OUTCOME_TARGET_FAILED, /* crash, timeout, exit before ready */
	OUTCOME_CANNOT_JUDGE,  /* different machines, no such baseline, nothing compared */
	OUTCOME_TROUBLE,       /* startline or its store failed */
};

struct outcome {
	const char *scenario;
	const char *command; /* for people */
	const char *file;    /* startline.yml, or NULL */
	int line;
	enum outcome_kind kind;
	const char *reason; /* one line; of what was judged why it ended early, or "" */
	struct session *session, *base, *control; /* owned by whoever made it; may be NULL */
	struct comparison *comparison;		  /* NULL: no baseline took part */
	const char *base_name;			  /* "@main", "origin/main", a command */
	struct judgement *judgements;		  /* worst first */
	size_t n_judgements;
	size_t pairs, repeats; /* of an interleaved comparison; 0: there was none */
	uint64_t seed;
	bool control_differs; /* verdicts are withheld */
};

/* "regressed", "over budget", "short of budget", "below the range", "passed" … */
const char *judgement_word(const struct judgement *j);
/* For qsort: by level, then by how far over, then by line. */
int judgement_worse(const struct judgement *a, const struct judgement *b);
/* Whether there is something to be said of the scenario as a whole: it did not come to an end, or
 * nothing was judged. */
bool outcome_is_whole(const struct outcome *o);
enum severity
outcome_whole_severity(const struct outcome *o); /* of that; PASSED: there is nothing */
/* … and no judgement is worse than that: the headline is about it. */
bool outcome_tells_whole(const struct outcome *o);
/* The worst of it and of its judgements. */
enum severity outcome_severity(const struct outcome *o);
/* The worst of all; CANNOT_JUDGE when there are none. */
enum severity outcomes_severity(const struct outcome *outcomes, size_t n);
/* Sorts the judgements: worst first, then by how far over. */
void outcome_sort(struct outcome *o);
/* "regressed: startup.ready 812 ms -> 1.4 s (+72 %), connect tcp 127.0.0.1:5432 +560 ms": one line,
 * without escapes. In @arena; NULL: no memory. */
const char *outcome_headline(struct arena *arena, const struct outcome *o);

/* Exit status of `check`: 0, or the first of 2, 6, 3, 1, 4, 5 that occurred (gate/severity.h); 5,
 * inconclusive, only when @is_strict. No outcomes at all, or one that judged nothing: 4. */
int outcomes_status(const struct outcome *outcomes, size_t n, bool is_strict);
/* The same for `git bisect run`: 0 good, 1 bad, 125 cannot be tested. Good is also what is inconclusive
 * but for certain not as much worse as `fail`: which of the two it is, is all that is asked. */
int outcomes_bisect_status(const struct outcome *outcomes, size_t n);

#endif
