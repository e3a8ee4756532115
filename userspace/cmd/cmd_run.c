/* SPDX-License-Identifier: MIT */
/* run = collect -> trace -> session_build -> report. */

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/recording.h"
#include "userspace/cmd/run_options.h"
#include "userspace/collect/collect.h"
#include "userspace/model/session.h"
#include "userspace/trace/trace.h"
#include "userspace/view/report.h"

static int status_of(const struct collect_result *result)
{
	switch (result->end) {
	case COLLECT_READY:
	case COLLECT_DURATION:
		return 0;
	case COLLECT_TIMEOUT:
		return EXIT_TIMEOUT;
	case COLLECT_INTERRUPTED:
		return EXIT_BY_SIGNAL + result->signal;
	case COLLECT_NOT_FOUND:
		return EXIT_NO_PROGRAM;
	case COLLECT_NOT_EXECUTABLE:
		return EXIT_CANNOT_EXECUTE;
	case COLLECT_EXITED:
		break;
	}
	return WIFSIGNALED(result->status) ? EXIT_BY_SIGNAL + WTERMSIG(result->status)
					   : WEXITSTATUS(result->status);
}

/* Says why a run did not come to the end that was asked for, and gives the exit status. */
static int judge(const struct run_options *o, const struct collect_result *result)
{
	const int status = status_of(result);
	char time[UNITS_BYTES];
	if (result->end == COLLECT_NOT_FOUND || result->end == COLLECT_NOT_EXECUTABLE)
		(void)fail(-result->exec_errno, "cannot execute '%s': %s", o->command[0],
			   strerror(result->exec_errno));
	if (result->end == COLLECT_TIMEOUT)
		(void)fail(-ETIMEDOUT, "'%s' was %s after %s: stopped it", o->command[0],
			   o->until == UNTIL_READY ? "not ready" : "not done",
			   format_ns(time, (double)o->timeout_ns));
	if (result->end == COLLECT_EXITED && o->until == UNTIL_READY) {
		(void)fail(-ECHILD, "'%s' ended before it was ready", o->command[0]);
		return status == 0 ? EXIT_TROUBLE : status;
	}
	return status;
}

static int set_user(const struct run_options *o, struct collect_spec *spec)
{
	const struct fs_owner owner = fs_owner_invoking();
	const struct passwd *user = NULL;
	spec->uid = (uid_t)-1;
	spec->gid = (gid_t)-1;
	if (o->user != NULL) {
		user = getpwnam(o->user);
		if (user == NULL)
			return fail(-EINVAL, "--user '%s': there is no such user", o->user);
		if (geteuid() != 0 && user->pw_uid != geteuid())
			return fail(-EPERM, "--user '%s': only root can run as somebody else",
				    o->user);
		if (user->pw_uid == geteuid())
			return 0;
		spec->uid = user->pw_uid;
		spec->gid = user->pw_gid;
	} else if (owner.is_set) {
		user = getpwuid(owner.uid);
		spec->uid = owner.uid;
		spec->gid = owner.gid;
	}
	spec->user = user != NULL ? user->pw_name : NULL;
	return 0;
}

struct recorder {
	const struct run_options *o;
	struct collect_spec spec;
	struct trace_writer *writer;
	char *path;
	struct collector *collector;
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
		r->spec.run = run;
		r->spec.is_warmup = run < o->warmup;
		r->spec.null_stdin = run > 0;
		show_progress(r, run, total);
		const int e = collector_run(r->collector, &r->spec, &result);
		clear_progress(r, total);
		if (e < 0)
			return e;
		r->status = judge(o, &result);
		if (result.end != COLLECT_NOT_FOUND && result.end != COLLECT_NOT_EXECUTABLE)
			r->has_run = true;
		if (r->status != 0)
			break;
	}
	return 0;
}

static int record(struct recorder *r)
{
	int e = recording_create(r->o->trace_path, &r->writer, &r->path);
	if (e < 0)
		return e;
	e = collector_new(&r->spec, r->writer, &r->collector);
	if (e < 0)
		return e;
	e = record_runs(r);
	const int finished = collector_finish(r->collector);
	r->collector = collector_free(r->collector);
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

static int report(const struct recorder *r, int trace_fd)
{
	if (r->o->is_quiet && r->o->output_path == NULL)
		return 0;
	struct trace *trace = NULL;
	int e = trace_load_fd(trace_fd, r->path != NULL ? r->path : "the recording", &trace);
	if (e < 0)
		return e;
	struct session *session = NULL;
	e = session_build(trace, &session);
	(void)trace_free(trace);
	if (e < 0)
		return e;
	e = print_session(r->o, session);
	(void)session_free(session);
	return e;
}

static void fill_spec(const struct run_options *o, struct collect_spec *spec)
{
	spec->argv = o->command;
	spec->runs = o->runs;
	spec->warmup = o->warmup;
	spec->redact = o->has_redact ? &o->redact : NULL;
	spec->probes = o->probes;
	spec->count_heap = o->count_heap;
	spec->rules = o->ready.items;
	spec->n_rules = o->ready.n;
	spec->until = o->until;
	spec->duration_ns = o->duration_ns;
	spec->timeout_ns = o->timeout_ns;
	spec->stop_signal = o->stop_signal;
	spec->ring_bytes = o->ring_bytes;
	spec->follow_cgroup = o->follow_cgroup;
	spec->closed_fds = closed_fds;
	spec->ignores_size_signal = size_signal_was_ignored;
}

int cmd_run(int argc, char **argv)
{
	struct run_options o;
	run_options_parse(argc, argv, &o);
	struct recorder r = { .o = &o };
	fill_spec(&o, &r.spec);
	int e = set_user(&o, &r.spec);
	if (e >= 0)
		e = record(&r);
	_cleanup_close_ int fd = r.writer != NULL ? trace_writer_dup(r.writer) : -1;
	const int closed = r.writer != NULL ? trace_writer_close(r.writer) : 0;
	r.collector = collector_free(r.collector);
	if (e >= 0 && closed < 0)
		e = closed;
	if (r.path != NULL && o.trace_path == NULL)
		recording_prune(r.path);
	/* Also after a failure, of what was recorded until then. */
	const int reported = fd >= 0 && r.has_run ? report(&r, fd) : 0;
	free(r.path);
	run_options_done(&o);
	return e < 0 || reported < 0 ? EXIT_TROUBLE : r.status;
}
