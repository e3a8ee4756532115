/* SPDX-License-Identifier: MIT */
/* The metrics of a scenario that are judged against what it is compared with: one family, whose members
 * pay for each other. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/gate/disturbance.h"
#include "userspace/gate/judge_internal.h"
#include "userspace/gate/proven.h"
#include "userspace/gate/sequence.h"
#include "userspace/gate/undisturbed.h"

/* Two-sided: a tenth on the side of getting worse. */
#define LEVEL_OF_SCREEN 0.80

struct gate {
	struct change *changes, *controls;
	enum verdict *verdicts;
	size_t n;
};

static int change_between(const struct comparison *whole, struct session *base,
			  struct session *head, const char *id, struct change *ret)
{
	/* Of another tool's results, say. */
	static const struct metric unknown = { .unit = UNIT_COUNT,
					       .better = BETTER_NEITHER,
					       .class = CLASS_SIZE };
	const struct series *b = metrics_find(base, id), *h = metrics_find(head, id);
	if (b == NULL && h == NULL) {
		const struct metric *row = metrics_row(id);
		*ret = (struct change){ .id = id,
					.metric = row != NULL ? row : &unknown,
					.base_value = NAN,
					.head_value = NAN,
					.base_estimate = NAN,
					.head_estimate = NAN,
					.ratio = NAN,
					.low = NAN,
					.high = NAN,
					.reason = "on neither side" };
		return 0;
	}
	/* By processes it was compared as one of all. */
	const struct change *known = whole != NULL ? comparison_find(whole, id) : NULL;
	if (known != NULL && known->processes.n_base > 0) {
		*ret = *known;
		return 0;
	}
	return change_of(b, h, SEQUENCE_LEVEL, ret);
}

static int gate_alloc(struct judging *g, size_t n, struct gate *ret)
{
	/* One more, for the second opinion. */
	ret->changes = arena_alloc_array(g->arena, n + 1, sizeof(*ret->changes));
	ret->controls = arena_alloc_array(g->arena, n + 1, sizeof(*ret->controls));
	ret->verdicts = arena_alloc_array(g->arena, n + 1, sizeof(*ret->verdicts));
	return ret->changes == NULL || ret->controls == NULL || ret->verdicts == NULL ? -ENOMEM : 0;
}

/* Results of another tool are benchmarks, each of which somebody wrote: all count. */
static bool is_judged(const struct change *c)
{
	return c->basis != BASIS_NONE && verdict_may_be_worse(c);
}

static int gather_all(struct judging *g, struct gate *ret)
{
	const struct comparison *c = g->e->gate->comparison;
	const int r = gate_alloc(g, c->n_changes + 1, ret);
	for (size_t i = 0; r >= 0 && i < c->n_changes; i++) {
		if (is_judged(&c->changes[i]))
			ret->changes[ret->n++] = c->changes[i];
	}
	return r;
}

/* Measured, but on one side it was not captured: that may hide what it would have shown. */
static bool is_half(const struct against *a, const struct change *c)
{
	return a->session->n_runs > 0 && a->head->n_runs > 0 && c->basis == BASIS_NONE &&
	       isnan(c->base_value) != isnan(c->head_value);
}

static int gather_one(struct judging *g, const char *id, size_t at, struct gate *ret)
{
	const struct against *a = g->e->gate;
	const int r = change_between(a->comparison, a->session, a->head, id, &ret->changes[at]);
	ret->changes[at].exact_share = g->e->scenario->baseline_levels.exact;
	return r < 0 || a->control == NULL
		       ? r
		       : change_between(NULL, a->session, a->control, id, &ret->controls[at]);
}

static int gather(struct judging *g, struct gate *ret)
{
	if (g->e->scenario->results != NULL && g->e->scenario->gate.n == 0)
		return gather_all(g, ret);
	struct text_list ids = { 0 };
	/* Metrics that are judged by default may be missing on both sides; those that were named may
	 * not. */
	const bool is_chosen = g->e->scenario->gate.n > 0;
	int r = scenario_gate_metrics(g->arena, g->e->scenario, &ids);
	if (r >= 0)
		r = gate_alloc(g, ids.n, ret);
	for (size_t i = 0; r >= 0 && i < ids.n; i++) {
		const struct change *c = &ret->changes[ret->n];
		r = gather_one(g, ids.items[i], ret->n, ret);
		ret->n += is_chosen || c->basis != BASIS_NONE || c->is_of_other_tier ||
			  is_half(g->e->gate, c);
	}
	return r;
}

/* No proof is asked of what screening did not suspect. */
static void accept_screened(struct gate *gate)
{
	for (size_t i = 0; i < gate->n; i++) {
		if (gate->verdicts[i] == VERDICT_INCONCLUSIVE &&
		    gate->changes[i].basis != BASIS_NONE)
			gate->verdicts[i] = VERDICT_UNCHANGED;
	}
}

int judging_distrust(struct judging *g, const struct against *a, const struct change *change,
		     struct judgement *j)
{
	const char *reason = NULL;
	const bool is_claim = j->is_budget ? j->level == LEVEL_RED || j->level == LEVEL_YELLOW
					   : verdict_is_change(j->verdict);
	/* What was interleaved met the same machine. */
	if (!is_claim || a->name == NULL)
		return 0;
	const int r = disturbance_of(g->arena, a->comparison, change, &reason);
	if (r < 0 || reason == NULL)
		return r;
	j->verdict = VERDICT_INCONCLUSIVE;
	j->level = LEVEL_INCONCLUSIVE;
	judgement_withhold(j, reason);
	return 0;
}

/* Where the interval of the whole leaves it open, but rows prove as much as would be a warning: they
 * decide, and what is shown is what they prove. */
static int judge_by_rows(struct judging *g, const struct change *c, struct judgement *j)
{
	char share[UNITS_BYTES], whole[UNITS_BYTES];
	const struct comparison *comparison = g->e->gate->comparison;
	const struct change *total = comparison_total(comparison);
	const struct levels *levels = &g->e->scenario->baseline_levels;
	/* Of another hour any row may have changed, with the machine. */
	if (j->verdict != VERDICT_INCONCLUSIVE || g->e->gate->control == NULL ||
	    c->basis != BASIS_SHIFT || total == NULL || strcmp(total->id, c->id) != 0 ||
	    verdict_excludes(c, levels->warn))
		return 0;
	const double proven = proven_share(comparison);
	if (proven < levels->warn || proven <= GATE_MARGIN)
		return 0;
	j->verdict = VERDICT_REGRESSED;
	j->level = proven >= levels->fail ? LEVEL_RED : LEVEL_YELLOW;
	j->excludes_fail = false;
	j->is_of_rows = true;
	j->ratio = 1 + proven;
	j->actual = j->base_value * j->ratio;
	j->low = j->high = NAN;
	j->more_runs = 0;
	j->reason = arena_printf(
		g->arena,
		"%s is proven by rows of its breakdown, of the rest nothing; the whole "
		"is estimated at %s",
		format_percent_signed(share, proven), format_percent_signed(whole, c->ratio - 1));
	return j->reason != NULL ? 0 : -ENOMEM;
}

static int say_speed(struct judging *g, const struct change *c, struct judgement *j)
{
	if (c->speed_slope == 0)
		return 0;
	j->reason = arena_printf(g->arena,
				 "%s%scompared at equal speed of the CPUs, which others made vary",
				 j->reason, *j->reason != '\0' ? "; " : "");
	return j->reason != NULL ? 0 : -ENOMEM;
}

static int add_gate_row(struct judging *g, const struct change *c, const struct change *control,
			enum verdict verdict, bool is_settled)
{
	const struct against *a = g->e->gate;
	struct judgement j;
	int r = judge_change(g->arena, a->label, c, verdict, &g->e->scenario->baseline_levels, &j);
	if (r >= 0 && a->comparison->incomparable != NULL) {
		j.verdict = VERDICT_INCOMPARABLE;
		j.level = LEVEL_INCONCLUSIVE;
		j.reason = judging_say_incomparable(g, a);
	} else if (r >= 0 && c->basis == BASIS_NONE && g->e->scenario->gate.n == 0 &&
		   is_half(a, c)) {
		j.level = LEVEL_INCONCLUSIVE;
	} else if (r >= 0 && c->basis == BASIS_NONE) {
		const char *reason =
			arena_printf(g->arena, "%s against %s: %s", c->id, a->label, c->reason);
		judging_worsen(g->o, OUTCOME_CANNOT_JUDGE, reason);
	} else if (r >= 0 && g->e->is_screened && verdict == VERDICT_UNCHANGED) {
		j.reason = "no sign that it got worse";
	} else if (r >= 0 && is_settled) {
		undisturbed_settle(&j);
	} else if (r >= 0 && sequence_control_differs(control)) {
		judgement_withhold(&j, "withheld: the control, base against itself, shows a "
				       "difference as well");
		g->o->control_differs = true;
	} else if (r >= 0) {
		r = judge_by_rows(g, c, &j);
		if (r >= 0)
			r = judging_distrust(g, a, c, &j);
	}
	if (r >= 0)
		r = say_speed(g, c, &j);
	j.comparison = a->comparison;
	if (r >= 0)
		r = judging_explain(g, g->e->session, &j);
	return r < 0 ? r : judging_add(g, &j);
}

int judging_gate(struct judging *g)
{
	const struct against *a = g->e->gate;
	struct gate gate = { 0 };
	int r = gather(g, &gate);
	if (r >= 0)
		r = gather_one(g, UNDISTURBED, gate.n, &gate);
	if (r < 0)
		return r;
	const struct change *controls = a->control != NULL ? gate.controls : NULL;
	if (gate.n == 0)
		judging_worsen(g->o, OUTCOME_CANNOT_JUDGE,
			       arena_printf(g->arena, "nothing in common with %s", a->label));
	const size_t settled = undisturbed_judge(gate.changes, controls, gate.n, gate.verdicts);
	const size_t n = gate.n + (settled < gate.n && !g->e->is_screened);
	if (g->e->is_screened)
		accept_screened(&gate);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = add_gate_row(g, &gate.changes[i], controls != NULL ? &controls[i] : NULL,
				 gate.verdicts[i], i == settled && n > gate.n);
	return r;
}

/* Or the interval is so wide that what would fail could hide in it. */
static bool may_be_worse(const struct change *c, const struct levels *levels)
{
	const bool is_difference = c->basis == BASIS_DIFFERENCE;
	const double low = is_difference ? c->difference_low : c->low - 1;
	const double high = is_difference ? c->difference_high : c->high - 1;
	if (c->basis == BASIS_EXACT)
		return verdict_is_change(verdict_of(c));
	if (c->basis == BASIS_NONE || isnan(low) || isnan(high))
		return true;
	const double limit = is_difference ? levels->fail * fabs(c->base_value) : levels->fail;
	return (c->metric->better != BETTER_HIGHER && (low > 0 || high >= limit)) ||
	       (c->metric->better != BETTER_LOWER && (high < 0 || low <= -limit));
}

bool judge_screen(const struct evidence *e)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct judging g = { .arena = arena, .e = e };
	struct gate gate = { 0 };
	if (arena == NULL || e->gate->comparison->incomparable != NULL || gather(&g, &gate) < 0)
		return false;
	for (size_t i = 0; i < gate.n; i++) {
		struct change *c = &gate.changes[i];
		if (c->base == NULL || c->head == NULL ||
		    change_of(c->base, c->head, LEVEL_OF_SCREEN, c) < 0)
			return false;
		c->exact_share = e->scenario->baseline_levels.exact;
		if (may_be_worse(c, &e->scenario->baseline_levels))
			return false;
	}
	return gate.n > 0;
}
