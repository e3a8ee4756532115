/* SPDX-License-Identifier: MIT */
/* What the files of judge.h share: an outcome on its way. */
#ifndef USERSPACE_GATE_JUDGE_INTERNAL_H
#define USERSPACE_GATE_JUDGE_INTERNAL_H

#include "userspace/base/vec.h"
#include "userspace/gate/judge.h"

struct judgement_list VEC(struct judgement);

struct judging {
	struct arena *arena;
	const struct evidence *e;
	struct outcome *o;
	struct judgement_list list;
	size_t n_waiting; /* of these, for a baseline */
};

/* The graver kind stays. */
void judging_worsen(struct outcome *o, enum outcome_kind kind, const char *reason);
int judging_add(struct judging *g, const struct judgement *j);
/* Why nothing is concluded from @a; in the arena. */
const char *judging_say_incomparable(struct judging *g, const struct against *a);

/* --- explain.c --- */

/* Sets the cause of @j, which was judged by what it refers to, else by @s alone. -ENOMEM. */
int judging_explain(struct judging *g, struct session *s, struct judgement *j);

/* --- judge_gate.c --- */

/* Takes back a claim about @change that may be of the machine, where @a was not measured beside head.
 * -ENOMEM. */
int judging_distrust(struct judging *g, const struct against *a, const struct change *change,
		     struct judgement *j);
/* Adds a judgement for each metric of the gate. */
int judging_gate(struct judging *g);

#endif
