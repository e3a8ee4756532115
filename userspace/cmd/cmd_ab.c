/* SPDX-License-Identifier: MIT */
/* ab = two arms -> ab_run() -> outcome -> report. The status says whether it could be measured, never
 * what came out. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/shellwords.h"
#include "userspace/cmd/ab.h"
#include "userspace/cmd/ab_options.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/worktree.h"
#include "userspace/view/report/ab.h"
#include "userspace/view/report/report.h"

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
	*ret = words;
	return 0;
}

/* The words of a command as one text, for people. */
static const char *join(struct arena *arena, char *const *argv)
{
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, SHELLWORDS_TEXT_MAX);
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
	spec->gate.items = o->gate.items;
	spec->gate.n = o->gate.n;
	spec->trace_path = o->record.trace_path;
	spec->seed = o->seed;
	spec->max_pairs = o->pairs;
	spec->max_time_ns = o->max_time_ns;
	spec->is_quiet = o->output.is_quiet;
	if (r >= 0)
		r = find_commands(t);
	return r < 0 ? r : find_places(t);
}

/* --- the report ----------------------------------------------------------------------------- */

static int print(struct output_options *o, const struct outcome *outcome)
{
	const int r = output_open(o, stdout);
	return r < 0 ? r : output_close(o, report_ab(outcome, o->format, &o->style, o->f));
}

static int report(const struct task *t)
{
	struct outcome outcome;
	int r = ab_outcome(&t->result, t->head_name, t->base_name, &LEVELS_BASELINE, t->arena,
			   &outcome);
	if (r < 0)
		return r;
	outcome.command = t->head_name;
	r = print(&t->o->output, &outcome);
	const int written = outs_write(&t->o->outs, &outcome, 1);
	return r < 0 ? r : written;
}

static int status_of(const struct task *t)
{
	const struct ab_result *result = &t->result;
	switch (result->end) {
	case AB_INTERRUPTED:
		return EXIT_BY_SIGNAL + result->signal;
	case AB_CANNOT_RUN:
		(void)fail(-ENOEXEC, "%s", result->reason);
		return EXIT_USAGE;
	case AB_FAILED:
		(void)fail(-ECHILD, "%s%s", result->reason,
			   t->o->shows_output ? "" : " (--show-output shows what it says)");
		return EXIT_STARTLINE;
	case AB_DECIDED:
	case AB_OPEN:
	case AB_OUT_OF_TIME:
		break;
	}
	return 0;
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
	struct ab_options o;
	ab_options_parse(argc, argv, &o);
	struct task t = { .o = &o, .arena = arena_new() };
	const int status = t.arena != NULL ? run(&t) : EXIT_STARTLINE;
	ab_result_done(&t.result);
	worktree_remove(&t.worktree);
	(void)arena_free(t.arena);
	ab_options_done(&o);
	return status;
}
