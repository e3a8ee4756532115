/* SPDX-License-Identifier: MIT */
/* What the judges of budgets share. */
#ifndef USERSPACE_GATE_BUDGET_INTERNAL_H
#define USERSPACE_GATE_BUDGET_INTERNAL_H

#include "userspace/gate/statistic.h"

/* A judgement of @b before anything is known. */
void judgement_init(struct judgement *j, const struct budget *b, enum unit unit);
/* Sets verdict, level, headroom and reason of @value within the limits of @b. */
int judge_value(struct arena *arena, const struct budget *b, const struct estimate *value,
		const struct levels *levels, struct judgement *j);
/* Sets the reason; -ENOMEM. */
int judgement_say(struct arena *arena, struct judgement *j, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
