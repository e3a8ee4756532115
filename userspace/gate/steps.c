/* SPDX-License-Identifier: MIT */
/* See steps.h. */
#include "userspace/gate/steps.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"

/* Enough to see which step it is. */
#define STEPS_NAMED ((size_t)8)
#define WORDS_MAX   ((size_t)64 << 10)

/* A step takes as long as until it was ready, if that was waited for. */
static const char *part_of(const struct step *step, const char *id)
{
	return metric_is(id, METRIC_TOTAL) && step->ready.n > 0 ? "startup.ready" : id;
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

static int keep_steps(const struct scenario *s, struct session *const *steps, struct session *ret)
{
	ret->steps = arena_alloc_array(ret->arena, s->n_steps, sizeof(*ret->steps));
	if (ret->steps == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_steps; i++)
		ret->steps[i] = (struct session_step){ s->steps[i].name, *steps[i] };
	ret->n_steps = s->n_steps;
	return 0;
}

int steps_sum(const struct scenario *s, struct session *const *steps, struct session **ret)
{
	struct session *sum = NULL;
	const size_t n_runs = fewest_runs(s, steps);
	int r = session_new(&sum);
	if (r < 0)
		return r;
	sum->host = steps[0]->host;
	sum->design = steps[0]->design;
	r = keep_steps(s, steps, sum);
	if (r >= 0)
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

int steps_explain(struct arena *arena, const struct scenario *s, struct session *const *steps,
		  struct judgement *j)
{
	_cleanup_(buf_done) struct buf words;
	char text[UNITS_BYTES];
	buf_init(&words, WORDS_MAX);
	(void)buf_adds(&words, j->reason);
	for (size_t i = 0; i < s->n_steps && i < STEPS_NAMED; i++) {
		const struct series *part =
			metrics_find(steps[i], part_of(&s->steps[i], j->metric));
		const double median = part != NULL ? part->summary.median : (double)NAN;
		(void)buf_addf(&words, "%s%s %s", i == 0 ? ": " : ", ", s->steps[i].name,
			       judgement_format(text, j, median));
	}
	if (s->n_steps > STEPS_NAMED)
		(void)buf_adds(&words, ", …");
	j->reason = arena_strdup(arena, buf_str(&words));
	return j->reason != NULL ? 0 : -ENOMEM;
}
