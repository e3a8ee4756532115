/* SPDX-License-Identifier: MIT */
/* run = collect -> trace -> session_build -> report. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "userspace/cmd/cmd.h"
#include "userspace/cmd/measure.h"
#include "userspace/cmd/ref.h"
#include "userspace/cmd/run_options.h"
#include "userspace/cmd/store_access.h"
#include "userspace/collect/run/collect.h"
#include "userspace/model/compare/compare.h"
#include "userspace/model/session.h"
#include "userspace/view/report/compare.h"
#include "userspace/view/report/report.h"

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

static int print_comparison(const struct recorder *r, struct session *s,
			    const struct output_options *o)
{
	struct comparison *c = NULL;
	int e = comparison_build(r->base, s, COMPARISON_LEVEL, &c);
	if (e >= 0)
		e = report_compare(c, o->format, &o->style, o->f);
	(void)comparison_free(c);
	return e;
}

/* What programs read is one document: then the comparison, which was asked for, is all. */
static int print_to(const struct recorder *r, struct session *s, const struct output_options *o)
{
	const bool is_one = o->format == TABLE_JSON || o->format == TABLE_CSV;
	int e = 0;
	if (r->base == NULL || !is_one)
		e = report_print(s, o->format, &o->style, o->f);
	if (e >= 0 && r->base != NULL && !is_one)
		(void)fputc('\n', o->f);
	return e >= 0 && r->base != NULL ? print_comparison(r, s, o) : e;
}

static int print_session(const struct recorder *r, struct session *s)
{
	struct output_options *o = &r->o->output;
	if (o->is_quiet && o->path == NULL)
		return 0;
	const int e = output_open(o, stderr);
	return e < 0 ? e : output_close(o, print_to(r, s, o));
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
	struct run_options o;
	run_options_parse(argc, argv, &o);
	struct recorder r = { .o = &o };
	int e = record_options_spec(&o.record, &r.spec);
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
	run_options_done(&o);
	/* That a failed run is no baseline was said; its status is worth more. */
	if (e >= 0 && reported == -EINVAL && r.status != 0)
		return r.status;
	return e < 0 || reported < 0 ? EXIT_TROUBLE : r.status;
}
