/* SPDX-License-Identifier: MIT */
/* Budgets of startline.yml: what can never be judged is a mistake before anything runs. */

#include <errno.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/log.h"
#include "userspace/gate/config_internal.h"

#define BUDGETS_MAX ((size_t)1000)

struct budget_list VEC(struct budget);

/* --- metrics -------------------------------------------------------------------------------- */

int metric_check(struct reader *r, node *at, const char *id)
{
	const struct metric *row = metrics_row(id);
	if (row != NULL && row->collect == NULL)
		return 0;
	if (row != NULL) {
		const size_t n = strlen(id), prefix = strlen(row->id) - 1;
		return n > prefix + 1 && id[n - 1] == ']'
			       ? 0
			       : node_error(r, at, "'%s': of what? write '%.*s[PATTERN]'", id,
					    (int)prefix - 1, row->id);
	}
	char word[METRIC_WORD_BYTES];
	const char *meant = metrics_nearest(id, word);
	if (meant != NULL)
		return node_error(r, at, "there is no metric '%s'; did you mean '%s'?", id, meant);
	return node_error(r, at,
			  "there is no metric '%s'; time.wall, startup.ready, mem.peak_rss and "
			  "others are in docs/metrics.md",
			  id);
}

/* --- one budget ----------------------------------------------------------------------------- */

/* A number alone is a count; else its unit says what it is about. */
static int parse(struct reader *r, const char *metric, const char *text, struct budget *ret,
		 const char **ret_error, size_t *ret_at)
{
	static const enum unit units[] = { UNIT_COUNT, UNIT_NS, UNIT_BYTES, UNIT_RATIO };
	const struct metric *row = metrics_row(metric);
	if (row != NULL)
		return budget_parse(r->arena, metric, row->unit, text, ret, ret_error, ret_at);
	int e = -EINVAL;
	for (size_t i = 0; e < 0 && i < sizeof(units) / sizeof(*units); i++)
		e = budget_parse(r->arena, metric, units[i], text, ret, ret_error, ret_at);
	return e;
}

/* What is measured at readiness, where nothing is waited for. */
static bool is_never_captured(const struct budget_place *place, const char *metric)
{
	return metric_is(metric, METRIC_AT_READY) && place->scenario->results == NULL &&
	       strcmp(place->main_metric, "startup.ready") != 0;
}

static int check_meaning(struct reader *r, node *at, const struct budget_place *place,
			 const struct budget *b)
{
	const struct scenario *s = place->scenario;
	const struct metric *row = metrics_row(b->metric);
	if (budget_spans_matrix(b) && (place->is_step || place->is_sum))
		return node_error(r, at, "'%s' is for a scenario with one command", b->text);
	if (place->is_sum && !metric_is(b->metric, METRIC_ADDS_UP))
		return node_error(r, at, "%s does not add up over steps: give the budget to a step",
				  b->metric);
	if (is_never_captured(place, b->metric))
		return node_error(r, at,
				  "%s needs `ready`: write what to wait for, as in 'ready: accept'",
				  b->metric);
	if (budget_needs_baseline(b) && place->is_step)
		return node_error(r, at,
				  "a step has no baseline of its own: give the budget to the "
				  "scenario, or make the step a scenario");
	if (budget_needs_baseline(b) && b->baseline == NULL && s->baseline == NULL &&
	    s->base_kind == BASE_NONE)
		return node_error(r, at,
				  "of which baseline? write '<= 50 %% of @NAME', or give the "
				  "scenario a `baseline`");
	/* Where each run has one value it is known now whether they will be enough. */
	if (s->results == NULL && row != NULL && row->collect == NULL && !budget_spans_matrix(b) &&
	    s->runs < budget_min_n(b))
		return node_error(r, at, "'%s' needs %zu runs, there are %zu: write 'runs: %zu'",
				  b->text, budget_min_n(b), s->runs, budget_min_n(b));
	return 0;
}

static int keep(struct reader *r, node *at, const struct budget_place *place,
		const struct budget *b, struct budget_list *list)
{
	const struct spanning spanning = { *b, at, 0 };
	if (list->n >= BUDGETS_MAX)
		return node_error(r, at, "more than %zu budgets", BUDGETS_MAX);
	const int e =
		budget_spans_matrix(b) ? vec_push(place->spanning, spanning) : vec_push(list, *b);
	return e < 0 ? reader_no_memory(r) : 0;
}

static int read_one(struct reader *r, const char *metric, node *n, const struct budget_place *place,
		    struct budget_list *list)
{
	const char *text = NULL, *error = NULL;
	struct budget b;
	size_t at = 0;
	int e = node_text(r, n, "a budget such as \"< 1 s\"", &text);
	if (e < 0)
		return e;
	e = parse(r, metric, text, &b, &error, &at);
	if (e < 0) {
		/* With a parameter put in, it is another text. */
		const bool is_raw = strcmp(text, (const char *)n->data.scalar.value) == 0;
		return node_error_at(r, n, is_raw ? at : 0, "'%s': %s", text, error);
	}
	b.line = node_line(n);
	e = check_meaning(r, n, place, &b);
	return e < 0 ? e : keep(r, n, place, &b, list);
}

/* One text, or a list of them. */
static int read_of_metric(struct reader *r, const char *metric, node *n,
			  const struct budget_place *place, struct budget_list *list)
{
	int e = 0;
	if (!node_is_list(n))
		return read_one(r, metric, n, place, list);
	for (size_t i = 0; e == 0 && i < node_count(n); i++)
		e = read_one(r, metric, node_item(r, n, i), place, list);
	return e;
}

static int read_mapping(struct reader *r, node *budgets, const struct budget_place *place,
			struct budget_list *list)
{
	if (!node_is_mapping(budgets))
		return node_error(r, budgets,
				  "expected metrics and their limits, as in 'time.wall: "
				  "\"< 1 s\"'");
	for (size_t i = 0; i < node_count(budgets); i++) {
		node *key, *value;
		const char *metric = NULL;
		node_pair(r, budgets, i, &key, &value);
		int e = node_text(r, key, "the name of a metric", &metric);
		if (e == 0 && place->scenario->results == NULL)
			e = metric_check(r, key, metric);
		if (e == 0 && node_find(r, budgets, metric) != value && r->n_parameters == 0)
			e = node_error(r, key, "'%s' is given twice: write a list", metric);
		if (e == 0)
			e = read_of_metric(r, metric, value, place, list);
		if (e < 0)
			return e;
	}
	return 0;
}

int budgets_read(struct reader *r, node *mapping, const struct budget_place *place,
		 struct budget **ret, size_t *ret_n)
{
	struct budget_list list = { 0 };
	node *target = node_find(r, mapping, "target");
	node *budgets = node_find(r, mapping, "budgets");
	int e = target == NULL ? 0 : read_of_metric(r, place->main_metric, target, place, &list);
	if (e == 0 && budgets != NULL)
		e = read_mapping(r, budgets, place, &list);
	if (e == 0 && list.n > 0) {
		*ret = arena_memdup(r->arena, list.items, list.n * sizeof(*list.items));
		*ret_n = list.n;
		e = *ret != NULL ? 0 : reader_no_memory(r);
	}
	vec_done(&list);
	return e;
}
