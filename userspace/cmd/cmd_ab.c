/* SPDX-License-Identifier: MIT */
/* ab = two arms -> ab_run() -> outcome -> report. The status says whether it could be measured, never
 * what came out. */

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/random.h"
#include "userspace/base/shellwords.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"
#include "userspace/cmd/ab.h"
#include "userspace/cmd/arguments.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/heap_choice.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/record_options.h"
#include "userspace/cmd/worktree.h"
#include "userspace/view/report/compare.h"
#include "userspace/view/report/report.h"

/* --- the command line ----------------------------------------------------------------------- */

/* Beyond that the effect that could be proven is far below the margin. */
#define PAIRS_MAX 1000

enum {
	KEY_BASE = OPTION_FIRST_FREE,
	KEY_HEAD,
	KEY_BASE_WORKTREE,
	KEY_BASE_DIRECTORY,
	KEY_HEAD_DIRECTORY,
	KEY_SETUP,
	KEY_PAIRS,
	KEY_MAX_TIME,
	KEY_SEED,
	KEY_GATE,
	KEY_OUT,
	KEY_SHOW_OUTPUT,
};

struct ab_options {
	struct record_options record;
	const char *base, *head; /* as typed; NULL: not given */
	const char *base_worktree;
	const char *base_directory, *head_directory;
	const char *setup;
	struct metric_ids VEC(const char *) gate;
	struct outs outs;
	bool has_seed;
	uint64_t seed;
	size_t pairs;
	uint64_t max_time_ns;
	bool shows_output;
	struct output_options output;
	char **command; /* behind "--", NULL-terminated; NULL: none */
};

static const struct argp_option options[] = {
	{ "base", KEY_BASE, "CMD", 0, "the command as it was; split into words as a shell does",
	  0 },
	{ "head", KEY_HEAD, "CMD", 0, "the command as it is now; or give it behind --", 0 },
	{ "base-worktree", KEY_BASE_WORKTREE, "REV", 0,
	  "run base in a checkout of this git revision, made for that time", 0 },
	{ "base-directory", KEY_BASE_DIRECTORY, "DIR", 0, "run base there", 0 },
	{ "head-directory", KEY_HEAD_DIRECTORY, "DIR", 0, "run head there", 0 },
	{ "setup", KEY_SETUP, "CMD", 0,
	  "run by a shell in both directories before anything is measured, to build", 0 },
	{ "pairs", KEY_PAIRS, "N", 0, "at most N pairs (30)", 0 },
	{ "max-time", KEY_MAX_TIME, "T", 0, "begin no pair after T", 0 },
	{ "seed", KEY_SEED, "N", 0, "random seed of the order (a new one each time)", 0 },
	{ "gate", KEY_GATE, "METRIC", 0,
	  "judge this one; repeatable (startup.ready with --ready, else time.wall)", 0 },
	{ "out", KEY_OUT, "FORMAT=FILE", 0,
	  "also write json, markdown, junit, github or gitlab; repeatable", 0 },
	{ "show-output", KEY_SHOW_OUTPUT, NULL, 0,
	  "show the output of the commands, on standard error", 0 },
	{ 0 },
};

static const char doc[] =
	"Runs two commands interleaved, in random order, until it is certain whether head is slower, "
	"faster or the same, and says where a difference comes from. A third of the pairs run base "
	"once more: where that shows a difference, no verdict is given."
	"\v"
	"Exit status: 0 whatever the verdict; 2 a command cannot be executed, or a mistake here; 6 a "
	"command failed, or startline did; 128+n when a signal ended it.\n\n"
	"EXAMPLES\n"
	"  startline ab --ready accept --base './old -p 80' --head './new -p 80'\n"
	"  startline ab --base-worktree origin/main --setup 'make -s' -- ./build/tool\n"
	"  startline ab --base 'sh old.sh' --head 'sh new.sh' --out markdown=pr.md\n";

static void check(const struct ab_options *o, struct argp_state *state)
{
	const bool has_place = o->base_worktree != NULL || o->base_directory != NULL;
	if (o->head == NULL && o->command == NULL)
		argp_error(state, "no head command: startline ab --base CMD --head CMD");
	else if (o->base == NULL && !has_place)
		argp_error(state,
			   "no base: give --base CMD, --base-worktree REV or --base-directory DIR");
	else if (o->base_worktree != NULL && o->base_directory != NULL)
		argp_error(state, "--base-worktree and --base-directory: base runs in one of them");
}

static error_t parse_more(struct ab_options *o, int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case KEY_PAIRS:
		o->pairs = (size_t)option_number(arg, "--pairs", 1, PAIRS_MAX, state);
		return 0;
	case KEY_MAX_TIME:
		if (parse_duration(arg, &o->max_time_ns) < 0 || o->max_time_ns == 0)
			argp_error(state, "--max-time '%s': a duration such as 60s", arg);
		return 0;
	case KEY_SEED:
		o->seed = option_number(arg, "--seed", 0, UINT64_MAX, state);
		o->has_seed = true;
		return 0;
	case KEY_GATE:
		return vec_push(&o->gate, arg) < 0 ? ENOMEM : 0;
	case KEY_OUT:
		outs_add(&o->outs, arg, state);
		return 0;
	case KEY_SHOW_OUTPUT:
		o->shows_output = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct ab_options *o = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->record;
		state->child_inputs[1] = &o->output;
		return 0;
	case KEY_BASE:
		o->base = arg;
		return 0;
	case KEY_HEAD:
		o->head = arg;
		return 0;
	case KEY_BASE_WORKTREE:
		o->base_worktree = arg;
		return 0;
	case KEY_BASE_DIRECTORY:
		o->base_directory = arg;
		return 0;
	case KEY_HEAD_DIRECTORY:
		o->head_directory = arg;
		return 0;
	case KEY_SETUP:
		o->setup = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (o->head != NULL)
			argp_error(state,
				   "the head command is given twice: by --head and behind --");
		o->command = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_END:
		check(o, state);
		return 0;
	default:
		return parse_more(o, key, arg, state);
	}
}

static const struct argp_child children[] = { { &record_argp, 0, NULL, 0 },
					      { &output_argp, 0, NULL, 0 },
					      { 0 } };

static const struct argp argp = { options, parse_option, "[-- CMD [ARG...]]", doc, children,
				  NULL,	   NULL };

struct task {
	struct ab_options *o;
	struct arena *arena;
	struct ab_spec spec;
	struct ab_result result;
	struct worktree worktree;
	const char *head_name, *base_name;
};

/* --- the arms ------------------------------------------------------------------------------- */

static int split(struct task *t, const char *option, const char *text, char *const **ret)
{
	const char *error;
	char **words;
	size_t at;
	const int r = shellwords_split(t->arena, text, &words, NULL, &error, &at);
	if (r == -EINVAL)
		return fail(r, "%s '%s': %s, at character %zu", option, text, error, at + 1);
	if (r < 0)
		return fail(r, "not enough memory for the commands");
	size_t n = 0;
	const char *found = shellwords_needs_shell(text, &n);
	if (found != NULL)
		return fail(-EINVAL,
			    "%s '%s': '%.*s' is for a shell, and none is used: write \"sh -c "
			    "'…'\", or put it into quotes",
			    option, text, (int)n, found);
	*ret = words;
	return 0;
}

/* The words of a command as one text, for people. */
static const char *join(struct arena *arena, char *const *argv)
{
	_cleanup_(buf_done) struct buf text = { .limit = SHELLWORDS_TEXT_MAX };
	for (; *argv != NULL; argv++)
		(void)buf_addf(&text, "%s%s", text.len > 0 ? " " : "", *argv);
	return arena_intern(arena, buf_str(&text));
}

static int find_commands(struct task *t)
{
	const struct ab_options *o = t->o;
	t->spec.head.argv = o->command;
	t->head_name = o->head;
	int r = 0;
	if (o->head != NULL)
		r = split(t, "--head", o->head, &t->spec.head.argv);
	else
		t->head_name = join(t->arena, o->command);
	t->spec.base.argv = t->spec.head.argv;
	if (r >= 0 && o->base != NULL)
		r = split(t, "--base", o->base, &t->spec.base.argv);
	t->base_name = o->base_worktree != NULL	   ? o->base_worktree
		       : o->base_directory != NULL ? o->base_directory
						   : o->base;
	return r < 0 ? r : t->head_name != NULL ? 0 : -ENOMEM;
}

static int find_places(struct task *t)
{
	const struct ab_options *o = t->o;
	t->spec.base.directory = o->base_directory;
	t->spec.head.directory = o->head_directory;
	int r = 0;
	if (o->base_worktree != NULL) {
		r = worktree_add(o->base_worktree, o->head_directory, &t->worktree);
		t->spec.base.directory = t->worktree.directory;
	}
	if (r >= 0 && o->setup != NULL)
		r = worktree_setup(t->spec.base.directory, o->setup);
	if (r >= 0 && o->setup != NULL)
		r = worktree_setup(t->spec.head.directory, o->setup);
	return r;
}

static int prepare(struct task *t)
{
	const struct ab_options *o = t->o;
	struct ab_spec *spec = &t->spec;
	int r = record_options_spec(&o->record, &spec->record);
	spec->record.output = o->shows_output ? OUTPUT_TO_STDERR : OUTPUT_NOWHERE;
	spec->trace_path = o->record.trace_path;
	spec->seed = o->has_seed ? o->seed : random_fresh_seed();
	spec->max_pairs = o->pairs;
	spec->max_time_ns = o->max_time_ns;
	spec->waiting.is_quiet = o->output.is_quiet;
	if (r >= 0 && t->o->gate.n == 0 &&
	    vec_push(&t->o->gate,
		     spec->record.until == UNTIL_READY ? "startup.ready" : "time.wall") < 0)
		r = fail(-ENOMEM, "not enough memory for a comparison");
	spec->gate = (struct text_list){ o->gate.items, o->gate.n };
	spec->record.heap =
		heap_mode_for(spec->record.heap, o->record.has_heap, are_of_heap(&spec->gate));
	if (r >= 0)
		r = find_commands(t);
	return r < 0 ? r : find_places(t);
}

/* --- the report ----------------------------------------------------------------------------- */

static int report(const struct task *t)
{
	struct outcome outcome;
	int r = ab_judge(&t->spec, &t->result, t->head_name, t->base_name, t->arena, &outcome);
	if (r < 0)
		return r;
	outcome.command = t->head_name;
	struct output_options *o = &t->o->output;
	r = output_open(o, stdout);
	if (r >= 0)
		r = output_close(o, report_ab(&outcome, &o->page));
	const int written = outs_write(&t->o->outs, &outcome, 1);
	return r < 0 ? r : written;
}

static int status_of(const struct task *t)
{
	const struct ab_result *result = &t->result;
	if (result->end == AB_INTERRUPTED)
		return EXIT_BY_SIGNAL + result->signal;
	if (result->end == AB_CANNOT_RUN) {
		(void)fail(-ENOEXEC, "%s", result->reason);
		return EXIT_USAGE;
	}
	if (result->end != AB_FAILED)
		return 0;
	(void)fail(-ECHILD, "%s%s", result->reason,
		   t->o->shows_output ? "" : " (--show-output shows what it says)");
	return EXIT_STARTLINE;
}

static int run(struct task *t)
{
	int r = prepare(t);
	if (r == -EINTR)
		return EXIT_BY_SIGNAL + SIGINT;
	if (r < 0)
		return EXIT_USAGE;
	r = ab_run(&t->spec, &t->result);
	worktree_remove(&t->worktree);
	if (r < 0)
		return r == -EINVAL ? EXIT_USAGE : EXIT_STARTLINE;
	r = report(t);
	const int status = status_of(t);
	return r < 0 ? EXIT_STARTLINE : status;
}

int cmd_ab(int argc, char **argv)
{
	struct ab_options o = { .pairs = AB_PAIRS };
	if (arguments_parse(&argp, argc, argv, ARGP_IN_ORDER, &o) != 0)
		return EXIT_USAGE;
	struct task t = { .o = &o, .arena = arena_new() };
	const int status = t.arena != NULL ? run(&t) : EXIT_STARTLINE;
	ab_result_done(&t.result);
	worktree_remove(&t.worktree);
	(void)arena_free(t.arena);
	record_options_done(&o.record);
	vec_done(&o.gate);
	vec_done(&o.outs);
	return status;
}
