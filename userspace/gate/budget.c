/* SPDX-License-Identifier: MIT */
/* Judges budgets. All limits come down to one question: by how much is a value over, as a share of
 * the limit; what should be high is turned around. */

#include "userspace/gate/budget.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "userspace/base/arena.h"
#include "userspace/gate/budget_internal.h"
#include "userspace/gate/family.h"
#include "userspace/gate/sequence.h"

/* More than that is no advice. */
#define MORE_RUNS_MAX 1000.0
#define REASON_MAX    512

/* --- words ---------------------------------------------------------------------------------- */

char *judgement_format(char text[static UNITS_BYTES], const struct judgement *j, double value)
{
	if (j->is_slope) {
		if (isfinite(value))
			(void)snprintf(text, UNITS_BYTES, "%.2f", value);
		else
			(void)snprintf(text, UNITS_BYTES, "-");
		return text;
	}
	return value_format(text, j->unit, value);
}

static void judgement_interval(char *text, size_t size, const struct judgement *j, double low,
			       double high)
{
	char from[UNITS_BYTES], to[UNITS_BYTES];
	(void)snprintf(text, size, "%s to %s", judgement_format(from, j, low),
		       judgement_format(to, j, high));
}

int judgement_say(struct arena *arena, struct judgement *j, const char *format, ...)
{
	char text[REASON_MAX];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	j->reason = arena_strdup(arena, text);
	if (j->reason != NULL)
		return 0;
	j->reason = "not enough memory";
	return -ENOMEM;
}

void judgement_init(struct judgement *j, const struct budget *b, enum unit unit)
{
	*j = (struct judgement){
		.metric = b->metric,
		.unit = unit,
		.target = b->text,
		.is_budget = true,
		.actual = NAN,
		.actual_low = NAN,
		.actual_high = NAN,
		.base_value = NAN,
		.ratio = NAN,
		.low = NAN,
		.high = NAN,
		.headroom = NAN,
		.verdict = VERDICT_INCONCLUSIVE,
		.level = LEVEL_INCONCLUSIVE,
		.reason = "",
		.line = b->line,
		.is_floor = !isfinite(b->high) && isfinite(b->low),
	};
}

/* --- limits --------------------------------------------------------------------------------- */

/* By what share of the limit a value is over; <= 0: it is not. */
static double over_of(double limit, bool is_upper, double value)
{
	const double over = is_upper ? value - limit : limit - value;
	if (over == 0)
		return 0;
	/* Any excess over nothing is without bound. */
	return limit != 0 ? over / fabs(limit) : (double)copysign(INFINITY, over);
}

struct overrun {
	double best, value, worst; /* of the interval; all the same where there is none */
	bool has_interval, is_over;
};

static struct overrun overrun_of(const struct budget *b, const struct estimate *e)
{
	const bool is_upper = isfinite(b->high);
	const double limit = is_upper ? b->high : b->low;
	const bool is_inclusive = is_upper ? b->is_high_inclusive : b->is_low_inclusive;
	struct overrun o = { .value = over_of(limit, is_upper, e->value) };
	o.has_interval = !isnan(e->low) && !isnan(e->high);
	o.is_over = is_inclusive ? o.value > 0 : o.value >= 0;
	o.best = o.worst = o.value;
	if (o.has_interval) {
		o.best = over_of(limit, is_upper, is_upper ? e->low : e->high);
		o.worst = over_of(limit, is_upper, is_upper ? e->high : e->low);
	}
	return o;
}

static enum level level_of_overrun(const struct overrun *o, const struct levels *levels)
{
	if (o->has_interval && o->best <= levels->fail && o->worst > levels->fail)
		return LEVEL_INCONCLUSIVE;
	if (o->value > levels->fail)
		return LEVEL_RED;
	if (o->value > levels->warn)
		return LEVEL_YELLOW;
	return o->is_over ? LEVEL_TOLERATED : LEVEL_GREEN;
}

/* The interval shrinks with the root of n around a value that stays. */
static size_t more_runs(const struct overrun *o, const struct levels *levels, size_t n)
{
	const double width = fmax(o->worst - o->value, o->value - o->best);
	const double room = fabs(o->value - levels->fail);
	const double needed = (double)n * pow(width / room, 2);
	if (n == 0 || !isfinite(needed) || needed > MORE_RUNS_MAX)
		return 0;
	return needed > (double)n ? (size_t)ceil(needed - (double)n) : 1;
}

#define MORE_BYTES ((size_t)80)

/* What to do about it. Of one run there may be several values: connections, replies. */
static const char *more_words(char text[static MORE_BYTES], const struct judgement *j)
{
	const struct metric *row = metrics_row(j->metric);
	const char *what = row != NULL && row->collect != NULL ? "value" : "run";
	if (j->more_runs == 0)
		return "";
	(void)snprintf(text, MORE_BYTES, "; about %zu more %s%s would decide it", j->more_runs,
		       what, j->more_runs == 1 ? "" : "s");
	return text;
}

static int say_inconclusive(struct arena *arena, struct judgement *j, const struct budget *b,
			    const struct estimate *e, double fail)
{
	char interval[2 * UNITS_BYTES + 8], red[UNITS_BYTES + 32] = "the limit";
	char text[UNITS_BYTES], runs[MORE_BYTES];
	const struct judgement as_ratio = { .unit = UNIT_RATIO };
	const struct judgement *kind = budget_needs_baseline(b) ? &as_ratio : j;
	const double border =
		isfinite(b->high) ? b->high + fabs(b->high) * fail : b->low - fabs(b->low) * fail;
	judgement_interval(interval, sizeof(interval), kind, e->low, e->high);
	if (fail > 0)
		(void)snprintf(red, sizeof(red), "%s, where red begins",
			       judgement_format(text, kind, border));
	const char *advice = j->more_runs > 0 ? more_words(runs, j)
			     : e->n == 0      ? "; more runs do not narrow a range that was given"
					      : "; too close to it to be decided by 1000 more runs";
	return judgement_say(arena, j, "the interval, %s, lies across %s%s", interval, red, advice);
}

static int say_over(struct arena *arena, struct judgement *j, const struct budget *b, double over)
{
	char share[UNITS_BYTES];
	char of_base[UNITS_BYTES], base[UNITS_BYTES + 32] = "";
	const char *side = j->is_floor ? "short" : "over";
	if (!isfinite(over))
		return judgement_say(arena, j, "%s a limit of nothing", side);
	if (b->kind == BUDGET_OF)
		(void)snprintf(base, sizeof(base),
			       "%s of the baseline: ", format_percent(of_base, j->ratio));
	(void)format_percent(share, over);
	return judgement_say(arena, j, "%s%s by %s%s", base, side, share,
			     j->level == LEVEL_TOLERATED ? ", tolerated" : "");
}

static double headroom_of(const struct budget *b, double value)
{
	if (isfinite(b->high) && b->high > 0)
		return value > 0 ? b->high / value : (double)NAN;
	return isfinite(b->low) && b->low > 0 && !isfinite(b->high) ? value / b->low : (double)NAN;
}

int judge_value(struct arena *arena, const struct budget *b, const struct estimate *value,
		const struct levels *levels, struct judgement *j)
{
	const struct overrun o = overrun_of(b, value);
	j->headroom = headroom_of(b, value->value);
	j->level = level_of_overrun(&o, levels);
	j->verdict = j->level == LEVEL_INCONCLUSIVE ? VERDICT_INCONCLUSIVE : VERDICT_UNCHANGED;
	if (j->level == LEVEL_INCONCLUSIVE) {
		j->more_runs = more_runs(&o, levels, value->n);
		return say_inconclusive(arena, j, b, value, levels->fail);
	}
	if (b->kind == BUDGET_RANGE && value->value < b->low) {
		j->level = LEVEL_YELLOW;
		j->is_below = true;
		j->headroom = NAN; /* of the end that is not in question */
		return judgement_say(arena, j, "below the range: did it do all of its work?");
	}
	return o.is_over ? say_over(arena, j, b, o.value) : 0;
}

/* --- against a baseline --------------------------------------------------------------------- */

/* The change of the median is that of the comparison; other statistics have an interval of their own. */
static int ratio_of(const struct budget *b, const struct change *c, struct estimate *ret)
{
	const struct statistic_spec spec = { b->statistic, b->quantile };
	if (b->statistic != STATISTIC_MEDIAN && c->processes.n_base > 0)
		return statistic_ratio_by_process(c, spec, ret);
	if (b->statistic != STATISTIC_MEDIAN)
		return statistic_ratio(c->head, c->base, spec, ret);
	const struct ratios ratios = ratios_of(c);
	const bool is_difference = c->basis == BASIS_DIFFERENCE;
	const double low = is_difference ? c->difference_low : c->low;
	const double high = is_difference ? c->difference_high : c->high;
	*ret = (struct estimate){ c->ratio, NAN, NAN, c->head->summary.n };
	if (isnan(c->ratio) && c->base_value == 0)
		ret->value = c->head_value == 0 ? 1 : INFINITY;
	/* So few values bound nothing. */
	if (c->basis == BASIS_SUMMARY)
		ret->n = 0; /* what the other side is known by stays as it is */
	if (isfinite(low) && isfinite(high)) {
		ret->low = ratios.low;
		ret->high = ratios.high;
	}
	return 0;
}

/* "+10 %": red needs a change that is proven and may be as large as that; green, that it is smaller
 * for certain, or that what is proven stays below. */
static int judge_worsening(struct arena *arena, const struct budget *b, const struct change *change,
			   const struct estimate *ratio, const struct levels *levels,
			   struct judgement *j)
{
	const bool is_upper = isfinite(b->high);
	const double limit = is_upper ? b->high : b->low;
	const bool has_interval = !isnan(ratio->low) && !isnan(ratio->high);
	const double best = has_interval ? (is_upper ? ratio->low : ratio->high) : ratio->value;
	const double worst = has_interval ? (is_upper ? ratio->high : ratio->low) : ratio->value;
	/* One of many has to be clear of the margin by a wider interval. */
	const bool is_of_many = change->claim_alpha > 0 && b->statistic == STATISTIC_MEDIAN;
	const double sure = !is_of_many ? best : is_upper ? change->claim_low : change->claim_high;
	const double margin = fmin(GATE_MARGIN, fabs(limit - 1));
	const double proven = over_of(is_upper ? 1 + margin : 1 - margin, is_upper, sure);
	const double reached = over_of(limit, is_upper, worst);
	char share[UNITS_BYTES], interval[2 * UNITS_BYTES + 8], runs[MORE_BYTES];
	j->headroom = NAN;
	j->verdict = VERDICT_UNCHANGED;
	j->level = reached > levels->fail   ? LEVEL_RED
		   : reached > levels->warn ? LEVEL_YELLOW
		   : reached > 0	    ? LEVEL_TOLERATED
					    : LEVEL_GREEN;
	if (proven <= 0 && j->level != LEVEL_RED)
		j->level = LEVEL_GREEN;
	if (j->level == LEVEL_GREEN)
		return 0;
	if (proven <= 0) {
		const struct judgement as_ratio = { .unit = UNIT_RATIO };
		j->level = LEVEL_INCONCLUSIVE;
		j->verdict = VERDICT_INCONCLUSIVE;
		j->more_runs = verdict_more_runs(change);
		judgement_interval(interval, sizeof(interval), &as_ratio, ratio->low, ratio->high);
		return judgement_say(
			arena, j,
			"%s of the baseline: neither a change nor its absence is proven%s",
			interval, more_words(runs, j));
	}
	return judgement_say(arena, j, "%s against the baseline%s",
			     format_percent_signed(share, ratio->value - 1),
			     j->level == LEVEL_TOLERATED ? ", tolerated" : "");
}

static int judge_against(struct arena *arena, const struct budget *b, const struct change *change,
			 const struct levels *levels, struct judgement *j)
{
	struct estimate ratio;
	if (change == NULL || change->base == NULL) {
		(void)judgement_say(arena, j, "there is no such baseline to compare with");
		return -ENOENT;
	}
	if (change->basis == BASIS_NONE) {
		(void)judgement_say(arena, j, "cannot be compared: %s", change->reason);
		return -ENOENT;
	}
	const int r = ratio_of(b, change, &ratio);
	if (r < 0)
		return r;
	/* As in a change: what the value of head is that ratio of. */
	j->base_value = isfinite(ratio.value) && ratio.value > 0 ? j->actual / ratio.value
								 : change->base_value;
	j->ratio = ratio.value;
	j->low = ratio.low;
	j->high = ratio.high;
	if (isnan(ratio.value)) {
		(void)judgement_say(arena, j, "the baseline does not have this statistic");
		return -ENOENT;
	}
	const bool is_worsening =
		b->kind == BUDGET_CHANGE && (isfinite(b->high) ? b->high >= 1 : b->low <= 1);
	if (!is_worsening && change->claim_alpha > 0 && b->statistic == STATISTIC_MEDIAN) {
		ratio.low = change->claim_low;
		ratio.high = change->claim_high;
	}
	return is_worsening ? judge_worsening(arena, b, change, &ratio, levels, j)
			    : judge_value(arena, b, &ratio, levels, j);
}

/* Of a metric that only another tool knows, the unit was a guess. */
static bool is_of_another_unit(const struct budget *b, const struct series *head)
{
	const bool is_value = b->kind == BUDGET_LIMIT || b->kind == BUDGET_RANGE;
	return is_value && b->statistic != STATISTIC_CV && b->unit != head->metric->unit;
}

int budget_judge(struct arena *arena, const struct budget *b, const struct series *head,
		 const struct change *change, const struct levels *levels, struct judgement *ret)
{
	const struct statistic_spec spec = { b->statistic, b->quantile };
	struct estimate e;
	const bool is_share = b->statistic == STATISTIC_CV;
	judgement_init(ret, b, head == NULL || is_share ? UNIT_RATIO : head->metric->unit);
	if (head == NULL || (!head->is_summary && head->summary.n == 0)) {
		(void)judgement_say(arena, ret, "%s was not captured", b->metric);
		return -ENODATA;
	}
	if (is_of_another_unit(b, head)) {
		(void)judgement_say(arena, ret, "'%s' is a limit in %s, %s is measured in %s",
				    b->text, unit_name(b->unit), b->metric,
				    unit_name(head->metric->unit));
		return -EDOM;
	}
	const int r = statistic_of(head, spec, &e);
	if (r < 0)
		return r;
	ret->actual = e.value;
	ret->actual_low = e.low;
	ret->actual_high = e.high;
	if (!head->is_summary && e.n < budget_min_n(b)) {
		ret->actual = ret->actual_low = ret->actual_high = NAN;
		(void)judgement_say(arena, ret,
				    "'%s' needs %zu values, there are %zu: raise `runs`", b->text,
				    budget_min_n(b), e.n);
		return -EDOM;
	}
	if (isnan(e.value)) {
		(void)judgement_say(arena, ret, "%s has no such statistic", b->metric);
		return -ENODATA;
	}
	if (budget_needs_baseline(b))
		return judge_against(arena, b, change, levels, ret);
	return judge_value(arena, b, &e, levels, ret);
}

static const char *why_open(const struct change *c)
{
	if (verdict_is_of_one_run_each(c))
		return "one run each, which has no statistics";
	return verdict_is_change(verdict_of(c))
		       ? "a claim needs more certainty than its interval has"
		       : "neither a change nor its absence is proven";
}

/* Where the interval would do and more is needed: the certainty of a noisy machine's claim takes
 * about twice the runs. */
static size_t more_runs_for(const struct change *c)
{
	if (c->processes.n_base > 0)
		return verdict_more_runs(c);
	return verdict_is_change(verdict_of(c)) ? c->head->summary.n : verdict_more_runs(c);
}

int judge_change(struct arena *arena, const char *base_name, const struct change *change,
		 enum verdict verdict, const struct levels *levels, struct judgement *ret)
{
	char share[UNITS_BYTES], runs[MORE_BYTES];
	const char *how = change->is_demoted
				  ? "; compared by statistics, since the runs of one side differ"
				  : "";
	const struct budget none = { .metric = change->id };
	judgement_init(ret, &none, change->metric->unit);
	ret->is_budget = false;
	ret->target = arena_printf(arena, "%s +%s", base_name, format_percent(share, levels->fail));
	ret->actual = change->head_estimate;
	ret->base_value = change->base_estimate;
	ret->ratio = change->ratio;
	ret->low = change->low;
	ret->high = change->high;
	ret->verdict = verdict;
	ret->level = level_of(change, verdict, levels);
	ret->excludes_fail = verdict_excludes(change, levels->fail);
	if (ret->target == NULL)
		return -ENOMEM;
	if (change->basis == BASIS_NONE)
		return judgement_say(arena, ret, "not compared: %s", change->reason);
	if (verdict == VERDICT_INCONCLUSIVE) {
		ret->more_runs = more_runs_for(change);
		if (change->processes.n_base > 0)
			how = family_more_words(arena, change);
		return judgement_say(arena, ret, "%s%s%s%s%s%s", why_open(change),
				     ret->excludes_fail ? ", but it is not " : "",
				     ret->excludes_fail ? format_percent(share, levels->fail) : "",
				     ret->excludes_fail ? " worse" : "",
				     change->processes.n_base > 0 ? "" : more_words(runs, ret),
				     how);
	}
	if (verdict == VERDICT_UNCHANGED || !isfinite(change->ratio))
		return judgement_say(arena, ret, "%s%s", verdict_name(verdict), how);
	return judgement_say(arena, ret, "%s %s%s%s", verdict_name(verdict),
			     format_percent_signed(share, change->ratio - 1), how,
			     family_certain_words(arena, change));
}

void judgement_withhold(struct judgement *j, const char *reason)
{
	j->more_runs = 0;
	j->excludes_fail = false;
	j->reason = reason;
}
