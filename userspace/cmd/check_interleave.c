/* SPDX-License-Identifier: MIT */
/* The other side of a scenario, run interleaved with it: a worktree, another directory, or another
 * command. */

#include <errno.h>

#include "userspace/base/arena.h"
#include "userspace/base/log.h"
#include "userspace/base/random.h"
#include "userspace/cmd/ab.h"
#include "userspace/cmd/check.h"
#include "userspace/cmd/inputs.h"

static const char failed[] = "startline failed, as said above";

/* --- the other place ------------------------------------------------------------------------ */

int check_base_open(struct check *c, const struct scenario *s, struct check_base *ret,
		    const char **ret_reason)
{
	const struct step *step = &s->steps[0];
	ret->arm = (struct ab_arm){ step->argv, step->directory };
	*ret_reason = failed;
	int r = 0;
	switch (s->base_kind) {
	case BASE_NONE:
		return 0;
	case BASE_COMMAND:
		ret->arm.argv = s->base_argv;
		break;
	case BASE_DIRECTORY:
		ret->arm.directory = s->base;
		break;
	case BASE_WORKTREE:
		r = worktree_add(s->base, step->directory, &ret->worktree);
		ret->arm.directory = ret->worktree.directory;
		break;
	}
	if (r >= 0 && s->setup != NULL)
		r = worktree_setup(ret->arm.directory, s->setup);
	if (r >= 0 && s->setup != NULL)
		r = worktree_setup(step->directory, s->setup);
	if (r == -EINTR) {
		c->is_interrupted = true;
		*ret_reason = "interrupted";
	}
	if (r == -EINVAL)
		*ret_reason =
			arena_printf(c->arena, "there is no base '%s' to compare with", s->base);
	if (r == -ECHILD)
		*ret_reason = arena_printf(c->arena, "setup: '%s' failed", s->setup);
	return r;
}

void check_base_close(struct check_base *base)
{
	worktree_remove(&base->worktree);
}

int check_base_is_same(struct check *c, const struct scenario *s, const struct check_base *base,
		       const char **ret_reason)
{
	const char *pattern = NULL;
	bool are_same = false;
	if (s->inputs.n == 0 || s->base_kind == BASE_COMMAND || s->base_kind == BASE_NONE)
		return 0;
	const int r = inputs_compare(&s->inputs, base->arm.directory, s->steps[0].directory,
				     &are_same, &pattern);
	if (r == -ENOENT)
		*ret_reason = arena_printf(c->arena, "inputs: nothing is called '%s'", pattern);
	else if (r < 0)
		*ret_reason = "the inputs cannot be compared";
	else if (are_same)
		*ret_reason = arena_printf(
			c->arena, "its inputs are byte-identical with those of %s", s->base);
	return r < 0 ? r : are_same;
}

/* --- interleaved ------------------------------------------------------------------------------ */

static int keep_all(struct check *c, struct ab_result *result, struct against *ret)
{
	struct session **const own[] = { &result->base, &result->head, &result->control };
	struct session **const kept[] = { &ret->session, &ret->head, &ret->control };
	int r = 0;
	for (size_t i = 0; i < 3 && r >= 0; i++) {
		*kept[i] = *own[i];
		*own[i] = NULL;
		r = *kept[i] != NULL ? check_keep(c, *kept[i]) : 0;
	}
	if (r >= 0 && vec_push(&c->comparisons, result->comparison) < 0)
		r = fail(-ENOMEM, "not enough memory for a scenario");
	if (r < 0)
		return r;
	ret->comparison = result->comparison;
	result->comparison = NULL;
	return 0;
}

/* What an end without a verdict is in an outcome; JUDGED: there is enough to judge. */
static enum outcome_kind kind_of(struct check *c, const struct ab_result *result)
{
	switch (result->end) {
	case AB_FAILED:
	case AB_CANNOT_RUN:
		return OUTCOME_TARGET_FAILED;
	case AB_INTERRUPTED:
		c->is_interrupted = true;
		return OUTCOME_TROUBLE;
	case AB_DECIDED:
	case AB_OPEN:
	case AB_OUT_OF_TIME:
		break;
	}
	return result->comparison != NULL ? OUTCOME_JUDGED : OUTCOME_CANNOT_JUDGE;
}

static int run(struct check *c, const struct scenario *s, const struct check_base *base,
	       struct ab_result *ret)
{
	struct rule_list rules = { 0 };
	struct ab_spec spec = {
		.base = base->arm,
		.head = { s->steps[0].argv, s->steps[0].directory },
		.good_below = c->is_bisect ? s->baseline_levels.fail : 0,
		.seed = random_fresh_seed(),
		.max_pairs = s->runs > AB_PAIRS ? s->runs : AB_PAIRS,
		.max_time_ns = s->max_time_ns,
		.is_quiet = c->is_quiet,
	};
	int r = scenario_gate_metrics(c->arena, s, &spec.gate);
	if (r >= 0)
		r = check_spec(s, &s->steps[0], &rules, &spec.record);
	if (r >= 0)
		r = ab_run(&spec, ret);
	check_rules_done(&rules);
	return r;
}

int check_interleave(struct check *c, const struct scenario *s, const struct check_base *base,
		     struct against *ret, struct outcome *o)
{
	struct ab_result result = { 0 };
	*ret = (struct against){ .label = s->base };
	int r = run(c, s, base, &result);
	if (r < 0) {
		o->kind = OUTCOME_TROUBLE;
		o->reason = failed;
		ab_result_done(&result);
		return r;
	}
	o->kind = kind_of(c, &result);
	o->pairs = result.pairs;
	o->repeats = result.repeats;
	o->seed = result.seed;
	if (o->kind != OUTCOME_JUDGED || result.end == AB_OUT_OF_TIME) {
		const char *hint = result.end == AB_OUT_OF_TIME ? ": raise `max_time`" : "";
		const char *reason = arena_printf(c->arena, "%s%s", result.reason, hint);
		o->reason = reason != NULL ? reason : failed;
	}
	if (result.comparison != NULL) {
		r = keep_all(c, &result, ret);
		o->session = o->session != NULL ? o->session : ret->head;
		o->base = ret->session;
		o->control = ret->control;
		o->comparison = ret->comparison;
		o->base_name = ret->label;
	}
	ab_result_done(&result);
	return r;
}
