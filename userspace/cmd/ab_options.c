/* SPDX-License-Identifier: MIT */
/* Reads the command line of `ab`. Every mistake is named with what would be allowed. */

#include "userspace/cmd/ab_options.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/random.h"
#include "userspace/base/units.h"
#include "userspace/cmd/ab.h"
#include "userspace/cmd/cmd.h"

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

static void take_command(struct ab_options *o, struct argp_state *state)
{
	if (o->head != NULL)
		argp_error(state, "the head command is given twice: by --head and behind --");
	o->command = state->argv + state->next - 1;
	state->next = state->argc;
}

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

static void add_gate(struct ab_options *o, const char *id, struct argp_state *state)
{
	if (vec_push(&o->gate, id) < 0)
		argp_failure(state, EXIT_STARTLINE, ENOMEM, "--gate");
}

static uint64_t parse_number(const char *s, const char *name, uint64_t least, uint64_t most,
			     struct argp_state *state)
{
	uint64_t n = 0;
	if (parse_u64(s, &n) < 0 || n < least || n > most)
		argp_error(state, "%s '%s': a number from %llu to %llu", name, s,
			   (unsigned long long)least, (unsigned long long)most);
	return n;
}

static error_t parse_more(struct ab_options *o, int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case KEY_PAIRS:
		o->pairs = (size_t)parse_number(arg, "--pairs", 1, PAIRS_MAX, state);
		return 0;
	case KEY_MAX_TIME:
		if (parse_duration(arg, &o->max_time_ns) < 0 || o->max_time_ns == 0)
			argp_error(state, "--max-time '%s': a duration such as 60s", arg);
		return 0;
	case KEY_SEED:
		o->seed = parse_number(arg, "--seed", 0, UINT64_MAX, state);
		o->has_seed = true;
		return 0;
	case KEY_GATE:
		add_gate(o, arg, state);
		return 0;
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
		take_command(o, state);
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

void ab_options_parse(int argc, char **argv, struct ab_options *ret)
{
	*ret = (struct ab_options){ .pairs = AB_PAIRS };
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, ret) != 0)
		exit(EXIT_USAGE);
	if (!ret->has_seed)
		ret->seed = random_fresh_seed();
}

void ab_options_done(struct ab_options *o)
{
	record_options_done(&o->record);
	vec_done(&o->gate);
	outs_done(&o->outs);
}
