/* SPDX-License-Identifier: MIT */
/* report = REF -> session -> report. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/cmd/arguments.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/ref.h"
#include "userspace/cmd/store_access.h"
#include "userspace/model/session.h"
#include "userspace/trace/dump.h"
#include "userspace/trace/trace.h"
#include "userspace/view/report/report.h"

struct opts {
	const char *ref;
	const char *view;
	struct output_options output;
};

enum { KEY_VIEW = OPTION_FIRST_FREE };

static const struct argp_option options[] = {
	{ "view", KEY_VIEW, "VIEW", 0, "one table only: `startline report --view help` lists them",
	  0 },
	{ 0 },
};

static const char doc[] =
	"Prints a recording again. REF is a trace file, a session document (JSON), @NAME for a "
	"baseline, ~N for the N-th last recording, or a file of another tool; default the last "
	"recording."
	"\v"
	"EXAMPLES\n"
	"  startline report\n"
	"  startline report ~2 --view startup\n"
	"  startline report run.slt --format json -o run.json\n";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->output;
		return 0;
	case KEY_VIEW:
		o->view = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (o->ref != NULL)
			argp_error(state, "one REF only");
		o->ref = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse_option, "[REF]", doc, stored_children, NULL, NULL
};

static int print_view(struct output_options *o, const struct report *view, struct session *s)
{
	const size_t run = report_run(s);
	struct table *table = view->build(s, run);
	if (s->n_runs > 1 && strcmp(view->name, "metrics") != 0)
		table_note(table, "run %zu of %zu, the median one", run + 1, s->n_runs);
	const bool is_for_people = o->page.format == TABLE_TEXT || o->page.format == TABLE_MARKDOWN;
	if (view->below == NULL || !is_for_people)
		return output_table(o, table);
	const int r = output_open(o, stdout);
	if (r < 0) {
		(void)table_free(table);
		return r;
	}
	(void)table_show(table, &o->page);
	return output_close(o, view->below(s, run, &o->page));
}

static int print(struct output_options *o, const struct report *view, struct session *s)
{
	if (view != NULL)
		return print_view(o, view, s);
	const int r = output_open(o, stdout);
	return r < 0 ? r : output_close(o, report_print(s, &o->page));
}

/* Not a table of the session but its raw material. */
static int print_events(struct opts *o)
{
	if (o->output.page.format != TABLE_TEXT)
		return fail(-EINVAL, "--view events: events are printed as text only");
	struct trace *trace = NULL;
	int r = ref_load_trace(o->ref, &trace);
	if (r >= 0)
		r = output_open(&o->output, stdout);
	if (r >= 0)
		r = output_close(&o->output, trace_dump(trace, o->output.page.f));
	(void)trace_free(trace);
	return r;
}

static void list_views(FILE *f)
{
	for (const struct report *r = reports; r->name != NULL; r++)
		(void)fprintf(f, "  %-12s %s\n", r->name, r->help);
	(void)fprintf(f, "  %-12s %s\n", "events", "every event as it was recorded, one a line");
}

int cmd_report(int argc, char **argv)
{
	struct opts o = { 0 };
	if (arguments_parse(&argp, argc, argv, 0, &o) != 0)
		return EXIT_USAGE;
	if (o.view != NULL && strcmp(o.view, "events") == 0)
		return print_events(&o) < 0 ? EXIT_USAGE : 0;
	const struct report *view = o.view != NULL ? report_find(o.view) : NULL;
	if (o.view != NULL && strcmp(o.view, "help") == 0) {
		list_views(stdout);
		return 0;
	}
	if (o.view != NULL && view == NULL) {
		(void)fail(-EINVAL, "--view '%s': there is no such view; there are:", o.view);
		list_views(stderr);
		return EXIT_USAGE;
	}
	struct session *session = NULL;
	int r = ref_load(o.ref, &session);
	if (r < 0)
		return ref_status(o.ref, r);
	if (session->n_runs == 0 && view != NULL && view != report_find("metrics"))
		r = fail(-ENODATA, "there is no recording in it: only --view metrics");
	else
		r = print(&o.output, view, session);
	(void)session_free(session);
	return r < 0 ? EXIT_STARTLINE : 0;
}
