/* SPDX-License-Identifier: MIT */
/* doctor = survey -> table, or selftest -> table. */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/selftest.h"
#include "userspace/collect/proc/survey.h"
#include "userspace/view/report/report.h"

#define SELFTEST_LIMIT_NS (55 * NS_PER_S)

enum { KEY_SELFTEST = OPTION_FIRST_FREE };

struct opts {
	struct output_options output;
	bool is_selftest;
};

static const struct argp_option options[] = {
	{ "selftest", KEY_SELFTEST, NULL, 0,
	  "prove the gate here with real runs, in at most a minute", 0 },
	{ 0 },
};

static const char doc[] =
	"Shows what this machine allows startline to do, what each missing piece costs, what "
	"would disturb a measurement now, and what to type against it."
	"\v"
	"EXAMPLES\n"
	"  startline doctor\n"
	"  sudo startline doctor\n"
	"  startline doctor --format json\n"
	"  startline doctor --selftest\n";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->output;
		return 0;
	case KEY_SELFTEST:
		o->is_selftest = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "doctor takes no arguments");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = { options, parse_option, "", doc, output_children, NULL, NULL };

static const char *const state_names[] = {
	[SURVEY_OK] = "ok",
	[SURVEY_LIMITED] = "limited",
	[SURVEY_MISSING] = "missing",
};

static const enum tone state_tones[] = {
	[SURVEY_OK] = TONE_GOOD,
	[SURVEY_LIMITED] = TONE_WARN,
	[SURVEY_MISSING] = TONE_BAD,
};

static const struct column columns[] = {
	{ .title = "what", .key = "name" },
	{ .title = "state", .key = "state" },
	{ .title = "found", .key = "found", .is_folded = true },
	{ .title = "costs", .key = "cost", .audience = FOR_PROGRAMS },
	{ .title = "metrics", .key = "metrics", .audience = FOR_PROGRAMS },
	{ .title = "causes", .key = "causes", .audience = FOR_PROGRAMS },
	{ .title = "do", .key = "remedy", .audience = FOR_PROGRAMS },
};

/* In text, what is missing is explained below the table: three sentences do not fit a row. */
static int build(struct table **ret)
{
	struct survey_row rows[SURVEY_ROWS_MAX];
	const size_t n = survey_machine(rows);
	struct table *t = NULL;
	const int r = table_new("What this machine allows", columns,
				sizeof(columns) / sizeof(*columns), &t);
	if (r < 0)
		return r;
	const char *last = ""; /* several may have the same remedy */
	for (size_t i = 0; i < n; i++) {
		const struct survey_row *row = &rows[i];
		table_tone(t, state_tones[row->state]);
		table_textf(t, "%s%s", row->is_probe ? "probe: " : "", row->name);
		table_text(t, state_names[row->state]);
		table_text(t, row->found);
		table_text(t, row->cost);
		table_text(t, row->metrics);
		table_text(t, row->causes);
		table_text(t, row->remedy[0] != '\0' ? row->remedy : NULL);
		if (row->cost != NULL)
			table_note(t, "%s: %s", row->name, row->cost);
		if (row->remedy[0] != '\0' && strcmp(row->remedy, last) != 0)
			table_note(t, "  what to do: %s", row->remedy);
		last = row->remedy[0] != '\0' ? row->remedy : last;
	}
	*ret = t;
	return 0;
}

int cmd_doctor(int argc, char **argv)
{
	struct opts o = { 0 };
	uint64_t rounds;
	/* The program that the selftest measures; not for users, so not an option. */
	if (argc == 3 && strcmp(argv[1], SELFTEST_WORK) == 0 && parse_u64(argv[2], &rounds) == 0) {
		selftest_work(rounds);
		return 0;
	}
	if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
		return EXIT_USAGE;
	struct table *table = NULL;
	bool holds = true;
	int r = o.is_selftest ? selftest(SELFTEST_LIMIT_NS, o.output.is_quiet, &table, &holds)
			      : build(&table);
	r = output_table(&o.output, r, table);
	if (r == -EINTR)
		return EXIT_BY_SIGNAL + SIGINT;
	return r < 0 || !holds ? EXIT_STARTLINE : 0;
}
