/* SPDX-License-Identifier: MIT */
/* What `check` does with each scenario: measure it, find what it is compared with, let gate/ judge. */
#ifndef USERSPACE_CMD_CHECK_H
#define USERSPACE_CMD_CHECK_H

#include <stdbool.h>

#include "userspace/base/vec.h"
#include "userspace/cmd/ab.h"
#include "userspace/cmd/record_options.h"
#include "userspace/cmd/worktree.h"
#include "userspace/collect/run/collect.h"
#include "userspace/gate/config.h"
#include "userspace/gate/judge.h"
#include "userspace/gate/outcome.h"
#include "userspace/gate/steps.h"

struct session_list VEC(struct session *);
struct comparison_list VEC(struct comparison *);

struct check {
	struct arena *arena;
	const struct config *config;
	const char *trusted; /* commit that baselines have to come from, or NULL */
	bool is_quiet;
	bool is_bisect;		      /* only whether it is as much worse as `fail` is asked */
	bool is_history;	      /* what is measured goes into the store */
	bool is_saving;		      /* … as the baseline of a scenario that has none yet */
	bool may_lose_store;	      /* it is new in the job of a CI system */
	struct session_list sessions; /* all that outcomes point to */
	struct comparison_list comparisons;
	struct session **of_scenario; /* by index in the configuration; NULL: not measured */
	bool is_interrupted;	      /* by a signal: nothing further is begun */
	size_t at, n;		      /* the at-th of n scenarios is measured, from 1 */
};

/* Everything that went wrong is in *ret, which is SKIPPED where nothing is to be said of a cell alone; a
 * negative errno says that not even that could be said. */
int check_scenario(struct check *c, size_t index, struct outcome *ret);
/* Budgets over a matrix, spans[0..@n) of one name, by what check_scenario() measured. */
int check_spans(struct check *c, const struct span *spans, size_t n, struct outcome *ret);

/* The reason where what failed was logged. */
#define AS_SAID_ABOVE "startline failed, as said above"

/* Takes over what outcomes point to; frees it on failure. */
int check_keep(struct check *c, struct session *s);

/* --- check_measure.c --- */

/* How a step is recorded. What @ret points to is the scenario's, in the check's arena, and that of @rules,
 * which the caller frees. */
int check_spec(struct check *c, const struct scenario *s, const struct step *step,
	       struct ready_rules *rules, struct collect_spec *ret);

/* All runs of a step; one that a signal ended does not count. *ret_failure: one line why the command failed,
 * or NULL; *ret_cut: one line that time was over before all were run, or NULL. *ret is set where at least one
 * run was measured. */
int check_measure(struct check *c, const struct scenario *s, const struct step *step,
		  struct session **ret, const char **ret_failure, const char **ret_cut);

/* --- check_background.c --- */

struct aside;
/* The services of a scenario, as long as it is measured. */
struct background {
	struct aside *services;
	size_t n;
};
/* Starts one after the other, each when the one before is ready. *ret_reason: why one is not. The caller
 * stops them, also after a failure: -ECHILD is theirs, -EINTR the user's. */
int background_start(struct check *c, const struct scenario *s, struct background *ret,
		     const char **ret_reason);
/* Why one has ended that should still run; NULL: none has. */
const char *background_failure(struct check *c, const struct scenario *s, struct background *b);
void background_stop(struct background *b);

/* --- check_interleave.c --- */

/* What a scenario is interleaved with. */
struct check_base {
	struct ab_arm arm;
	struct worktree worktree;
};
/* Makes it ready to run; nothing when the scenario has no base. *ret_reason: why not. The caller removes
 * the worktree, also after a failure. */
int check_base_open(struct check *c, const struct scenario *s, struct check_base *ret,
		    const char **ret_reason);
/* 1: the inputs are byte-identical; 0: they are not, or there are none. *ret_reason says which, and why
 * it could not be found out. */
int check_base_is_same(struct check *c, const struct scenario *s, const struct check_base *base,
		       const char **ret_reason);

/* Runs both interleaved until it is certain. Fills in @ret what there is to judge and in @o how it came
 * about; ret->comparison is NULL where there is nothing. */
int check_interleave(struct check *c, const struct scenario *s, const struct check_base *base,
		     struct against *ret, struct outcome *o);

/* --- check_baseline.c --- */

/* Loads the baseline of @s by name (NAME:SCENARIO goes before NAME) or file. *ret NULL, only where it
 * @may_wait: there is none yet, and *ret_reason says how to store one. -ENOENT: there is none, it may not
 * be used, or it was measured of something else; *ret_reason says why. Other failures are logged, and in a
 * word in *ret_reason. */
int check_load_baseline(struct check *c, const struct scenario *s, const char *name, bool may_wait,
			struct session **ret, const char **ret_reason);
/* The name of the one that is @s's alone: "NAME:SCENARIO". NULL: no memory. */
const char *check_own_baseline(struct check *c, const struct scenario *s, const char *name);

#endif
