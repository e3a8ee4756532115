/* SPDX-License-Identifier: MIT */
/* startline.yml. Matrix and defaults are worked out here: what comes back is a plain list of
 * scenarios, each with its steps (at least one) and budgets. The only user of libyaml. */
#ifndef USERSPACE_GATE_CONFIG_H
#define USERSPACE_GATE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/gate/budget.h"

struct step {
	const char *name;	/* NULL: the only one */
	const char *command;	/* as written, parameters put in */
	char **argv;		/* split by shell quoting, NULL-terminated; or sh -c COMMAND */
	const char *directory;	/* NULL: where startline was called */
	struct text_list ready; /* --ready SPECs */
	uint64_t timeout_ns;	/* 0: default of `run` */
	struct budget *budgets; /* of this step alone */
	size_t n_budgets;
};

enum base_kind { BASE_NONE, BASE_WORKTREE, BASE_COMMAND, BASE_DIRECTORY };

struct parameter {
	const char *name, *value;
};

struct scenario {
	const char *name;  /* unique: "Suite [workers=2]" for a cell of a matrix */
	const char *group; /* name without the cell */
	struct step *steps;
	size_t n_steps;
	size_t runs, warmup;
	uint64_t max_time_ns;
	enum base_kind base_kind; /* what `check` interleaves with */
	const char *base;	  /* git revision, command or directory */
	const char *baseline;	  /* name in the store; NULL: none */
	struct budget *budgets;	  /* of the sum of its steps */
	size_t n_budgets;
	struct text_list gate; /* metrics judged against the baseline */
	struct levels budget_levels, baseline_levels;
	struct parameter *parameters;
	size_t n_parameters;
	const char *heap;	 /* "count", "off" */
	struct text_list inputs; /* artefacts that decide whether anything changed; may be empty */
	int line;		 /* in the file, for annotations */
};

struct config {
	struct arena *arena;
	const char *path;
	const char *store; /* URL or NULL */
	struct scenario *scenarios;
	size_t n_scenarios;
};

/* -EINVAL, logged as "FILE:LINE:COLUMN: what, and what to write instead". */
int config_load(const char *path, struct config **ret);
int config_parse(const char *text, size_t length, const char *path, struct config **ret);
struct config *config_free(struct config *c); /* NULL */

#endif
