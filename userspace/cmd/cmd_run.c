/* SPDX-License-Identifier: MIT */
/* run = collect -> trace -> session_build -> report. */

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "userspace/cmd/arguments.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/measure.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/record_options.h"
#include "userspace/cmd/ref.h"
#include "userspace/cmd/store_access.h"
#include "userspace/collect/run/collect.h"
#include "userspace/model/compare/compare.h"
#include "userspace/model/session.h"
#include "userspace/view/report/compare.h"
#include "userspace/view/report/report.h"

#define RUNS_MAX 100000u

enum {
	KEY_WARMUP = OPTION_FIRST_FREE,
	KEY_SAVE,
	KEY_AGAINST,
};

struct run_options {
	unsigned int runs, warmup;
	struct record_options record;
	const char *save_name; /* of a baseline */
	const char *against;   /* a REF */
	struct output_options output;
	char **command; /* NULL-terminated */
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

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct run_options *o = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->record;
		state->child_inputs[1] = &o->output;
		return 0;
	case 'n':
		o->runs = (unsigned int)option_number(arg, "--runs", 1, RUNS_MAX, state);
		return 0;
	case KEY_WARMUP:
		o->warmup = (unsigned int)option_number(arg, "--warmup", 0, RUNS_MAX, state);
		return 0;
	case KEY_SAVE:
		o->save_name = arg;
		return 0;
	case KEY_AGAINST:
		o->against = arg;
		return 0;
	case ARGP_KEY_ARG:
		o->command = state->argv + state->next - 1;
		state->next = state->argc;
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

struct recorder {
	struct run_options *o;
	struct collect_spec spec;
	struct measurement *measurement;
	struct session *base; /* what it is compared with, or NULL */
	int status;
	bool has_run; /* there is something to report */
};

static void show_progress(const struct recorder *r, unsigned int run, unsigned int total)
{
	if (total < 2 || r->o->output.is_quiet || !isatty(STDERR_FILENO))
		return;
	/* What the command writes to the terminal must not go on where this ends. */
	(void)fprintf(stderr, "%s%s %u/%u%s", isatty(STDOUT_FILENO) ? "" : "\r\033[K",
		      run < r->o->warmup ? "startline: warming up, run" : "startline: run", run + 1,
		      total, isatty(STDOUT_FILENO) ? "\n" : "");
	(void)fflush(stderr);
}

static void clear_progress(const struct recorder *r, unsigned int total)
{
	if (total >= 2 && !r->o->output.is_quiet && isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO))
		(void)fputs("\r\033[K", stderr);
}

/* A run that failed ends the series. It took as long as it takes to fail: the runs before it are the
 * measurement. */
static int leave_out(const struct recorder *r, unsigned int run)
{
	char note[160];
	(void)snprintf(
		note, sizeof(note),
		"run %u of %u failed (status %d): it is left out, and the series ended there",
		run - r->o->warmup + 1, r->o->runs, r->status);
	const int e = measurement_drop(r->measurement, 1);
	return e < 0 ? e : measurement_fact(r->measurement, "note", note);
}

static int record_runs(struct recorder *r)
{
	const struct run_options *o = r->o;
	const unsigned int total = o->warmup + o->runs;
	for (unsigned int run = 0; run < total; run++) {
		struct collect_result result;
		show_progress(r, run, total);
		const int e =
			measurement_run(r->measurement, &r->spec, NULL, run < o->warmup, &result);
		clear_progress(r, total);
		if (e < 0)
			return e;
		r->status = measurement_judge(&r->spec, &result);
		if (result.end != COLLECT_NOT_FOUND && result.end != COLLECT_NOT_EXECUTABLE)
			r->has_run = true;
		if (r->status == 0 && result.signal != 0)
			return 0;
		if (r->status != 0)
			return run > o->warmup ? leave_out(r, run) : 0;
	}
	return 0;
}

static int record(struct recorder *r)
{
	int e = measurement_new(&r->spec, r->o->record.trace_path, &r->measurement);
	if (e < 0)
		return e;
	e = record_runs(r);
	const int finished = measurement_finish(r->measurement);
	return e < 0 ? e : finished;
}

static int print_comparison(const struct recorder *r, struct session *s, struct page *page)
{
	struct comparison *c = NULL;
	int e = comparison_build(r->base, s, COMPARISON_LEVEL, &c);
	if (e >= 0)
		e = report_compare(c, page);
	(void)comparison_free(c);
	return e;
}

/* What programs read is one document: then the comparison, which was asked for, is all. */
static int print_to(const struct recorder *r, struct session *s, struct page *page)
{
	const bool is_one = page->format == TABLE_JSON || page->format == TABLE_CSV;
	int e = 0;
	if (r->base == NULL || !is_one)
		e = report_print(s, page);
	if (e >= 0 && r->base != NULL && !is_one)
		(void)fputc('\n', page->f);
	return e >= 0 && r->base != NULL ? print_comparison(r, s, page) : e;
}

static int print_session(const struct recorder *r, struct session *s)
{
	struct output_options *o = &r->o->output;
	if (o->is_quiet && o->path == NULL)
		return 0;
	const int e = output_open(o, stderr);
	return e < 0 ? e : output_close(o, print_to(r, s, &o->page));
}

/* A mistake is told before anything is measured. */
static int prepare(struct recorder *r)
{
	const int e = r->o->save_name != NULL ? store_access_check_name(r->o->save_name) : 0;
	return e >= 0 && r->o->against != NULL ? ref_load(r->o->against, &r->base) : e;
}

static int save(const struct recorder *r, const struct session *s)
{
	if (r->o->save_name == NULL)
		return 0;
	const int e = store_access_check_baseline(s);
	return e < 0 ? e : store_access_save(s, r->o->save_name, NULL);
}

static int report(const struct recorder *r)
{
	struct session *session = NULL;
	int e = measurement_session(r->measurement, NULL, &session);
	if (e < 0)
		return e;
	e = print_session(r, session);
	const int saved = save(r, session);
	(void)session_free(session);
	return e < 0 ? e : saved;
}

static bool has_to_report(const struct recorder *r)
{
	const struct run_options *o = r->o;
	return r->has_run &&
	       (!o->output.is_quiet || o->output.path != NULL || o->save_name != NULL);
}

int cmd_run(int argc, char **argv)
{
	struct run_options o = { .runs = 1 };
	if (arguments_parse(&argp, argc, argv, ARGP_IN_ORDER, &o) != 0)
		return EXIT_TROUBLE;
	struct recorder r = { .o = &o };
	int e = record_options_spec(&o.record, &r.spec);
	/* It holds the program up for a moment, so not where it is only to be measured. */
	r.spec.looks_early = r.spec.heap.sample_bytes != 0;
	r.spec.argv = o.command;
	r.spec.runs = o.runs;
	r.spec.warmup = o.warmup;
	if (e >= 0)
		e = prepare(&r);
	if (e >= 0)
		e = record(&r);
	/* Also after a failure, of what was recorded until then. */
	const int reported = has_to_report(&r) ? report(&r) : 0;
	(void)measurement_free(r.measurement);
	(void)session_free(r.base);
	record_options_done(&o.record);
	/* That a failed run is no baseline was said; its status is worth more. */
	if (e >= 0 && reported == -EINVAL && r.status != 0)
		return r.status;
	return e < 0 || reported < 0 ? EXIT_TROUBLE : r.status;
}
