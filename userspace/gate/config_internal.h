/* SPDX-License-Identifier: MIT */
/* What the readers of startline.yml share. */
#ifndef USERSPACE_GATE_CONFIG_INTERNAL_H
#define USERSPACE_GATE_CONFIG_INTERNAL_H

#include "userspace/base/vec.h"
#include "userspace/gate/config_yaml.h"

struct scenario_list VEC(struct scenario);
struct span_list VEC(struct span);

/* A budget over a matrix, until all cells of its scenario are read. */
struct spanning {
	struct budget budget;
	node *at;
	size_t scenario; /* the cell it was read for */
};
struct spanning_list VEC(struct spanning);

/* The keys that may stand at the top, for all scenarios, and in each of them. */
#define COMMON_KEYS                                                                           \
	"runs", "warmup", "max_time", "base", "baseline", "levels", "gate", "heap", "stacks", \
		"wait_stacks", "debuginfod", "inputs", "env", "background", "follow_cgroup",  \
		"containers"
int scenario_read_common(struct reader *r, node *mapping, struct scenario *ret);

/* One cell of a scenario. *ret begins as the defaults. Budgets over the matrix are appended to
 * @spanning. */
int scenario_read(struct reader *r, node *mapping, struct scenario *ret,
		  struct spanning_list *spanning);

/* Command, readiness and what else a program needs to be run: a step's, or a service's. */
int step_read_alone(struct reader *r, node *mapping, struct step *ret);

/* --- config_beside.c --- */

/* Who knows `retries` from elsewhere learns why there are none. */
int retries_refuse(struct reader *r, node *mapping);
/* Puts the variables of `env` behind those of *environment, which stays what it is. */
int environment_read(struct reader *r, node *mapping, char ***environment);
/* `prepare` and `load` of a step. */
int helpers_read(struct reader *r, node *mapping, struct step *ret);
/* `env`, `background`, `follow_cgroup` and `containers`. */
int surroundings_read(struct reader *r, node *mapping, struct scenario *ret);

/* Budgets of @mapping: `target`, which is about @main_metric, and `budgets`. @is_sum: over several
 * steps, where only what adds up has a meaning. */
struct budget_place {
	const struct scenario *scenario;
	const char *main_metric;
	bool is_sum, is_step;
	struct spanning_list *spanning;
};
int budgets_read(struct reader *r, node *mapping, const struct budget_place *place,
		 struct budget **ret, size_t *ret_n);
/* The row of a metric that may be named, or an error. */
int metric_check(struct reader *r, node *at, const char *id);

/* Whether every {NAME} in the scenario is a parameter of one of the matrices, as far as that can be told from
 * other braces; each may be NULL. */
int braces_check(struct reader *r, node *top, node *own, node *scenario);

/* `matrix` at the top (NULL: none) and in the scenario: appends a scenario per cell. */
int matrix_read(struct reader *r, node *top, node *mapping, const struct scenario *defaults,
		struct scenario_list *ret, struct span_list *ret_spans);

#endif
