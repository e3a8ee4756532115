/* SPDX-License-Identifier: MIT */
/* What came out of a scenario in one word, one line, one number. */

#include "userspace/gate/outcome.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"

#define HEADLINE_MAX ((size_t)64 << 10)

enum {
	STATUS_PASSED = 0,
	STATUS_FAILED = 1,
	STATUS_MISCONFIGURED = 2,
	STATUS_TARGET_FAILED = 3,
	STATUS_CANNOT_JUDGE = 4,
	STATUS_INCONCLUSIVE = 5,
	STATUS_TROUBLE = 6,
	BISECT_SKIP = 125,
};

enum level outcome_level(const struct outcome *o)
{
	enum level worst = LEVEL_GREEN;
	for (size_t i = 0; i < o->n_judgements; i++) {
		if (o->judgements[i].level > worst)
			worst = o->judgements[i].level;
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

/* What moved most; only the metric that the breakdown adds up to is explained by it. */
static void add_cause(struct buf *out, const struct outcome *o, const struct judgement *j)
{
	char delta[UNITS_BYTES];
	const struct comparison *c = o->comparison;
	const struct contribution *most = c != NULL ? comparison_cause(c) : NULL;
	if (j->verdict != VERDICT_REGRESSED || most == NULL || !metric_is(j->metric, METRIC_TOTAL))
		return;
	const char *object =
		most->detail != NULL && *most->detail != '\0' ? most->detail : most->process;
	(void)buf_addf(out, ", %s %s %s%s", contribution_cause(most), object != NULL ? object : "",
		       most->delta_ns > 0 ? "+" : "", format_ns(delta, (double)most->delta_ns));
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
		if (metric_is(o->judgements[i].metric, METRIC_TOTAL))
			return &o->judgements[i];
	}
	return worst;
}

const char *outcome_headline(struct arena *arena, const struct outcome *o)
{
	_cleanup_(buf_done) struct buf line;
	buf_init(&line, HEADLINE_MAX);
	if (o->kind != OUTCOME_JUDGED)
		return o->reason != NULL ? o->reason : "";
	if (o->n_judgements == 0)
		return "nothing was judged";
	const struct judgement *first = foremost(o);
	add_value(&line, first);
	add_cause(&line, o, first);
	return arena_strdup(arena, buf_str(&line));
}

/* --- exit status ---------------------------------------------------------------------------- */

static int status_of(const struct outcome *o)
{
	switch (o->kind) {
	case OUTCOME_SKIPPED:
		return STATUS_PASSED;
	case OUTCOME_MISCONFIGURED:
		return STATUS_MISCONFIGURED;
	case OUTCOME_TARGET_FAILED:
		return STATUS_TARGET_FAILED;
	case OUTCOME_CANNOT_JUDGE:
		return STATUS_CANNOT_JUDGE;
	case OUTCOME_TROUBLE:
		return STATUS_TROUBLE;
	case OUTCOME_JUDGED:
		break;
	}
	/* A gate that looked at nothing has not passed. */
	if (o->n_judgements == 0)
		return STATUS_CANNOT_JUDGE;
	const enum level level = outcome_level(o);
	return level == LEVEL_RED	     ? STATUS_FAILED
	       : level == LEVEL_INCONCLUSIVE ? STATUS_INCONCLUSIVE
					     : STATUS_PASSED;
}

int outcomes_status(const struct outcome *outcomes, size_t n, bool is_strict)
{
	static const int order[] = { STATUS_MISCONFIGURED, STATUS_TROUBLE, STATUS_TARGET_FAILED,
				     STATUS_CANNOT_JUDGE,  STATUS_FAILED,  STATUS_INCONCLUSIVE };
	if (n == 0)
		return STATUS_CANNOT_JUDGE;
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		if (order[i] == STATUS_INCONCLUSIVE && !is_strict)
			break;
		for (size_t k = 0; k < n; k++) {
			if (status_of(&outcomes[k]) == order[i])
				return order[i];
		}
	}
	return STATUS_PASSED;
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
	const int status = outcomes_status(outcomes, n, true);
	if (status == STATUS_PASSED || status == STATUS_FAILED)
		return status;
	/* Nothing graver occurred then. */
	bool is_good = status == STATUS_INCONCLUSIVE;
	for (size_t i = 0; i < n && is_good; i++)
		is_good = !leaves_doubt(&outcomes[i]);
	return is_good ? STATUS_PASSED : BISECT_SKIP;
}
