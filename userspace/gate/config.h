/* SPDX-License-Identifier: MIT */
/* startline.yml. Matrix and defaults are worked out here: what comes back is a plain list of
 * scenarios, each with its steps (at least one) and budgets. Every key and value that is not
 * understood is an error with its place in the file: a budget that is silently ignored never fails.
 *
 * To add a key: its name in the list of where it may stand, and a line that reads it, both in
 * config_scenario.c (config_beside.c for what is beside the command, config.c for the top level);
 * docs/man/startline.yml.5.md. */
#ifndef USERSPACE_GATE_CONFIG_H
#define USERSPACE_GATE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/heap_mode.h"
#include "userspace/gate/budget.h"

#define CONFIG_FILE "startline.yml"
/* More than anybody writes by hand. */
#define CONFIG_MAX ((size_t)256 << 10)

struct step {
	const char *name;	  /* NULL: the only one */
	const char *command;	  /* as written, parameters put in */
	char **argv;		  /* split by shell quoting, NULL-terminated; or sh -c COMMAND */
	const char *directory;	  /* NULL: where startline was called */
	const char *directory_at; /* "LINE:COLUMN" of it, for a mistake that only running shows */
	struct text_list ready;	  /* --ready SPECs */
	bool no_connect;	  /* as --no-connect */
	uint64_t timeout_ns;	  /* 0: default of `run` */
	char **environment;	  /* NAME=VALUE, added to ours, NULL-terminated; NULL: nothing */
	const char *prepare;	  /* shell command before each run, not measured; or NULL */
	const char *load; /* shell command once it is ready, with which the run ends; or NULL */
	struct budget *budgets; /* of this step alone; none when it is the only one */
	size_t n_budgets;
	int line;
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
	const char
		*results; /* what was measured before, by us or another tool: a REF; the only step
			      * is its name then, and nothing is run */
	size_t runs, warmup;
	uint64_t max_time_ns;	  /* no further run is begun after that; 0: all are */
	enum base_kind base_kind; /* what `check` interleaves with */
	const char *base;	  /* git revision, command or directory */
	char **base_argv;	  /* BASE_COMMAND */
	char **environment;	  /* of all its steps and services, as theirs */
	struct step *background;  /* services that run meanwhile: name, command, readiness */
	size_t n_background;
	const char *follow_cgroup; /* processes in there are recorded, too; NULL: none */
	bool has_containers;	   /* … and those in cgroups that a container runtime makes */
	const char *setup;	/* shell command that makes base and head ready to run, or NULL */
	const char *baseline;	/* name in the store, or a file when there is a '/'; NULL: none */
	struct budget *budgets; /* of the sum of its steps */
	size_t n_budgets;
	struct text_list gate; /* metrics judged against the baseline; none: the usual ones */
	struct levels budget_levels, baseline_levels;
	struct parameter *parameters;
	size_t n_parameters;
	struct heap_mode heap;
	bool has_heap;		 /* it is said in the file */
	int stacks_hz;		 /* as parse_rate() has it */
	uint64_t wait_stacks_ns; /* 0: the default */
	uint64_t debuginfod_ns;	 /* 0: nothing is fetched */
	struct text_list inputs; /* artefacts that decide whether anything changed; may be empty */
	bool is_cell_only; /* measured for a budget over the matrix, and judged by nothing else */
	int line;	   /* in the file, for annotations */
};

/* A budget over the cells of a matrix that differ only in its parameter. */
struct span {
	const char *name; /* of the scenario, with the parameters that all cells share */
	struct budget budget;
	size_t *scenarios; /* indices */
	double *x;	   /* the parameter there */
	size_t n;
};

struct config {
	struct arena *arena;
	const char *path;
	const char *store;	    /* URL or NULL */
	struct scenario *scenarios; /* at least one */
	size_t n_scenarios;
	struct span *spans; /* those of one name stand together */
	size_t n_spans;
};

/* What `target` is about, and what is judged before all: startup.ready, or time.wall. */
const char *scenario_main_metric(const struct scenario *s);
/* The baselines that @s names, each once, the gate's first: names without '@'. *ret in @arena.
 * -ENOMEM. */
int scenario_baselines(struct arena *arena, const struct scenario *s, struct text_list *ret);
/* The metrics that are judged against a baseline: those that @s names, else the usual ones. -ENOMEM. */
int scenario_gate_metrics(struct arena *arena, const struct scenario *s, struct text_list *ret);

/* -EINVAL, logged as "FILE:LINE:COLUMN: what, and what to write instead"; -ENOMEM; what reading a
 * file may give. @path is what messages call it. */
int config_load(const char *path, struct config **ret);
int config_parse(const char *text, size_t length, const char *path, struct config **ret);
struct config *config_free(struct config *c); /* NULL */

#endif
