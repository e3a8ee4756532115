/* SPDX-License-Identifier: MIT */
/* What has to be there before a scenario can be judged: the names of its baselines, and the sum of
 * its steps. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/gate/judge.h"

static void add_name(struct text_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->items[i], name) == 0)
			return;
	}
	list->items[list->n++] = name;
}

int judge_names(struct arena *arena, const struct scenario *s, struct text_list *ret)
{
	*ret = (struct text_list){ .items = arena_alloc_array(arena, s->n_budgets + 1,
							      sizeof(*ret->items)) };
	if (ret->items == NULL)
		return -ENOMEM;
	if (s->baseline != NULL)
		add_name(ret, s->baseline);
	for (size_t i = 0; i < s->n_budgets; i++) {
		if (s->budgets[i].baseline != NULL)
			add_name(ret, s->budgets[i].baseline);
	}
	return 0;
}

int judge_gate_metrics(struct arena *arena, const struct scenario *s, struct text_list *ret)
{
	*ret = s->gate;
	if (ret->n > 0)
		return 0;
	ret->items = arena_alloc_array(arena, 2, sizeof(*ret->items));
	if (ret->items == NULL)
		return -ENOMEM;
	ret->items[ret->n++] = scenario_main_metric(s);
	ret->items[ret->n++] = "mem.peak_rss";
	return 0;
}

/* --- the sum -------------------------------------------------------------------------------- */

/* A step takes as long as until it was ready, if that was waited for. */
static const char *part_of(const struct step *step, const char *id)
{
	return strcmp(id, "time.wall") == 0 && step->ready.n > 0 ? "startup.ready" : id;
}

static size_t fewest_runs(const struct scenario *s, struct session *const *steps)
{
	size_t n = SIZE_MAX;
	for (size_t i = 0; i < s->n_steps; i++) {
		if (steps[i]->n_runs < n)
			n = steps[i]->n_runs;
	}
	return n;
}

/* What one step did not capture makes the sum unknown. */
static int add_sum(const struct scenario *s, struct session *const *steps, const char *id,
		   size_t n_runs, struct session *ret)
{
	_cleanup_free_ double *values = calloc(n_runs + 1, sizeof(*values));
	if (values == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_steps; i++) {
		const struct series *part = metrics_find(steps[i], part_of(&s->steps[i], id));
		for (size_t k = 0; k < n_runs; k++)
			values[k] += part != NULL && k < part->n_values ? part->values[k] : NAN;
	}
	return session_add_values(ret, id, metrics_row(id), values, n_runs);
}

static bool is_added(const struct session *s, const char *id)
{
	for (size_t i = 0; i < s->n_series; i++) {
		if (strcmp(s->series[i].id, id) == 0)
			return true;
	}
	return false;
}

int judge_sum(const struct scenario *s, struct session *const *steps, struct session **ret)
{
	struct session *sum = NULL;
	const size_t n_runs = fewest_runs(s, steps);
	int r = session_new(&sum);
	if (r < 0)
		return r;
	sum->host = steps[0]->host;
	sum->design = steps[0]->design;
	r = add_sum(s, steps, "time.wall", n_runs, sum);
	for (size_t i = 0; r >= 0 && i < s->n_budgets; i++) {
		if (!is_added(sum, s->budgets[i].metric))
			r = add_sum(s, steps, s->budgets[i].metric, n_runs, sum);
	}
	for (size_t i = 0; r >= 0 && i < s->gate.n; i++) {
		if (!is_added(sum, s->gate.items[i]))
			r = add_sum(s, steps, s->gate.items[i], n_runs, sum);
	}
	if (r < 0) {
		(void)session_free(sum);
		return r;
	}
	*ret = sum;
	return 0;
}

/* --- words ------------------------------------------------------------------------------------ */

/* Enough to see which step it is, or what was misspelt. */
#define EXPLAINED_MAX ((size_t)8)
#define WORDS_MAX     ((size_t)64 << 10)

int judge_explain_missing(struct arena *arena, const struct session *s, struct judgement *j)
{
	_cleanup_(buf_done) struct buf words;
	const size_t n_prefix = strcspn(j->metric, "[") + 1;
	size_t n = 0;
	buf_init(&words, WORDS_MAX);
	(void)buf_adds(&words, j->reason);
	for (size_t i = 0; j->metric[n_prefix - 1] == '[' && i < s->n_series; i++) {
		const struct series *other = &s->series[i];
		const bool is_there = other->is_summary || other->summary.n > 0;
		if (!is_there || strncmp(other->id, j->metric, n_prefix) != 0)
			continue;
		if (n++ < EXPLAINED_MAX)
			(void)buf_addf(&words, "%s%s", n == 1 ? "; there is " : ", ", other->id);
	}
	(void)buf_adds(&words, n > EXPLAINED_MAX ? ", …" : "");
	j->reason = arena_strdup(arena, buf_str(&words));
	return j->reason != NULL ? 0 : -ENOMEM;
}

int judge_explain_sum(struct arena *arena, const struct scenario *s, struct session *const *steps,
		      struct judgement *j)
{
	_cleanup_(buf_done) struct buf words;
	char text[UNITS_BYTES];
	buf_init(&words, WORDS_MAX);
	(void)buf_adds(&words, j->reason);
	for (size_t i = 0; i < s->n_steps && i < EXPLAINED_MAX; i++) {
		const struct series *part =
			metrics_find(steps[i], part_of(&s->steps[i], j->metric));
		const double median = part != NULL ? part->summary.median : (double)NAN;
		(void)buf_addf(&words, "%s%s %s", i == 0 ? ": " : ", ", s->steps[i].name,
			       judgement_format(text, j, median));
	}
	if (s->n_steps > EXPLAINED_MAX)
		(void)buf_adds(&words, ", …");
	j->reason = arena_strdup(arena, buf_str(&words));
	return j->reason != NULL ? 0 : -ENOMEM;
}
