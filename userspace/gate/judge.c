/* SPDX-License-Identifier: MIT */
/* All budgets and gate metrics of a scenario. What cannot be judged is a row that says why, and makes
 * the outcome one that could not be judged: it never passes in silence. */

#include "userspace/gate/judge.h"

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/gate/judge_internal.h"
#include "userspace/gate/steps.h"

#define LEVEL_OF_BUDGETS 0.95
#define NAMED_MAX	 3
#define RELATIVES_NAMED	 ((size_t)8)
#define WORDS_MAX	 ((size_t)64 << 10)

/* --- what could not be judged --------------------------------------------------------------- */

void judging_worsen(struct outcome *o, enum outcome_kind kind, const char *reason)
{
	const struct outcome before = { .kind = o->kind }, after = { .kind = kind };
	if (o->kind != OUTCOME_JUDGED && outcome_severity(&after) >= outcome_severity(&before))
		return;
	o->kind = kind;
	o->reason = reason;
}

/* What budget_judge() returned: 0 once the outcome knows of it. */
static int note_failure(struct judging *g, int error, const struct judgement *j)
{
	if (error == -ENODATA || error == -ENOENT)
		judging_worsen(g->o, OUTCOME_CANNOT_JUDGE, j->reason);
	else if (error == -EDOM)
		judging_worsen(g->o, OUTCOME_MISCONFIGURED, j->reason);
	else
		return error;
	return 0;
}

int judging_add(struct judging *g, const struct judgement *j)
{
	struct judgement row = *j;
	row.scenario = g->o->scenario;
	return vec_push(&g->list, row);
}

/* --- below a range -------------------------------------------------------------------------- */

static bool has_connected(const struct session *s, const char *peer)
{
	for (size_t r = 0; r < s->n_runs; r++) {
		for (size_t i = 0; i < s->runs[r].n_connections; i++) {
			const struct connection *c = &s->runs[r].connections[i];
			if (strcmp(c->result, "ok") == 0 && strcmp(c->peer, peer) == 0)
				return true;
		}
	}
	return false;
}

/* Each peer once, and not too many. False: enough. */
static bool name_one(struct buf *words, const char *peer, const char *text, size_t *n)
{
	_cleanup_(buf_done) struct buf phrase;
	buf_init(&phrase, WORDS_MAX);
	(void)buf_addf(&phrase, "%s: %s", peer, text);
	if (strstr(buf_str(words), buf_str(&phrase)) != NULL)
		return true;
	if (*n == NAMED_MAX) {
		(void)buf_adds(words, ", …");
		return false;
	}
	(void)buf_addf(words, "%s%s", (*n)++ == 0 ? " " : ", ", buf_str(&phrase));
	return true;
}

/* Connections that failed; and those that the baseline made and this did not. */
static void name_connections(struct buf *words, const struct session *s, const struct session *base)
{
	size_t n = 0, n_seen = 0;
	for (size_t r = 0; r < s->n_runs; r++) {
		for (size_t i = 0; i < s->runs[r].n_connections; i++) {
			const struct connection *c = &s->runs[r].connections[i];
			n_seen++;
			if (strcmp(c->result, "ok") != 0 && !has_connected(s, c->peer) &&
			    !name_one(words, c->peer, c->result, &n))
				return;
		}
	}
	for (size_t r = 0; base != NULL && r < base->n_runs; r++) {
		for (size_t i = 0; i < base->runs[r].n_connections; i++) {
			const struct connection *c = &base->runs[r].connections[i];
			if (strcmp(c->result, "ok") == 0 && !has_connected(s, c->peer) &&
			    !name_one(words, c->peer, "not connected to, the baseline was", &n))
				return;
		}
	}
	if (n == 0 && n_seen == 0)
		(void)buf_adds(words, " it made no connection");
}

/* Adds to the reason what became of the connections, behind @between. */
static int explain(struct judging *g, const struct session *s, const char *between,
		   struct judgement *j)
{
	_cleanup_(buf_done) struct buf words;
	buf_init(&words, (size_t)8 * WORDS_MAX);
	(void)buf_addf(&words, "%s%s", j->reason, between);
	const size_t n = words.len;
	name_connections(&words, s, g->e->gate != NULL ? g->e->gate->session : NULL);
	if (words.len == n)
		return 0;
	j->reason = arena_strdup(g->arena, buf_str(&words));
	return j->reason != NULL ? 0 : -ENOMEM;
}

/* What there is of the same kind, where "net.connect[...]" is not in @s. */
static int name_relatives(struct arena *arena, const struct session *s, struct judgement *j)
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
		if (n++ < RELATIVES_NAMED)
			(void)buf_addf(&words, "%s%s", n == 1 ? "; there is " : ", ", other->id);
	}
	(void)buf_adds(&words, n > RELATIVES_NAMED ? ", …" : "");
	j->reason = arena_strdup(arena, buf_str(&words));
	return j->reason != NULL ? 0 : -ENOMEM;
}

/* Of a metric that no run has: what became of connections, else what there is of its kind, else where
 * to look. */
static int explain_missing(struct judging *g, const struct session *s, struct judgement *j)
{
	const char *before = j->reason;
	int r = 0;
	if (metric_is(j->metric, METRIC_OF_PEER))
		r = explain(g, s, ":", j);
	if (r >= 0 && j->reason == before)
		r = name_relatives(g->arena, s, j);
	if (r < 0 || strcmp(j->reason, before) != 0)
		return r;
	const char *results = g->e->scenario->results;
	j->reason = results != NULL
			    ? arena_printf(g->arena, "%s is not in '%s'", j->metric, results)
			    : arena_printf(g->arena,
					   "%s; `startline doctor` and the coverage in "
					   "`startline report` say why",
					   before);
	return j->reason != NULL ? 0 : -ENOMEM;
}

/* --- budgets -------------------------------------------------------------------------------- */

/* The one that a budget names; without a name the gate's own. */
static const struct against *against_of(const struct evidence *e, const struct budget *b)
{
	if (b->baseline == NULL)
		return e->gate;
	for (size_t i = 0; i < e->n_against; i++) {
		if (e->against[i].name != NULL && strcmp(e->against[i].name, b->baseline) == 0)
			return &e->against[i];
	}
	return NULL;
}

const char *judging_say_incomparable(struct judging *g, const struct against *a)
{
	const char *reason = arena_printf(g->arena, "different machines, %s: %s", a->label,
					  a->comparison->incomparable);
	judging_worsen(
		g->o, OUTCOME_CANNOT_JUDGE,
		arena_printf(g->arena,
			     "%s; save a baseline on this one, or give the scenario a `base`",
			     reason));
	return reason;
}

/* What was compared by processes is one of a family, whoever asks for it: by the same change the gate and a
 * budget cannot contradict each other, and a glob over many benchmarks has no false red one. */
static int change_for(const struct against *a, const struct series *base, const struct series *head,
		      struct change *ret)
{
	const struct change *known =
		a->comparison != NULL ? comparison_find(a->comparison, head->id) : NULL;
	if (known == NULL || known->processes.n_base == 0)
		return change_of(base, head, LEVEL_OF_BUDGETS, ret);
	*ret = *known;
	return 0;
}

static int judge_one_budget(struct judging *g, const struct budget *b, struct session *s,
			    struct judgement *j)
{
	const struct against *a = budget_needs_baseline(b) ? against_of(g->e, b) : NULL;
	const struct series *head = metrics_find(a != NULL ? a->head : s, b->metric);
	const struct series *base = a != NULL ? metrics_find(a->session, b->metric) : NULL;
	struct change change;
	int r = 0;
	if (a != NULL && head != NULL && base != NULL)
		r = change_for(a, base, head, &change);
	if (r < 0)
		return r;
	r = budget_judge(g->arena, b, head, base != NULL ? &change : NULL,
			 &g->e->scenario->budget_levels, j);
	j->comparison = a != NULL ? a->comparison : NULL;
	if (r >= 0 && a != NULL && base != NULL && head != NULL)
		r = judging_distrust(g, a, &change, j);
	if (r >= 0 && a != NULL && a->comparison->incomparable != NULL) {
		j->verdict = VERDICT_INCOMPARABLE;
		j->level = LEVEL_INCONCLUSIVE;
		j->reason = judging_say_incomparable(g, a);
	}
	if (r == -ENOENT && g->e->awaits != NULL && b->baseline == NULL && g->e->gate == NULL) {
		g->n_waiting++;
		j->level = LEVEL_INCONCLUSIVE;
		j->reason = g->e->awaits;
		return 0;
	}
	const bool is_missing = r == -ENODATA && (head == NULL || !head->is_summary);
	if (is_missing && explain_missing(g, s, j) < 0)
		return -ENOMEM;
	return r < 0 ? note_failure(g, r, j) : 0;
}

/* Of a ratio the steps have no part. */
static bool is_too_large_sum(const struct judging *g, const struct judgement *j)
{
	return g->e->scenario->n_steps > 1 && !j->is_below && j->unit != UNIT_RATIO &&
	       (j->level == LEVEL_YELLOW || j->level == LEVEL_RED);
}

static int add_budget(struct judging *g, const struct budget *b, struct session *s,
		      const char *step)
{
	struct judgement j;
	int r = judge_one_budget(g, b, s, &j);
	if (r >= 0 && j.is_below && s->n_runs > 0)
		r = explain(g, s, "", &j);
	if (r >= 0 && is_too_large_sum(g, &j) && step == NULL)
		r = steps_explain(g->arena, g->e->scenario, g->e->steps, &j);
	if (r >= 0)
		r = judging_explain(g, s, &j);
	if (r >= 0 && step != NULL) {
		j.metric = arena_printf(g->arena, "%s: %s", step, j.metric);
		r = j.metric == NULL ? -ENOMEM : 0;
	}
	return r < 0 ? r : judging_add(g, &j);
}

/* "bench[*]": ids of the table that take a glob have their own meaning of it, and a name that has a star in it
 * is a name. */
static bool is_glob(const struct budget *b, struct session *s)
{
	return metrics_row(b->metric) == NULL && strpbrk(b->metric, "*?") != NULL &&
	       metrics_find(s, b->metric) == NULL;
}

/* Brackets stand for themselves, as names have them: "bench[test_get[*]]". */
static bool is_meant(const char *glob, const char *id)
{
	_cleanup_(buf_done) struct buf pattern;
	buf_init(&pattern, WORDS_MAX);
	for (const char *at = glob; *at != '\0'; at++)
		(void)buf_addf(&pattern, "%s%c", *at == '[' || *at == '\\' ? "\\" : "", *at);
	return pattern.error == 0 && fnmatch(buf_str(&pattern), id, 0) == 0;
}

/* A row for each benchmark that a glob matches: which one is over is what is asked. */
static int judge_matching(struct judging *g, const struct budget *b, struct session *s,
			  const char *step)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_series; i++) {
		struct budget one = *b;
		if (!is_meant(b->metric, s->series[i].id))
			continue;
		one.metric = s->series[i].id;
		const int r = add_budget(g, &one, s, step);
		if (r < 0)
			return r;
		n++;
	}
	/* Of none it is missing. */
	return n == 0 ? add_budget(g, b, s, step) : 0;
}

static int judge_budgets(struct judging *g, const struct budget *budgets, size_t n,
			 struct session *s, const char *step)
{
	int r = 0;
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = is_glob(&budgets[i], s) ? judge_matching(g, &budgets[i], s, step)
					    : add_budget(g, &budgets[i], s, step);
	return r;
}

/* --- the outcome ---------------------------------------------------------------------------- */

static const char *why_nothing(const struct judging *g)
{
	return g->e != NULL && g->e->awaits != NULL
		       ? g->e->awaits
		       : "it has neither budgets nor a baseline: nothing to judge it by";
}

static int finish(struct judging *g, int r)
{
	if (r >= 0 && g->list.n == g->n_waiting)
		judging_worsen(g->o, OUTCOME_CANNOT_JUDGE, why_nothing(g));
	if (r >= 0 && g->list.n > 0) {
		g->o->judgements =
			arena_memdup(g->arena, g->list.items, g->list.n * sizeof(*g->list.items));
		g->o->n_judgements = g->o->judgements != NULL ? g->list.n : 0;
		r = g->o->judgements != NULL ? 0 : -ENOMEM;
		outcome_sort(g->o);
	}
	vec_done(&g->list);
	return r;
}

int judge_scenario(struct arena *arena, const struct evidence *e, struct outcome *ret)
{
	struct judging g = { .arena = arena, .e = e, .o = ret };
	const struct scenario *s = e->scenario;
	int r = judge_budgets(&g, s->budgets, s->n_budgets, e->session, NULL);
	for (size_t i = 0; r >= 0 && i < s->n_steps; i++) {
		const struct step *step = &s->steps[i];
		if (step->n_budgets > 0)
			r = judge_budgets(&g, step->budgets, step->n_budgets, e->steps[i],
					  step->name);
	}
	if (r >= 0 && e->gate != NULL)
		r = judging_gate(&g);
	return finish(&g, r);
}

static int judge_one_span(struct judging *g, const struct config *c, const struct span *span,
			  struct session *const *sessions)
{
	const struct scenario *first = &c->scenarios[span->scenarios[0]];
	struct judgement j;
	const struct series **series = arena_alloc_array(g->arena, span->n, sizeof(*series));
	if (series == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < span->n; i++) {
		struct session *s = sessions[span->scenarios[i]];
		series[i] = s != NULL ? metrics_find(s, span->budget.metric) : NULL;
	}
	int r = budget_judge_scaling(g->arena, &span->budget, span->x, series, span->n,
				     &first->budget_levels, &j);
	if (r < 0)
		r = note_failure(g, r, &j);
	return r < 0 ? r : judging_add(g, &j);
}

int judge_spans(struct arena *arena, const struct config *c, const struct span *spans, size_t n,
		struct session *const *sessions, struct outcome *ret)
{
	struct judging g = { .arena = arena, .o = ret };
	int r = 0;
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = judge_one_span(&g, c, &spans[i], sessions);
	return finish(&g, r);
}
