/* SPDX-License-Identifier: MIT */
/* Reads the command line of `run`. Every mistake is named with what would be allowed. */

#include "userspace/cmd/run_options.h"

#include <stdlib.h>

#include "userspace/base/units.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/store_access.h"

#define RUNS_MAX 100000u

enum {
	KEY_WARMUP = OPTION_FIRST_FREE,
	KEY_SAVE,
	KEY_AGAINST,
};

static const struct argp_option options[] = {
	{ "runs", 'n', "N", 0, "measure N runs (1)", 0 },
	{ "warmup", KEY_WARMUP, "N", 0, "runs before these that are not measured (0)", 0 },
	{ "save", KEY_SAVE, "NAME", 0, "keep it as the baseline NAME", 0 },
	{ "against", KEY_AGAINST, "REF", 0, "print what changed since REF, such as @main", 0 },
	{ 0 },
};

static const char doc[] =
	"Runs CMD, records it with kernel probes and a preloaded shim, and prints where the time "
	"went and what it cost: to standard error, with -q nowhere. CMD's input, output, terminal, "
	"signals and exit status are its own."
	"\v"
	"Exit status: CMD's own (128+n for a signal); 0 when it was stopped because it got ready; "
	"124 timeout; 125 startline failed; 126 CMD cannot be executed; 127 it was not found.\n\n"
	"EXAMPLES\n"
	"  startline run --ready accept -- redis-server --port 7777\n"
	"  startline run -n 10 --warmup 1 --ready accept -- nginx -g 'daemon off;'\n"
	"  startline run --ready log:'listening on' --format json -o s.json -- ./server\n"
	"  startline run -n 10 --ready accept --against @main -- ./server\n"
	"  startline run -- make -j2\n";

static unsigned int parse_number(const char *s, unsigned int least, const char *name,
				 struct argp_state *state)
{
	uint64_t n = 0;
	if (parse_u64(s, &n) < 0 || n < least || n > RUNS_MAX)
		argp_error(state, "%s '%s': a number from %u to %u", name, s, least, RUNS_MAX);
	return (unsigned int)n;
}

static void take_command(struct run_options *o, struct argp_state *state)
{
	o->command = state->argv + state->next - 1;
	state->next = state->argc;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct run_options *o = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->record;
		state->child_inputs[1] = &o->output;
		return 0;
	case 'n':
		o->runs = parse_number(arg, 1, "--runs", state);
		return 0;
	case KEY_WARMUP:
		o->warmup = parse_number(arg, 0, "--warmup", state);
		return 0;
	case KEY_SAVE:
		o->save_name = arg;
		return 0;
	case KEY_AGAINST:
		o->against = arg;
		return 0;
	case ARGP_KEY_ARG:
		take_command(o, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command to run: startline run [OPTION...] -- CMD [ARG...]");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &record_argp, 0, NULL, 0 },
					      { &output_argp, 0, NULL, 0 },
					      { &store_argp, 0, NULL, 0 },
					      { 0 } };

static const struct argp argp = { options, parse_option, "-- CMD [ARG...]", doc, children,
				  NULL,	   NULL };

void run_options_parse(int argc, char **argv, struct run_options *ret)
{
	*ret = (struct run_options){ .runs = 1 };
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, ret) != 0)
		exit(EXIT_TROUBLE);
}

void run_options_done(struct run_options *o)
{
	record_options_done(&o->record);
}
