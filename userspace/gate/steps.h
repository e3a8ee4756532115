/* SPDX-License-Identifier: MIT */
/* A scenario of several steps as one: what they took together. */
#ifndef USERSPACE_GATE_STEPS_H
#define USERSPACE_GATE_STEPS_H

#include "userspace/gate/config.h"
#include "userspace/gate/outcome.h"

/* Run by run, the sum of what @steps took; of each step's time up to its end, ready or exit. The
 * facts about machine and design are those of the first. It holds the steps themselves, too, so that a
 * difference of sums has their breakdowns; they and @s must live as long. -ENOMEM. */
int steps_sum(const struct scenario *s, struct session *const *steps, struct session **ret);

/* Appends to the reason of @j, about such a sum, what each step has in it. -ENOMEM. */
int steps_explain(struct arena *arena, const struct scenario *s, struct session *const *steps,
		  struct judgement *j);

#endif
