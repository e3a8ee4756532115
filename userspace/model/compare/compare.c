/* SPDX-License-Identifier: MIT */
/* Each metric of one session against the same metric of the other. */

#include "userspace/model/compare/compare.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/stats_shift.h"
#include "userspace/model/compare/internal.h"

/* --- one metric ----------------------------------------------------------------------------- */

static bool all_agree(const struct series *s)
{
	return s->summary.n > 0 && s->summary.min == s->summary.max;
}

static bool all_positive(const struct series *s)
{
	return s->summary.min > 0;
}

/* Interleaved runs are compared with those of about the same time. */
static size_t blocks_of(const struct change *c)
{
	const size_t base = c->base->summary.n, head = c->head->summary.n;
	const size_t n_blocks = (base < head ? base : head) / COMPARE_BLOCK;
	return c->base->is_interleaved && c->head->is_interleaved && n_blocks > 0 ? n_blocks : 1;
}

static int shift_of(const struct change *c, bool as_logarithms, double level,
		    struct stats_shift *ret)
{
	size_t n_base = 0, n_head = 0;
	_cleanup_free_ double *base = change_values(c, c->base, as_logarithms, &n_base);
	_cleanup_free_ double *head = change_values(c, c->head, as_logarithms, &n_head);
	if (base == NULL || head == NULL)
		return -ENOMEM;
	return stats_shift_of(base, n_base, head, n_head, c->n_blocks, level, ret);
}

static double ratio_or_nan(double base, double head)
{
	return base > 0 ? head / base : (double)NAN;
}

static void set_ratio_of_medians(struct change *c)
{
	c->difference = c->head_value - c->base_value;
	c->ratio = ratio_or_nan(c->base_value, c->head_value);
	if (c->base_value == 0 && c->head_value == 0)
		c->ratio = 1;
}

/* Of what cannot be negative nothing is left of more than there is. */
static void estimate_by_difference(struct change *c)
{
	const bool is_bounded = c->base->summary.min >= 0 && c->head->summary.min >= 0;
	c->base_estimate = c->head_value - c->difference;
	if (is_bounded && c->base_estimate <= 0) {
		c->base_estimate = c->base_value;
		c->head_estimate = fmax(0, c->base_value + c->difference);
	}
	c->ratio = ratio_or_nan(c->base_value > 0 ? c->base_estimate : 0, c->head_estimate);
}

static int compare_by_shift(struct change *c, double level)
{
	struct stats_shift s;
	c->level = level;
	c->n_blocks = blocks_of(c);
	int r = compare_speeds(c);
	if (r >= 0)
		r = shift_of(c, false, level, &s);
	if (r < 0)
		return r;
	c->difference = s.shift;
	c->difference_low = s.low;
	c->difference_high = s.high;
	c->p = s.p;
	c->basis = BASIS_DIFFERENCE;
	if (!all_positive(c->base) || !all_positive(c->head)) {
		estimate_by_difference(c);
		return 0;
	}
	r = shift_of(c, true, level, &s);
	if (r < 0)
		return r;
	c->basis = BASIS_SHIFT;
	c->ratio = exp(s.shift);
	c->base_estimate = c->head_value / c->ratio;
	c->low = exp(s.low);
	c->high = exp(s.high);
	c->p = s.p;
	return 0;
}

/* The range a side is known to lie in when there are no values: what was typed, an interval that
 * the other tool has worked out, else nothing. */
static bool range_of(const struct series *s, double *ret_low, double *ret_high)
{
	const struct summary *summary = &s->summary;
	const bool has_interval = !isnan(summary->ci95_low) && !isnan(summary->ci95_high);
	*ret_low = has_interval ? summary->ci95_low : summary->min;
	*ret_high = has_interval ? summary->ci95_high : summary->max;
	return *ret_low > 0 && *ret_high >= *ret_low;
}

static void compare_summaries(struct change *c)
{
	double base_low, base_high, head_low, head_high;
	c->basis = BASIS_SUMMARY;
	set_ratio_of_medians(c);
	if (!range_of(c->base, &base_low, &base_high) || !range_of(c->head, &head_low, &head_high))
		return;
	c->low = head_low / base_high;
	c->high = head_high / base_low;
	c->difference_low = head_low - base_high;
	c->difference_high = head_high - base_low;
}

static void compare_exactly(struct change *c)
{
	c->basis = BASIS_EXACT;
	set_ratio_of_medians(c);
	c->low = c->high = c->ratio;
	c->difference_low = c->difference_high = c->difference;
	c->p = c->difference == 0 ? 1 : 0;
}

/* The middle of a range that was typed stands for it. */
static double value_of(const struct series *s)
{
	if (s == NULL)
		return NAN;
	if (!s->is_summary || !isnan(s->summary.median))
		return s->summary.median;
	return !isnan(s->summary.mean) ? s->summary.mean : (s->summary.min + s->summary.max) / 2;
}

static bool is_of_other_tier(const struct series *base, const struct series *head)
{
	return base->tier != head->tier && base->tier != TIER_UNKNOWN &&
	       head->tier != TIER_UNKNOWN && (base->summary.n > 0 || head->summary.n > 0);
}

static const char *not_comparable(const struct series *base, const struct series *head)
{
	if (base == NULL)
		return "only in head";
	if (head == NULL)
		return "only in base";
	if (base->metric->unit != head->metric->unit)
		return "the units differ";
	if (is_of_other_tier(base, head))
		return base->tier == TIER_KERNEL_EVENTS ? "kernel events in base only"
							: "kernel events in head only";
	if (!base->is_summary && base->summary.n == 0)
		return "not captured in base";
	if (!head->is_summary && head->summary.n == 0)
		return "not captured in head";
	return NULL;
}

static bool has_several(const struct change *c)
{
	return c->base->summary.n > 1 && c->head->summary.n > 1;
}

int change_of(const struct series *base, const struct series *head, double level,
	      struct change *ret)
{
	const struct series *any = base != NULL ? base : head;
	assert(any != NULL);
	*ret = (struct change){
		.id = any->id,
		.metric = any->metric,
		.base = base,
		.head = head,
		.base_value = value_of(base),
		.head_value = value_of(head),
		.ratio = NAN,
		.low = NAN,
		.high = NAN,
		.difference = NAN,
		.difference_low = NAN,
		.difference_high = NAN,
		.p = NAN,
		.exact_share = NAN,
		.reason = not_comparable(base, head),
	};
	ret->base_estimate = ret->base_value;
	ret->head_estimate = ret->head_value;
	ret->is_of_other_tier = base != NULL && head != NULL && is_of_other_tier(base, head);
	/* A side that is not there has been named as the reason. */
	if (ret->reason != NULL || base == NULL || head == NULL)
		return 0;
	const bool has_values = !base->is_summary && !head->is_summary;
	const bool is_exact = any->metric->class == CLASS_EXACT;
	if (has_values && (is_exact || (is_counted(ret) && has_several(ret))) && all_agree(base) &&
	    all_agree(head)) {
		compare_exactly(ret);
		return 0;
	}
	ret->is_demoted = is_exact && has_values;
	if (may_compare_processes(ret))
		return compare_processes(ret, 0);
	if (!has_values) {
		compare_summaries(ret);
		return 0;
	}
	return compare_by_shift(ret, level);
}

/* --- all of them ---------------------------------------------------------------------------- */

/* The row of the table that @s belongs to, or NULL. Sorting asks often: nothing is searched for. */
static const struct metric *row_of(const struct series *s)
{
	const uintptr_t at = (uintptr_t)s->metric, table = (uintptr_t)metrics;
	return at >= table && at - table < metrics_count() * sizeof(*metrics) ? s->metric : NULL;
}

/* Rows of the metric table in its order, others behind them; by name among themselves. */
static int by_metric(const struct series *a, const struct series *b)
{
	const struct metric *row_a = row_of(a), *row_b = row_of(b);
	if (row_a != row_b) {
		if (row_a == NULL || row_b == NULL)
			return row_a == NULL ? 1 : -1;
		return row_a < row_b ? -1 : 1;
	}
	return strcmp(a->id, b->id);
}

static int by_metric_pointers(const void *left, const void *right)
{
	return by_metric(*(const struct series *const *)left, *(const struct series *const *)right);
}

static const struct series **sorted_series(struct arena *arena, const struct session *s)
{
	const struct series **list = arena_alloc_array(arena, s->n_series + 1, sizeof(*list));
	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < s->n_series; i++)
		list[i] = &s->series[i];
	qsort(list, s->n_series, sizeof(*list), by_metric_pointers);
	return list;
}

/* What is counted by name is 0, and not missing, on a side where the name did not occur; and of details
 * each side lists only its largest. */
static const struct series *same_of(struct session *s, const struct series *other)
{
	const struct metric *row = other != NULL ? metrics_row(other->id) : NULL;
	const bool is_of_name = row != NULL && row->collect != NULL &&
				(row->class == CLASS_EXACT || (row->traits & METRIC_DETAIL) != 0);
	return is_of_name ? metrics_find(s, other->id) : NULL;
}

static int add_change(struct comparison *c, const struct series *base, const struct series *head)
{
	if (base == NULL)
		base = same_of(c->base, head);
	if (head == NULL)
		head = same_of(c->head, base);
	struct change *change = &c->changes[c->n_changes++];
	const int r = change_of(base, head, c->level, change);
	c->n_compared += change->basis != BASIS_NONE;
	return r;
}

static int compare_metrics(struct comparison *c)
{
	const size_t n = c->base->n_series, m = c->head->n_series;
	const struct series **base = sorted_series(c->arena, c->base);
	const struct series **head = sorted_series(c->arena, c->head);
	c->changes = arena_alloc_array(c->arena, n + m, sizeof(*c->changes));
	if (base == NULL || head == NULL || c->changes == NULL)
		return -ENOMEM;
	int r = 0;
	for (size_t i = 0, j = 0; r == 0 && (i < n || j < m);) {
		const int order = i == n ? 1 : j == m ? -1 : by_metric(base[i], head[j]);
		r = add_change(c, order <= 0 ? base[i] : NULL, order >= 0 ? head[j] : NULL);
		i += order <= 0;
		j += order >= 0;
	}
	return r;
}

static int compare_runs(struct comparison *c)
{
	struct alignment *alignment = NULL;
	int r = alignment_new(c->arena, c->base, c->head, &alignment);
	if (r >= 0)
		r = compare_startups(c, alignment);
	if (r >= 0)
		r = compare_memory(c, alignment);
	if (r >= 0)
		r = compare_objects(c, alignment);
	if (r == 0)
		r = compare_sites(c);
	alignment_done(alignment);
	return r;
}

int comparison_build(struct session *base, struct session *head, double level,
		     struct comparison **ret)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct comparison *c = arena != NULL ? arena_alloc(arena, sizeof(*c)) : NULL;
	if (c == NULL)
		return fail(-ENOMEM, "not enough memory for a comparison");
	c->arena = arena;
	c->base = base;
	c->head = head;
	c->level = level;
	int r = compare_metrics(c);
	if (r >= 0)
		r = compare_processes_together(c);
	if (r >= 0)
		r = compare_hosts(c);
	if (r >= 0)
		r = compare_runs(c);
	if (r >= 0)
		r = compare_suites(c);
	if (r >= 0)
		r = compare_steps(c);
	if (r < 0) {
		steps_free(c);
		return fail(r, "not enough memory for a comparison");
	}
	arena = NULL;
	*ret = c;
	return 0;
}

struct comparison *comparison_free(struct comparison *c)
{
	if (c != NULL) {
		steps_free(c);
		(void)arena_free(c->arena);
	}
	return NULL;
}

const struct contribution *comparison_cause(const struct comparison *c)
{
	const bool is_slower = c->head_total_ns > c->base_total_ns;
	if (c->n_contributions == 0)
		return NULL;
	for (size_t i = 0; i < c->n_contributions; i++) {
		const struct contribution *row = &c->contributions[i];
		if (row->counterpart == NULL && (is_slower ? row->low_ns > 0 : row->high_ns < 0))
			return row;
	}
	return &c->contributions[0];
}

bool contribution_is_proven(const struct contribution *c)
{
	return c->low_ns > 0 || c->high_ns < 0;
}

const struct contribution *comparison_moved(const struct comparison *c)
{
	for (size_t i = 0; i < c->n_contributions; i++) {
		const struct contribution *row = &c->contributions[i];
		if (row->counterpart != NULL)
			return row->delta_ns > 0 ? row : row->counterpart;
	}
	return NULL;
}

const struct change *comparison_find(const struct comparison *c, const char *id)
{
	for (size_t i = 0; i < c->n_changes; i++) {
		if (strcmp(c->changes[i].id, id) == 0)
			return &c->changes[i];
	}
	return NULL;
}

const struct change *comparison_total(const struct comparison *c)
{
	static const char *const ids[] = { "startup.ready", "time.wall", "suite.time" };
	/* Of a pipeline the sum, be it that each step is waited for until it is ready. */
	for (size_t i = c->n_steps > 0; i < sizeof(ids) / sizeof(*ids); i++) {
		const struct change *change = comparison_find(c, ids[i]);
		if (change != NULL && change->basis != BASIS_NONE)
			return change;
	}
	return NULL;
}
