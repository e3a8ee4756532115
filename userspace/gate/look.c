/* SPDX-License-Identifier: MIT */
/* Plain arrays of values, one for each metric and arm. */

#include "userspace/gate/look.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/vec.h"
#include "userspace/gate/undisturbed.h"

#define METRICS_MAX 256 /* declared by hand: more is a mistake */

struct values VEC(double);

struct looked { /* one metric */
	const char *id;
	const struct metric *metric;
	struct values values[ARM_COUNT];
	size_t n_counted[ARM_COUNT]; /* the rest is of the pair under way */
};

enum { AT_UNDISTURBED, AT_SPEED, BESIDES }; /* behind those that were asked for */

struct look {
	struct looked *items; /* n + BESIDES */
	size_t n;
	struct session *measured_base;
	double good_below;
};

static const char no_memory[] = "not enough memory for a comparison";

int look_new(const struct text_list *ids, struct session *measured_base, double good_below,
	     struct look **ret)
{
	if (ids->n > METRICS_MAX)
		return fail(-EINVAL, "%zu metrics to judge are too many: at most %d", ids->n,
			    METRICS_MAX);
	for (size_t i = 0; i < ids->n; i++) {
		char word[METRIC_WORD_BYTES];
		if (metrics_row(ids->items[i]) != NULL)
			continue;
		const char *meant = metrics_nearest(ids->items[i], word);
		return fail(-EINVAL, "there is no metric '%s'; %s%s%s", ids->items[i],
			    meant != NULL ? "did you mean '" : "",
			    meant != NULL ? meant : "`startline report --view metrics` names them",
			    meant != NULL ? "'?" : "");
	}
	struct look *l = calloc(1, sizeof(*l));
	struct looked *items = calloc(ids->n + BESIDES, sizeof(*items));
	if (l == NULL || items == NULL) {
		free(l);
		free(items);
		return fail(-ENOMEM, no_memory);
	}
	for (size_t i = 0; i < ids->n; i++)
		items[i] = (struct looked){ .id = ids->items[i],
					    .metric = metrics_row(ids->items[i]) };
	items[ids->n + AT_UNDISTURBED] =
		(struct looked){ .id = UNDISTURBED, .metric = metrics_row(UNDISTURBED) };
	items[ids->n + AT_SPEED] =
		(struct looked){ .id = METRIC_SPEED, .metric = metrics_row(METRIC_SPEED) };
	*l = (struct look){ items, ids->n, measured_base, good_below };
	*ret = l;
	return 0;
}

struct look *look_free(struct look *l)
{
	for (size_t i = 0; l != NULL && i < l->n + BESIDES; i++) {
		for (int arm = 0; arm < ARM_COUNT; arm++)
			vec_done(&l->items[i].values[arm]);
	}
	free(l != NULL ? l->items : NULL);
	free(l);
	return NULL;
}

int look_add(struct look *l, enum arm arm, struct session *run)
{
	for (size_t i = 0; i < l->n + BESIDES; i++) {
		const struct series *series = metrics_find(run, l->items[i].id);
		for (size_t j = 0; series != NULL && j < series->n_values; j++) {
			if (vec_push(&l->items[i].values[arm], series->values[j]) < 0)
				return fail(-ENOMEM, no_memory);
		}
	}
	return 0;
}

void look_settle(struct look *l, bool counts)
{
	for (size_t i = 0; i < l->n + BESIDES; i++) {
		struct looked *item = &l->items[i];
		for (int arm = 0; arm < ARM_COUNT; arm++) {
			if (counts)
				item->n_counted[arm] = item->values[arm].n;
			else
				item->values[arm].n = item->n_counted[arm];
		}
	}
}

static struct series series_of(const struct look *l, const struct looked *item, enum arm arm)
{
	const struct looked *speed = &l->items[l->n + AT_SPEED];
	const bool has_speeds = (item->metric->traits & METRIC_AT_SPEED) != 0 &&
				speed->n_counted[arm] == item->n_counted[arm];
	struct series s = {
		.id = item->id,
		.metric = item->metric,
		.values = item->values[arm].items,
		.n_values = item->n_counted[arm],
		.is_interleaved = item->metric->get != NULL,
		.speeds = has_speeds ? speed->values[arm].items : NULL,
	};
	summary_of(s.values, s.n_values, &s.summary);
	return s;
}

/* Whether more runs may still tell something about a metric that is undecided. */
static bool gains_by_more(const struct change *c, const struct change *control, double fail)
{
	/* They do not capture what cannot be captured here. */
	return c->basis != BASIS_NONE &&
	       (fail <= 0 || sequence_control_differs(control) || !verdict_excludes(c, fail));
}

/* Fills changes[0..n] and, behind them, those of the control. They point into @series, of ARM_COUNT for
 * each metric. */
static int compare(const struct look *l, struct series *series, struct change *changes)
{
	int r = 0;
	for (size_t i = 0; i <= l->n && r >= 0; i++) {
		struct series *s = series + i * ARM_COUNT;
		const struct series *base = &s[ARM_BASE];
		for (int arm = 0; arm < ARM_COUNT; arm++)
			s[arm] = series_of(l, &l->items[i], (enum arm)arm);
		if (l->measured_base != NULL)
			base = metrics_find(l->measured_base, l->items[i].id);
		r = change_of(base, &s[ARM_HEAD], SEQUENCE_LEVEL, &changes[i]);
		if (r >= 0)
			r = change_of(base, &s[ARM_CONTROL], SEQUENCE_LEVEL,
				      &changes[l->n + 1 + i]);
	}
	return r;
}

int look_now(const struct look *l, bool *ret_is_decided)
{
	const size_t n = l->n;
	_cleanup_free_ struct series *series = calloc((n + 1) * ARM_COUNT, sizeof(*series));
	_cleanup_free_ struct change *changes = calloc(2 * (n + 1), sizeof(*changes));
	_cleanup_free_ enum verdict *verdicts = calloc(n + 1, sizeof(*verdicts));
	if (series == NULL || changes == NULL || verdicts == NULL ||
	    compare(l, series, changes) < 0)
		return fail(-ENOMEM, no_memory);
	const struct change *controls = changes + n + 1;
	/* An exact change is decided, whatever share of one is of interest. */
	const size_t settled = undisturbed_judge(changes, controls, n, verdicts);
	*ret_is_decided = true;
	for (size_t i = 0; i < n; i++)
		*ret_is_decided &= verdicts[i] != VERDICT_INCONCLUSIVE || i == settled ||
				   !gains_by_more(&changes[i], &controls[i], l->good_below);
	return 0;
}
