/* SPDX-License-Identifier: MIT */
/* Intervals against margins. Everything is turned so that "worse" is a ratio above 1. */

#include "userspace/gate/verdict.h"

#include <math.h>
#include <string.h>

#include "userspace/gate/family.h"

/* A number of runs beyond that is of no use to anybody: none is given. */
#define MORE_RUNS_MAX 1000.0

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {
		[VERDICT_IMPROVED] = "improved",	 [VERDICT_UNCHANGED] = "unchanged",
		[VERDICT_REGRESSED] = "regressed",	 [VERDICT_CHANGED] = "changed",
		[VERDICT_INCONCLUSIVE] = "inconclusive", [VERDICT_INCOMPARABLE] = "incomparable",
	};
	return verdict < VERDICT_COUNT ? names[verdict] : "";
}

void verdict_set_exact(struct comparison *c, double share)
{
	for (size_t i = 0; i < c->n_changes; i++)
		c->changes[i].exact_share = share;
}

bool verdict_is_of_one_run_each(const struct change *c)
{
	return (c->basis == BASIS_SHIFT || c->basis == BASIS_DIFFERENCE) &&
	       c->processes.n_base == 0 && c->base != NULL && c->head != NULL &&
	       c->base->summary.n == 1 && c->head->summary.n == 1;
}

bool verdict_may_be_worse(const struct change *c)
{
	return c->metric->better != BETTER_NEITHER && strncmp(c->id, "test[", 5) != 0;
}

bool verdict_is_change(enum verdict verdict)
{
	return verdict == VERDICT_IMPROVED || verdict == VERDICT_REGRESSED ||
	       verdict == VERDICT_CHANGED;
}

/* Of a metric without direction the side that is further from 1 counts. */
static bool is_turned(const struct change *c)
{
	switch (c->metric->better) {
	case BETTER_LOWER:
		return false;
	case BETTER_HIGHER:
		return true;
	case BETTER_NEITHER:
		break;
	}
	return c->ratio < 1;
}

/* From 0, any growth is without limit; nothing shrinks to less than 0, where a ratio would be turned
 * around into a large one of the wrong sign. */
static double grown(double base, double difference)
{
	if (difference == 0 || isnan(difference))
		return 1 + difference;
	if (base > 0)
		return fmax(0, 1 + difference / base);
	return difference > 0 ? INFINITY : 0;
}

struct ratios ratios_of(const struct change *c)
{
	struct ratios r = { c->low, c->ratio, c->high };
	if (c->basis == BASIS_EXACT) {
		r.value = grown(c->base_value, c->head_value - c->base_value);
		r.low = r.high = r.value;
	} else if (c->basis == BASIS_DIFFERENCE) {
		r.low = grown(c->base_value, c->difference_low);
		r.value = grown(c->base_value, c->difference);
		r.high = grown(c->base_value, c->difference_high);
	}
	return r;
}

/* How much worse: the interval, and the estimate in it. */
static struct ratios worsening_of(const struct change *c)
{
	const struct ratios r = ratios_of(c);
	return is_turned(c) ? (struct ratios){ 1 / r.high, 1 / r.value, 1 / r.low } : r;
}

/* One of many has to be clear of the margin by a wider interval. */
static struct ratios claimed_worsening_of(const struct change *c, const struct ratios *alone)
{
	struct change claim = *c;
	if (c->claim_alpha == 0)
		return *alone;
	claim.low = c->claim_low;
	claim.high = c->claim_high;
	return worsening_of(&claim);
}

static enum verdict better_or_worse(const struct change *c, enum verdict verdict)
{
	return c->metric->better == BETTER_NEITHER ? VERDICT_CHANGED : verdict;
}

enum verdict verdict_of(const struct change *c)
{
	if (c->basis == BASIS_NONE)
		return c->is_of_other_tier ? VERDICT_INCOMPARABLE : VERDICT_INCONCLUSIVE;
	const struct ratios w = worsening_of(c);
	if (c->basis == BASIS_EXACT) {
		const double moved = fabs(c->head_value - c->base_value);
		const double least = c->metric->unit == UNIT_COUNT ? 1 : 0;
		const double share = isnan(c->exact_share) ? GATE_EXACT : c->exact_share;
		if (moved == 0 || moved < fmax(least, share * fabs(c->base_value)))
			return VERDICT_UNCHANGED;
		return better_or_worse(c, w.value > 1 ? VERDICT_REGRESSED : VERDICT_IMPROVED);
	}
	if (isnan(w.low) || isnan(w.high))
		return VERDICT_INCONCLUSIVE;
	const struct ratios claim = claimed_worsening_of(c, &w);
	if (claim.low > 1 + GATE_MARGIN)
		return better_or_worse(c, VERDICT_REGRESSED);
	if (claim.high < 1 - GATE_MARGIN)
		return better_or_worse(c, VERDICT_IMPROVED);
	if (w.low >= 1 - GATE_EQUIVALENCE && w.high <= 1 + GATE_EQUIVALENCE)
		return VERDICT_UNCHANGED;
	return VERDICT_INCONCLUSIVE;
}

enum verdict verdict_in(const struct comparison *whole, const struct change *c)
{
	if (whole->incomparable != NULL && c->basis != BASIS_EXACT && c->basis != BASIS_NONE)
		return VERDICT_INCOMPARABLE;
	return verdict_of(c);
}

enum level level_of(const struct change *c, enum verdict verdict, const struct levels *levels)
{
	if (verdict == VERDICT_INCONCLUSIVE || verdict == VERDICT_INCOMPARABLE)
		return LEVEL_INCONCLUSIVE;
	if (verdict != VERDICT_REGRESSED && verdict != VERDICT_CHANGED)
		return LEVEL_GREEN;
	const double reached = worsening_of(c).high - 1;
	if (reached >= levels->fail)
		return LEVEL_RED;
	return reached >= levels->warn ? LEVEL_YELLOW : LEVEL_GREEN;
}

bool verdict_excludes(const struct change *c, double fail)
{
	/* False for NAN, too. */
	return c->basis != BASIS_NONE && worsening_of(c).high - 1 < fail;
}

/* The interval shrinks with the root of n around an estimate that stays: how far may it reach on
 * the logarithmic scale before a verdict is proven? */
static double room(double log_ratio)
{
	const double worse = log_ratio - log(1 + GATE_MARGIN);
	const double better = log(1 - GATE_MARGIN) - log_ratio;
	const double same = log(1 + GATE_EQUIVALENCE) - fabs(log_ratio);
	return fmax(same, fmax(worse, better));
}

size_t verdict_more_runs(const struct change *c)
{
	if (c->basis != BASIS_SHIFT || c->head == NULL)
		return 0;
	if (c->processes.n_base > 0)
		return family_more_processes(c);
	const double n = (double)c->head->summary.n;
	const double half_width = (log(c->high) - log(c->low)) / 2;
	const double needed = n * pow(half_width / room(log(c->ratio)), 2);
	if (!isfinite(needed) || needed > MORE_RUNS_MAX)
		return 0;
	return needed > n ? (size_t)ceil(needed - n) : 1;
}
