/* SPDX-License-Identifier: MIT */
/* What came out of a scenario in one word, one line, one number. */

#include "userspace/gate/outcome.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/gate/undisturbed.h"

#define HEADLINE_MAX ((size_t)64 << 10)

#define BISECT_SKIP 125

static const enum severity of_kind[] = {
	[OUTCOME_SKIPPED] = SEVERITY_SKIPPED,
	[OUTCOME_MISCONFIGURED] = SEVERITY_MISCONFIGURED,
	[OUTCOME_TARGET_FAILED] = SEVERITY_TARGET_FAILED,
	[OUTCOME_CANNOT_JUDGE] = SEVERITY_CANNOT_JUDGE,
	[OUTCOME_TROUBLE] = SEVERITY_TROUBLE,
	[OUTCOME_JUDGED] = SEVERITY_CANNOT_JUDGE, /* a gate that looked at nothing has not passed */
};

bool outcome_is_whole(const struct outcome *o)
{
	return o->kind != OUTCOME_JUDGED || o->n_judgements == 0;
}

enum severity outcome_whole_severity(const struct outcome *o)
{
	return outcome_is_whole(o) ? of_kind[o->kind] : SEVERITY_PASSED;
}

bool outcome_tells_whole(const struct outcome *o)
{
	return outcome_is_whole(o) && outcome_whole_severity(o) == outcome_severity(o);
}

enum severity outcome_severity(const struct outcome *o)
{
	enum severity worst = outcome_whole_severity(o);
	for (size_t i = 0; i < o->n_judgements; i++) {
		const enum severity one = severity_of_level(o->judgements[i].level);
		worst = one < worst ? one : worst;
	}
	return worst;
}

/* --- worst first ---------------------------------------------------------------------------- */

/* How far over, as the logarithm of a factor. */
static double badness(const struct judgement *j)
{
	const double factor = j->is_budget ? 1 / j->headroom : j->ratio;
	if (isnan(factor) || factor <= 0)
		return 0;
	return j->is_budget ? log(factor) : fabs(log(factor));
}

int judgement_worse(const struct judgement *a, const struct judgement *b)
{
	if (a->level != b->level)
		return a->level > b->level ? -1 : 1;
	const double bad_a = badness(a), bad_b = badness(b);
	if (bad_a != bad_b)
		return bad_a > bad_b ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return strcmp(a->metric, b->metric);
}

static int worst_first(const void *left, const void *right)
{
	return judgement_worse(left, right);
}

void outcome_sort(struct outcome *o)
{
	if (o->n_judgements > 1)
		qsort(o->judgements, o->n_judgements, sizeof(*o->judgements), worst_first);
}

/* --- one line ------------------------------------------------------------------------------- */

const char *judgement_word(const struct judgement *j)
{
	if (!j->is_budget)
		return verdict_name(j->verdict);
	switch (j->level) {
	case LEVEL_GREEN:
		return "passed";
	case LEVEL_YELLOW:
		return j->is_below ? "below the range" : "warning";
	case LEVEL_RED:
		return j->is_floor ? "short of budget" : "over budget";
	case LEVEL_TOLERATED:
	case LEVEL_INCONCLUSIVE:
	case LEVEL_COUNT:
		break;
	}
	return level_name(j->level);
}

static void add_value(struct buf *out, const struct judgement *j)
{
	char base[UNITS_BYTES], head[UNITS_BYTES], change[UNITS_BYTES];
	(void)buf_addf(out, "%s: %s ", judgement_word(j), j->metric);
	if (isfinite(j->base_value))
		(void)buf_addf(out, "%s -> ", judgement_format(base, j, j->base_value));
	(void)buf_adds(out, judgement_format(head, j, j->actual));
	if (isfinite(j->ratio))
		(void)buf_addf(out, " (%s)", format_percent_signed(change, j->ratio - 1));
	if (j->is_budget)
		(void)buf_addf(out, ", target %s", j->target);
}

static bool is_explained(const struct judgement *j)
{
	return undisturbed_is_explained(j, metric_is(j->metric, METRIC_TOTAL) ? j->metric : "");
}

/* The worst, wherever it stands; where all are green how long it took, which is what people ask. */
static const struct judgement *foremost(const struct outcome *o)
{
	const struct judgement *worst = &o->judgements[0];
	for (size_t i = 1; i < o->n_judgements; i++) {
		if (judgement_worse(&o->judgements[i], worst) < 0)
			worst = &o->judgements[i];
	}
	for (size_t i = 0; worst->level == LEVEL_GREEN && i < o->n_judgements; i++) {
		if (is_explained(&o->judgements[i]))
			return &o->judgements[i];
	}
	return worst;
}

const char *outcome_headline(struct arena *arena, const struct outcome *o)
{
	_cleanup_(buf_done) struct buf line;
	buf_init(&line, HEADLINE_MAX);
	if (o->kind != OUTCOME_JUDGED && outcome_tells_whole(o))
		return o->reason != NULL ? o->reason : "";
	if (o->n_judgements == 0)
		return "nothing was judged";
	const struct judgement *first = foremost(o);
	add_value(&line, first);
	if (first->cause != NULL && first->cause[0] != '\0')
		(void)buf_addf(&line, ", %s", first->cause);
	return arena_strdup(arena, buf_str(&line));
}

/* --- exit status ---------------------------------------------------------------------------- */

enum severity outcomes_severity(const struct outcome *outcomes, size_t n)
{
	enum severity worst = n > 0 ? SEVERITY_PASSED : SEVERITY_CANNOT_JUDGE;
	for (size_t i = 0; i < n; i++) {
		const enum severity one = outcome_severity(&outcomes[i]);
		worst = one < worst ? one : worst;
	}
	return worst;
}

int outcomes_status(const struct outcome *outcomes, size_t n, bool is_strict)
{
	const enum severity worst = outcomes_severity(outcomes, n);
	return worst == SEVERITY_INCONCLUSIVE && !is_strict ? 0 : severities[worst].status;
}

static bool leaves_doubt(const struct outcome *o)
{
	for (size_t i = 0; i < o->n_judgements; i++) {
		const struct judgement *j = &o->judgements[i];
		if (j->level == LEVEL_INCONCLUSIVE && !j->excludes_fail)
			return true;
	}
	return false;
}

int outcomes_bisect_status(const struct outcome *outcomes, size_t n)
{
	const enum severity worst = outcomes_severity(outcomes, n);
	if (worst == SEVERITY_FAILED)
		return 1;
	/* Nothing graver occurred than what is open. */
	bool is_good = worst >= SEVERITY_INCONCLUSIVE;
	for (size_t i = 0; i < n && is_good; i++)
		is_good = !leaves_doubt(&outcomes[i]);
	return is_good ? 0 : BISECT_SKIP;
}
