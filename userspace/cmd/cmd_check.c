/* SPDX-License-Identifier: MIT */
/* check = startline.yml -> scenarios -> outcomes -> report and exit status. */

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/environment.h"
#include "userspace/base/log.h"
#include "userspace/base/nearest.h"
#include "userspace/cmd/arguments.h"
#include "userspace/cmd/check.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/git_facts.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/store_access.h"
#include "userspace/view/report/check.h"
#include "userspace/view/report/report.h"

enum {
	KEY_LIST = OPTION_FIRST_FREE,
	KEY_STRICT,
	KEY_BISECT,
	KEY_TRUSTED,
	KEY_SAVE,
	KEY_OUT,
};

struct opts {
	const char *file, *trusted;
	bool is_list, is_saving, is_strict, is_bisect;
	char **wanted; /* scenarios; NULL: all */
	size_t n_wanted;
	struct outs outs;
	struct output_options output;
};

static const struct argp_option options[] = {
	{ "file", 'f', "FILE", 0, "the scenarios (" CONFIG_FILE ")", 0 },
	{ "list", KEY_LIST, NULL, 0, "only parse the file and show what it says", 0 },
	{ "save", KEY_SAVE, NULL, 0,
	  "store what was measured as the baseline of scenarios that have none yet", 0 },
	{ "strict", KEY_STRICT, NULL, 0, "exit 5 if a verdict is inconclusive", 0 },
	{ "bisect", KEY_BISECT, NULL, 0, "exit as `git bisect run` wants it: 0, 1 or 125", 0 },
	{ "trusted", KEY_TRUSTED, "REF", 0,
	  "read scenarios, budgets and baselines from this commit", 0 },
	{ "out", KEY_OUT, "FORMAT=FILE", 0,
	  "also write the verdict to FILE; repeatable: json, markdown, junit, github, gitlab", 0 },
	{ 0 },
};

static const char doc[] =
	"Runs the scenarios of startline.yml, judges them by their budgets and baselines, and exits "
	"with the verdict. -v shows the output of the commands."
	"\v"
	"Exit status: 0 passed; 1 failed; 2 usage or configuration; 3 a command failed; 4 cannot "
	"judge; 5 inconclusive, only with --strict; 6 startline or its store failed.\n\n"
	"EXAMPLES\n"
	"  startline check\n"
	"  startline check --list\n"
	"  startline check --save                  # the first baselines\n"
	"  startline check 'memory mode' --out junit=startline.xml\n"
	"  git bisect run startline check --bisect -f /tmp/startline.yml\n";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->output;
		return 0;
	case 'f':
		o->file = arg;
		return 0;
	case KEY_LIST:
		o->is_list = true;
		return 0;
	case KEY_SAVE:
		o->is_saving = true;
		return 0;
	case KEY_STRICT:
		o->is_strict = true;
		return 0;
	case KEY_BISECT:
		o->is_bisect = true;
		return 0;
	case KEY_TRUSTED:
		o->trusted = arg;
		return 0;
	case KEY_OUT:
		outs_add(&o->outs, arg, state);
		return 0;
	case ARGP_KEY_ARGS:
		o->wanted = state->argv + state->next;
		o->n_wanted = (size_t)(state->argc - state->next);
		return 0;
	case ARGP_KEY_END:
		/* What a change or an old commit comes to is no baseline. */
		if (o->is_saving && (o->trusted != NULL || o->is_bisect))
			argp_error(state, "--save and %s: only one of them",
				   o->is_bisect ? "--bisect" : "--trusted");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = { options, parse_option, "[SCENARIO...]", doc, stored_children,
				  NULL,	   NULL };

/* --- which scenarios ------------------------------------------------------------------------ */

static bool is_wanted(const struct scenario *s, const char *wanted)
{
	return strcmp(wanted, s->name) == 0 || strcmp(wanted, s->group) == 0 ||
	       fnmatch(wanted, s->name, 0) == 0;
}

struct choice {
	size_t *items;
	size_t n;
	bool *has; /* by scenario */
};

static int refuse_name(const struct config *c, const char *wanted)
{
	const char **names = arena_alloc_array(c->arena, 2 * c->n_scenarios + 1, sizeof(*names));
	for (size_t i = 0; names != NULL && i < c->n_scenarios; i++) {
		names[2 * i] = c->scenarios[i].name;
		names[2 * i + 1] = c->scenarios[i].group;
	}
	const char *meant = names != NULL ? nearest_word(wanted, names) : NULL;
	if (meant != NULL)
		return fail(-EINVAL, "'%s': there is no such scenario; did you mean '%s'?", wanted,
			    meant);
	return fail(-EINVAL, "'%s': there is no such scenario; `startline check --list` shows them",
		    wanted);
}

/* In the order of the file; -EINVAL, logged: nothing is called that. */
static int choose(const struct opts *o, const struct config *c, struct choice *ret)
{
	ret->items = arena_alloc_array(c->arena, c->n_scenarios, sizeof(*ret->items));
	ret->has = arena_alloc_array(c->arena, c->n_scenarios, sizeof(*ret->has));
	bool *is_found = arena_alloc_array(c->arena, o->n_wanted + 1, sizeof(*is_found));
	if (ret->items == NULL || ret->has == NULL || is_found == NULL)
		return fail(-ENOMEM, "not enough memory for '%s'", c->path);
	for (size_t i = 0; i < c->n_scenarios; i++) {
		ret->has[i] = o->n_wanted == 0;
		for (size_t k = 0; k < o->n_wanted; k++) {
			const bool is_this = is_wanted(&c->scenarios[i], o->wanted[k]);
			is_found[k] |= is_this;
			ret->has[i] |= is_this;
		}
		if (ret->has[i])
			ret->items[ret->n++] = i;
	}
	for (size_t k = 0; k < o->n_wanted; k++) {
		if (!is_found[k])
			return refuse_name(c, o->wanted[k]);
	}
	return 0;
}

/* --save has to have a name. */
static int check_saving(const struct config *c, const struct choice *choice)
{
	for (size_t i = 0; i < choice->n; i++) {
		const char *name = c->scenarios[choice->items[i]].baseline;
		if (name != NULL && strchr(name, '/') == NULL)
			return 0;
	}
	return fail(-EINVAL,
		    "--save: no scenario names a baseline in the store: write `baseline: main` at "
		    "the top of '%s'",
		    c->path);
}

/* A matrix of which cells are left out says nothing about its parameter. */
static bool is_whole(const struct choice *choice, const struct span *span)
{
	for (size_t i = 0; i < span->n; i++) {
		if (!choice->has[span->scenarios[i]])
			return false;
	}
	return true;
}

/* --- printing ------------------------------------------------------------------------------- */

/* Every output is written, also when another one cannot be. */
static int report(struct opts *o, const struct outcome *outcomes, size_t n)
{
	int worst = output_open(&o->output, stdout);
	if (worst >= 0)
		worst = output_close(&o->output, report_check(outcomes, n, &o->output.page));
	const int written = outs_write(&o->outs, outcomes, n);
	return worst < 0 ? worst : written;
}

/* Where nothing keeps it for the next job, each one stores its own first baselines and compares nothing. */
static bool may_lose_store(void)
{
	const char *file = store_access_file();
	return environment_is_ci() && file != NULL && access(file, F_OK) != 0;
}

/* --- the gate ------------------------------------------------------------------------------- */

static size_t count_of_name(const struct config *c, size_t first)
{
	size_t n = 1;
	while (first + n < c->n_spans &&
	       strcmp(c->spans[first + n].name, c->spans[first].name) == 0)
		n++;
	return n;
}

static int run_all(struct check *c, const struct choice *choice, struct outcome *ret, size_t *ret_n)
{
	const struct config *config = c->config;
	c->n = choice->n;
	for (size_t i = 0; i < choice->n; i++) {
		c->at = i + 1;
		const int r = check_scenario(c, choice->items[i], &ret[*ret_n]);
		if (r < 0)
			return r;
		*ret_n += !config->scenarios[choice->items[i]].is_cell_only ||
			  ret[*ret_n].kind != OUTCOME_SKIPPED;
	}
	for (size_t i = 0, n = 0; i < config->n_spans && !c->is_interrupted; i += n) {
		n = count_of_name(config, i);
		if (!is_whole(choice, &config->spans[i]))
			continue;
		const int r = check_spans(c, &config->spans[i], n, &ret[*ret_n]);
		if (r < 0)
			return r;
		(*ret_n)++;
	}
	return 0;
}

static void done(struct check *c)
{
	vec_foreach(comparison, &c->comparisons)
		(void)comparison_free(*comparison);
	vec_done(&c->comparisons);
	vec_foreach(session, &c->sessions)
		(void)session_free(*session);
	vec_done(&c->sessions);
}

static int check(struct opts *o, const struct config *config, const struct choice *choice,
		 const char *trusted)
{
	struct check c = {
		.arena = config->arena,
		.config = config,
		.trusted = trusted[0] != '\0' ? trusted : NULL,
		.is_quiet = o->output.is_quiet,
		.is_bisect = o->is_bisect,
		/* A change under test is not the past yet, and old commits are not today's. */
		.is_history = trusted[0] == '\0' && !o->is_bisect,
		.is_saving = o->is_saving,
	};
	size_t n = 0;
	store_access_set_url(config->store);
	c.may_lose_store = may_lose_store();
	struct outcome *outcomes =
		arena_alloc_array(c.arena, choice->n + config->n_spans + 1, sizeof(*outcomes));
	c.of_scenario = arena_alloc_array(c.arena, config->n_scenarios, sizeof(struct session *));
	if (outcomes == NULL || c.of_scenario == NULL)
		return EXIT_STARTLINE;
	int r = run_all(&c, choice, outcomes, &n);
	if (r >= 0)
		r = report(o, outcomes, n);
	const int status = o->is_bisect ? outcomes_bisect_status(outcomes, n)
					: outcomes_status(outcomes, n, o->is_strict);
	done(&c);
	if (r < 0)
		return o->is_bisect ? EXIT_CANNOT_BISECT : EXIT_STARTLINE;
	return status;
}

static int usage_status(const struct opts *o, int error)
{
	if (o->is_bisect)
		return EXIT_CANNOT_BISECT;
	return error == -ENOMEM ? EXIT_STARTLINE : EXIT_USAGE;
}

/* Neither the file here nor what a change made of it has a say. */
static int load_trusted(const struct opts *o, char commit[static GIT_COMMIT_BYTES],
			struct config **ret)
{
	_cleanup_(buf_done) struct buf text = { .limit = CONFIG_MAX },
				       label = { .limit = PATH_MAX };
	if (git_resolve(o->trusted, commit) < 0)
		return fail(-EINVAL,
			    "--trusted '%s': git knows no such commit here (git fetch it "
			    "first?)",
			    o->trusted);
	int r = git_show(commit, o->file, &text);
	if (r < 0)
		return fail(r, "--trusted '%s': %s '%s': git show %s:./%s", o->trusted,
			    r == -EINVAL ? "-f takes a path relative to here, not" : "it has no",
			    o->file, o->trusted, o->file);
	(void)buf_addf(&label, "%s:%s", o->trusted, o->file);
	r = config_parse(buf_str(&text), text.len, buf_str(&label), ret);
	/* Annotations name the file itself, without the commit. */
	if (r >= 0)
		(*ret)->path = o->file;
	return r;
}

int cmd_check(int argc, char **argv)
{
	struct opts o = { .file = CONFIG_FILE };
	if (arguments_parse(&argp, argc, argv, 0, &o) != 0)
		return EXIT_USAGE;
	struct config *config = NULL;
	struct choice choice = { 0 };
	char trusted[GIT_COMMIT_BYTES] = "";
	int r = o.trusted != NULL ? load_trusted(&o, trusted, &config)
				  : config_load(o.file, &config);
	if (r >= 0 && config != NULL)
		r = choose(&o, config, &choice);
	if (r >= 0 && config != NULL && o.is_saving)
		r = check_saving(config, &choice);
	int status = usage_status(&o, r);
	if (r >= 0 && config != NULL && o.is_list) {
		r = output_table(&o.output, build_scenarios(config, choice.items, choice.n));
		status = r < 0 ? EXIT_STARTLINE : 0;
	}
	if (r >= 0 && config != NULL && !o.is_list)
		status = check(&o, config, &choice, trusted);
	(void)config_free(config);
	vec_done(&o.outs);
	return status;
}
