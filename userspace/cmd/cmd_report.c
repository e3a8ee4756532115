/* SPDX-License-Identifier: MIT */
/* report = REF -> session -> report. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/keeping.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/ref.h"
#include "userspace/model/session.h"
#include "userspace/trace/dump.h"
#include "userspace/trace/trace.h"
#include "userspace/view/report.h"

struct opts {
	const char *ref;
	const char *view;
	const char *output_path;
	int format; /* enum table_format */
};

enum { KEY_VIEW = OPTION_FIRST_FREE };

static const struct argp_option options[] = {
	{ "view", KEY_VIEW, "VIEW", 0, "one table only: `startline report --view help` lists them",
	  0 },
	{ "format", OPTION_FORMAT, "FORMAT", 0, "text, json, csv or markdown (text)", 0 },
	{ "output", 'o', "FILE", 0, "where to (standard output)", 0 },
	{ "store", OPTION_STORE, "URL", 0, "where @NAME is looked up (.startline/history.db)", 0 },
	{ "quiet", 'q', NULL, 0, "errors only", 0 },
	{ "verbose", 'v', NULL, 0, "say what is being done", 0 },
	{ 0 },
};

static const char doc[] =
	"Prints a recording again. REF is a trace file, a session document (JSON), @NAME for a "
	"baseline, or ~N for the N-th last recording; default the last one."
	"\v"
	"EXAMPLES\n"
	"  startline report\n"
	"  startline report ~2 --view startup\n"
	"  startline report run.slt --format json -o run.json\n";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	switch (key) {
	case KEY_VIEW:
		o->view = arg;
		return 0;
	case OPTION_FORMAT:
		o->format = parse_format(arg, state);
		return 0;
	case 'o':
		o->output_path = arg;
		return 0;
	case OPTION_STORE:
		keeping_set_url(arg);
		return 0;
	case 'q':
		be_quiet();
		return 0;
	case 'v':
		more_verbose();
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

const struct argp report_argp = { options, parse_option, "[REF]", doc, NULL, NULL, NULL };

static int print_view(const struct opts *o, const struct report *view, struct session *s, FILE *f)
{
	struct print_style style;
	print_style_of(f, &style);
	const enum table_format format = (enum table_format)o->format;
	if (view == NULL)
		return report_print(s, format, &style, f);
	struct table *table = NULL;
	const size_t run = report_run(s);
	int r = view->build(s, run, &table);
	if (r >= 0 && s->n_runs > 1 && strcmp(view->name, "metrics") != 0)
		table_note(table, "run %zu of %zu, the median one", run + 1, s->n_runs);
	if (r >= 0)
		r = table_print(table, format, &style, f);
	(void)table_free(table);
	return r;
}

static int print_to(const struct opts *o, const struct report *view, struct session *s)
{
	FILE *f = NULL;
	const int r = output_open(o->output_path, stdout, &f);
	return r < 0 ? r : output_close(o->output_path, f, print_view(o, view, s, f));
}

/* Not a table of the session but its raw material. */
static int print_events(const struct opts *o)
{
	if (o->format != TABLE_TEXT)
		return fail(-EINVAL, "--view events: events are printed as text only");
	_cleanup_free_ char *path = NULL;
	struct trace *trace = NULL;
	FILE *f = NULL;
	int r = ref_trace_path(o->ref, &path);
	if (r >= 0)
		r = trace_load(path, &trace);
	if (r >= 0)
		r = output_open(o->output_path, stdout, &f);
	if (r >= 0)
		r = output_close(o->output_path, f, trace_dump(trace, f));
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
	struct opts o = { .format = TABLE_TEXT };
	if (argp_parse(&report_argp, argc, argv, 0, NULL, &o) != 0)
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
		r = print_to(&o, view, session);
	(void)session_free(session);
	return r < 0 ? EXIT_STARTLINE : 0;
}
