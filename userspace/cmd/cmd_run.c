/* SPDX-License-Identifier: MIT */
/* run = collect -> trace -> session_build -> report. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "userspace/cmd/cmd.h"
#include "userspace/cmd/measure.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/run_options.h"
#include "userspace/collect/collect.h"
#include "userspace/model/session.h"
#include "userspace/view/report.h"

struct recorder {
	const struct run_options *o;
	struct collect_spec spec;
	struct measurement *measurement;
	int status;
	bool has_run; /* there is something to report */
};

static void show_progress(const struct recorder *r, unsigned int run, unsigned int total)
{
	if (total < 2 || r->o->is_quiet || !isatty(STDERR_FILENO))
		return;
	/* What the command writes to the terminal must not go on where this ends. */
	(void)fprintf(stderr, "%s%s %u/%u%s", isatty(STDOUT_FILENO) ? "" : "\r\033[K",
		      run < r->o->warmup ? "startline: warming up, run" : "startline: run", run + 1,
		      total, isatty(STDOUT_FILENO) ? "\n" : "");
	(void)fflush(stderr);
}

static void clear_progress(const struct recorder *r, unsigned int total)
{
	if (total >= 2 && !r->o->is_quiet && isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO))
		(void)fputs("\r\033[K", stderr);
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
		if (r->status != 0)
			break;
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

static int print_session(const struct run_options *o, struct session *s)
{
	FILE *f = NULL;
	const int r = output_open(o->output_path, stderr, &f);
	if (r < 0)
		return r;
	struct print_style style;
	print_style_of(f, &style);
	return output_close(o->output_path, f,
			    report_print(s, (enum table_format)o->format, &style, f));
}

static int report(const struct recorder *r)
{
	if (r->o->is_quiet && r->o->output_path == NULL)
		return 0;
	struct session *session = NULL;
	int e = measurement_session(r->measurement, NULL, &session);
	if (e < 0)
		return e;
	e = print_session(r->o, session);
	(void)session_free(session);
	return e;
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
		e = record(&r);
	/* Also after a failure, of what was recorded until then. */
	const int reported = r.has_run ? report(&r) : 0;
	(void)measurement_free(r.measurement);
	run_options_done(&o);
	return e < 0 || reported < 0 ? EXIT_TROUBLE : r.status;
}
