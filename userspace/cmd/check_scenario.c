/* SPDX-License-Identifier: MIT */
/* One scenario from its first run to its outcome. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "userspace/base/arena.h"
#include "userspace/base/log.h"
#include "userspace/cmd/check.h"
#include "userspace/cmd/known_noise.h"
#include "userspace/cmd/ref.h"
#include "userspace/cmd/store_access.h"
#include "userspace/gate/family.h"
#include "userspace/gate/judge.h"
#include "userspace/gate/sequence.h"

int check_keep(struct check *c, struct session *s)
{
	if (vec_push(&c->sessions, s) == 0)
		return 0;
	(void)session_free(s);
	return fail(-ENOMEM, "not enough memory for a scenario");
}

static int compare(struct check *c, const struct scenario *scenario, struct session *base,
		   struct session *head, struct comparison **ret)
{
	/* What judges a change must not come with it: a store may. */
	int r = c->trusted == NULL ? known_noise_of(base, scenario->name) : 0;
	if (r >= 0)
		r = comparison_build(base, head, SEQUENCE_LEVEL, ret);
	if (r < 0)
		return r;
	verdict_set_exact(*ret, scenario->baseline_levels.exact);
	if (family_set_claims(*ret) == 0 && vec_push(&c->comparisons, *ret) == 0)
		return 0;
	*ret = comparison_free(*ret);
	return fail(-ENOMEM, "not enough memory for a scenario");
}

/* @reason NULL: memory is short. False, so that its callers can end with it. */
static bool end_with(struct outcome *o, enum outcome_kind kind, const char *reason)
{
	o->kind = kind;
	o->reason = reason != NULL ? reason : "not enough memory";
	return false;
}

/* One scenario under way. */
struct trial {
	struct check *check;
	const struct scenario *scenario;
	struct outcome *outcome;
	struct evidence evidence;
	struct session **steps;
	const char *interrupted; /* after how much of it, or NULL: it was not */
	const char *cut;	 /* that a step had no time for all runs, or NULL */
};

/* Whether a baseline that is not there costs only the comparison: not one that a budget asks for by
 * name, and nothing that decides about a change under test. */
static bool may_wait(const struct trial *t, const char *name)
{
	const struct scenario *s = t->scenario;
	bool is_asked_for = s->baseline == NULL || strcmp(s->baseline, name) != 0;
	for (size_t i = 0; i < s->n_budgets; i++)
		is_asked_for |=
			s->budgets[i].baseline != NULL && strcmp(s->budgets[i].baseline, name) == 0;
	return !is_asked_for && t->check->trusted == NULL && !t->check->is_bisect;
}

/* False: the outcome says why it goes no further. */
static bool load_baselines(struct trial *t)
{
	struct check *c = t->check;
	struct text_list names;
	if (scenario_baselines(c->arena, t->scenario, &names) < 0)
		return end_with(t->outcome, OUTCOME_TROUBLE, NULL);
	/* One more for what is interleaved. */
	t->evidence.against = arena_alloc_array(c->arena, names.n + 1, sizeof(struct against));
	if (t->evidence.against == NULL)
		return end_with(t->outcome, OUTCOME_TROUBLE, NULL);
	for (size_t i = 0; i < names.n; i++) {
		struct against *a = &t->evidence.against[t->evidence.n_against];
		const char *name = names.items[i], *reason = NULL;
		a->name = name;
		a->label = arena_printf(c->arena, "@%s", name);
		const int r = check_load_baseline(c, t->scenario, name, may_wait(t, name),
						  &a->session, &reason);
		if (r < 0 || a->label == NULL || (a->session == NULL && reason == NULL))
			return end_with(t->outcome,
					r == -ENOENT ? OUTCOME_CANNOT_JUDGE : OUTCOME_TROUBLE,
					reason);
		if (a->session == NULL)
			t->evidence.awaits = reason;
		else
			t->evidence.n_against++;
	}
	return true;
}

/* The sum of several steps is a session of its own. */
static int add_up(struct trial *t)
{
	if (t->scenario->n_steps == 1) {
		t->evidence.session = t->steps[0];
		return 0;
	}
	const int r = steps_sum(t->scenario, t->steps, &t->evidence.session);
	return r < 0 ? r : check_keep(t->check, t->evidence.session);
}

/* What was measured before. */
static bool read_results(struct trial *t)
{
	struct session *s = NULL;
	int r = ref_load(t->scenario->results, &s);
	if (r >= 0)
		r = check_keep(t->check, s);
	if (r < 0)
		return end_with(t->outcome, OUTCOME_CANNOT_JUDGE,
				arena_printf(t->check->arena, "there are no results in '%s'",
					     t->scenario->results));
	t->evidence.session = t->outcome->session = s;
	return true;
}

/* Only now: what ran before may have made it. */
static bool has_directory(struct trial *t, const struct step *step)
{
	struct stat st;
	if (step->directory == NULL || (stat(step->directory, &st) == 0 && S_ISDIR(st.st_mode)))
		return true;
	return end_with(t->outcome, OUTCOME_MISCONFIGURED,
			arena_printf(t->check->arena,
				     "%s:%s: there is no directory '%s' here; `directory` is "
				     "relative to where startline is called",
				     t->check->config->path, step->directory_at, step->directory));
}

/* What there is of a scenario is judged: of each step, that is. */
static bool note_interruption(struct trial *t, size_t step)
{
	const struct scenario *s = t->scenario;
	const struct session *measured = t->steps[step];
	if (measured == NULL || step + 1 < s->n_steps)
		return end_with(
			t->outcome, OUTCOME_CANNOT_JUDGE,
			arena_printf(t->check->arena, "interrupted before %s was over",
				     s->steps[step].name != NULL ? "each step" : "the first run"));
	t->interrupted = arena_printf(t->check->arena, "interrupted after %zu of %zu runs",
				      measured->n_runs, s->runs);
	return t->interrupted != NULL || end_with(t->outcome, OUTCOME_TROUBLE, NULL);
}

static bool measure_steps(struct trial *t)
{
	const struct scenario *s = t->scenario;
	struct check *c = t->check;
	if (s->results != NULL)
		return read_results(t);
	t->steps = arena_alloc_array(c->arena, s->n_steps, sizeof(struct session *));
	if (t->steps == NULL)
		return end_with(t->outcome, OUTCOME_TROUBLE, NULL);
	t->evidence.steps = t->steps;
	for (size_t i = 0; i < s->n_steps; i++) {
		const char *failure = NULL, *cut = NULL;
		if (!has_directory(t, &s->steps[i]))
			return false;
		const int r = check_measure(c, s, &s->steps[i], &t->steps[i], &failure, &cut);
		t->cut = t->cut != NULL ? t->cut : cut;
		/* Also of a command that failed: what was seen of it. */
		t->outcome->session = t->steps[i];
		if (r < 0)
			(void)end_with(t->outcome, OUTCOME_TROUBLE, AS_SAID_ABOVE);
		else if (c->is_interrupted)
			(void)note_interruption(t, i);
		else if (failure != NULL)
			(void)end_with(t->outcome, OUTCOME_TARGET_FAILED, failure);
		if (t->outcome->kind != OUTCOME_JUDGED)
			return false;
	}
	if (add_up(t) < 0)
		return end_with(t->outcome, OUTCOME_TROUBLE, NULL);
	t->outcome->session = t->evidence.session;
	return true;
}

/* Compares what was measured with each stored baseline. */
static bool compare_all(struct trial *t)
{
	for (size_t i = 0; i < t->evidence.n_against; i++) {
		struct against *a = &t->evidence.against[i];
		a->head = t->evidence.session;
		if (compare(t->check, t->scenario, a->session, a->head, &a->comparison) < 0)
			return end_with(t->outcome, OUTCOME_TROUBLE, NULL);
	}
	if (t->scenario->baseline != NULL && t->evidence.awaits == NULL) {
		t->evidence.gate = &t->evidence.against[0];
		t->outcome->base = t->evidence.gate->session;
		t->outcome->comparison = t->evidence.gate->comparison;
		t->outcome->base_name = t->evidence.gate->label;
	}
	return true;
}

/* Whether head has to be measured alone: budgets are about it, and a stored baseline is compared with
 * it. */
static bool is_measured_alone(const struct scenario *s)
{
	return s->base_kind == BASE_NONE || s->n_budgets > 0 || s->baseline != NULL;
}

/* A stored baseline screens; where it leaves a doubt, or there is none, both sides run interleaved. */
static int confirm(struct trial *t, const struct check_base *base)
{
	struct evidence *e = &t->evidence;
	if (e->gate != NULL && judge_screen(e)) {
		e->is_screened = true;
		return 0;
	}
	struct against *a = &e->against[e->n_against];
	const int r = check_interleave(t->check, t->scenario, base, a, t->outcome);
	if (r < 0)
		return r;
	e->gate = NULL;
	if (a->comparison != NULL) {
		e->n_against++;
		e->gate = a;
		e->session = e->session != NULL ? e->session : a->head;
	}
	if (t->check->is_interrupted)
		t->interrupted = t->outcome->reason;
	return 0;
}

/* Everything but the verdict. False: the outcome is what it is. */
static bool gather(struct trial *t, const struct check_base *base)
{
	const struct scenario *s = t->scenario;
	if (is_measured_alone(s) && (!measure_steps(t) || !compare_all(t)))
		return false;
	if (s->base_kind != BASE_NONE && !has_directory(t, &s->steps[0]))
		return false;
	/* Nothing further is begun. */
	if (t->interrupted != NULL)
		return t->evidence.session != NULL;
	if (s->base_kind != BASE_NONE && confirm(t, base) < 0)
		return false;
	return t->evidence.session != NULL;
}

/* What is red is so already; that the rest would have passed is not known. */
static void judge_interrupted(struct outcome *o, const char *reason)
{
	if (o->kind != OUTCOME_JUDGED)
		return;
	o->reason = reason;
	if (outcome_severity(o) != SEVERITY_FAILED)
		o->kind = OUTCOME_CANNOT_JUDGE;
}

/* Where more runs may decide it, that there was no time for those that were asked for. */
static void say_cut(struct trial *t)
{
	struct outcome *o = t->outcome;
	if (t->cut == NULL || t->evidence.awaits != NULL || *o->reason != '\0')
		return;
	for (size_t i = 0; i < o->n_judgements; i++) {
		if (o->judgements[i].level == LEVEL_INCONCLUSIVE)
			o->reason = t->cut;
	}
}

static int judge(struct trial *t)
{
	if (t->scenario->is_cell_only && t->interrupted != NULL) {
		(void)end_with(t->outcome, OUTCOME_CANNOT_JUDGE, t->interrupted);
		return 0;
	}
	if (t->scenario->is_cell_only) {
		(void)end_with(t->outcome, OUTCOME_SKIPPED, "");
		return 0;
	}
	const int r = judge_scenario(t->check->arena, &t->evidence, t->outcome);
	say_cut(t);
	if (t->interrupted != NULL)
		judge_interrupted(t->outcome, t->interrupted);
	return r < 0 ? fail(r, "not enough memory for a verdict") : 0;
}

/* False: there is nothing to be measured. */
static bool open_base(struct trial *t, struct check_base *base)
{
	const char *reason = NULL;
	int r = check_base_open(t->check, t->scenario, base, &reason);
	if (r < 0)
		return end_with(t->outcome,
				r == -EINVAL || r == -EINTR ? OUTCOME_CANNOT_JUDGE
				: r == -ECHILD		    ? OUTCOME_TARGET_FAILED
							    : OUTCOME_TROUBLE,
				reason);
	r = check_base_is_same(t->check, t->scenario, base, &reason);
	if (r != 0)
		return end_with(t->outcome,
				r > 0	       ? OUTCOME_SKIPPED
				: r == -ENOENT ? OUTCOME_CANNOT_JUDGE
					       : OUTCOME_TROUBLE,
				reason);
	return true;
}

/* What is judged, or would be if there were a baseline. */
static bool may_be_stored(const struct trial *t)
{
	const struct outcome *o = t->outcome;
	return o->kind == OUTCOME_JUDGED ||
	       (o->kind == OUTCOME_CANNOT_JUDGE && o->reason == t->evidence.awaits);
}

/* The name of the baseline that it becomes, or NULL. False: the outcome says why it cannot be known. */
static bool name_baseline(struct trial *t, const char **ret)
{
	*ret = NULL;
	if (!t->check->is_saving || t->evidence.awaits == NULL)
		return true;
	if (store_access_check_baseline(t->evidence.session) < 0)
		return true;
	*ret = check_own_baseline(t->check, t->scenario, t->scenario->baseline);
	return *ret != NULL || end_with(t->outcome, OUTCOME_TROUBLE, NULL);
}

/* Said of each baseline: jobs that lose it look like those of a gate that passes. */
static const char lost_store[] =
	"; its store is new in this job: where nothing keeps it for the next one (a cache, "
	"STARTLINE_STORE), each job stores its own and none compares";

/* That there was nothing to compare with, and what became of it. Storing the first is what was asked for,
 * and no failure where there was nothing else to do. */
static void say_awaited(struct trial *t, const char *saved)
{
	struct outcome *o = t->outcome;
	if (saved != NULL && o->reason == t->evidence.awaits)
		o->kind = OUTCOME_SKIPPED;
	if (o->reason != t->evidence.awaits && *o->reason != '\0')
		return;
	o->reason = t->evidence.awaits;
	if (saved != NULL)
		o->reason = arena_printf(
			t->check->arena,
			"stored as the first baseline, @%s: there was nothing to compare with yet%s",
			saved, t->check->may_lose_store ? lost_store : "");
	if (o->reason == NULL)
		(void)end_with(o, OUTCOME_TROUBLE, NULL);
}

/* Stores what was measured, for `history`, and as a baseline. */
static void store(struct trial *t)
{
	const struct store_entry about = { .scenario = t->scenario->name };
	const char *name = NULL;
	if (t->interrupted != NULL || !may_be_stored(t) || !name_baseline(t, &name))
		return;
	if ((name != NULL || (t->check->is_history && t->outcome->kind == OUTCOME_JUDGED)) &&
	    store_access_save(t->evidence.session, name, &about) < 0)
		(void)end_with(t->outcome, OUTCOME_TROUBLE,
			       "what was measured could not be stored, as said above");
	else if (t->evidence.awaits != NULL)
		say_awaited(t, name);
}

/* What is measured needs its services for as long. False: the outcome is what it is. */
static bool gather_among_services(struct trial *t, const struct check_base *base)
{
	struct check *c = t->check;
	struct background services;
	const char *reason = AS_SAID_ABOVE;
	const int r = background_start(c, t->scenario, &services, &reason);
	bool has_gathered = r >= 0 && gather(t, base);
	const char *failure = r >= 0 ? background_failure(c, t->scenario, &services) : NULL;
	background_stop(&services);
	c->is_interrupted |= r == -EINTR;
	if (r == -EINTR)
		return end_with(t->outcome, OUTCOME_CANNOT_JUDGE,
				"interrupted before its services were ready");
	if (r < 0)
		return end_with(t->outcome, r == -ECHILD ? OUTCOME_TARGET_FAILED : OUTCOME_TROUBLE,
				reason);
	if (failure != NULL && !c->is_interrupted)
		return end_with(t->outcome, OUTCOME_TARGET_FAILED, failure);
	return has_gathered;
}

int check_scenario(struct check *c, size_t index, struct outcome *ret)
{
	const struct scenario *s = &c->config->scenarios[index];
	struct trial t = { .check = c, .scenario = s, .outcome = ret };
	struct check_base base = { 0 };
	int r = 0;
	*ret = (struct outcome){
		.scenario = s->name,
		.command = s->steps[0].command,
		.file = c->config->path,
		.line = s->line,
		.reason = "",
	};
	t.evidence.scenario = s;
	if (c->is_interrupted) {
		(void)end_with(ret, OUTCOME_CANNOT_JUDGE, "interrupted before it began");
		return 0;
	}
	if (load_baselines(&t) && open_base(&t, &base) && gather_among_services(&t, &base)) {
		c->of_scenario[index] = t.evidence.session;
		r = judge(&t);
		store(&t);
	}
	worktree_remove(&base.worktree);
	return r;
}

int check_spans(struct check *c, const struct span *spans, size_t n, struct outcome *ret)
{
	*ret = (struct outcome){
		.scenario = spans->name,
		.command = c->config->scenarios[spans->scenarios[0]].steps[0].command,
		.file = c->config->path,
		.line = spans->budget.line,
		.reason = "",
	};
	const int r = judge_spans(c->arena, c->config, spans, n, c->of_scenario, ret);
	return r < 0 ? fail(r, "not enough memory for a verdict") : 0;
}
