/* SPDX-License-Identifier: MIT */
/* One recording for all arms: what the probes cost to attach is paid once, and every run meets the
 * machine in the same state. */

#include "userspace/cmd/measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/recording.h"
#include "userspace/trace/trace.h"

struct measurement {
	struct collector *collector;
	struct trace_writer *writer;
	int fd; /* to read it back */
	char *path;
	bool is_kept; /* where recordings are kept, not where the user said */
	unsigned int runs;
	uint64_t head_bytes; /* of the file, when the first run was over: the facts are in there */
	uint64_t last_bytes; /* … when the last one began */
	struct trace *trace; /* all of it, once it is finished and was asked for */
};

static const char *name_of(const struct measurement *m)
{
	return m->path != NULL ? m->path : "the recording";
}

int measurement_new(const struct collect_spec *spec, const char *path, struct measurement **ret)
{
	struct measurement *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return fail(-ENOMEM, "not enough memory for a recording");
	m->fd = -1;
	m->is_kept = path == NULL;
	int r = recording_create(path, &m->writer, &m->path);
	if (r >= 0)
		r = m->fd = trace_writer_dup(m->writer);
	if (r >= 0)
		r = collector_new(spec, m->writer, &m->collector);
	if (r < 0) {
		(void)measurement_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

int measurement_run(struct measurement *m, const struct collect_spec *spec, const char *arm,
		    bool discard, struct collect_result *ret)
{
	struct collect_spec run = *spec;
	run.run = m->runs;
	run.is_warmup = discard;
	run.arm = arm;
	run.null_stdin = m->runs > 0;
	/* A full disk ends the recording, not the runs: collector_finish() says so. */
	(void)trace_flush(m->writer);
	m->last_bytes = trace_writer_bytes(m->writer);
	const int r = collector_run(m->collector, &run, ret);
	if (m->runs++ == 0)
		m->head_bytes = trace_writer_bytes(m->writer);
	return r;
}

int measurement_status(const struct collect_spec *spec, const struct collect_result *result)
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
	case COLLECT_HELPER_FAILED:
		return EXIT_TROUBLE;
	case COLLECT_EXITED:
		break;
	}
	if (WIFSIGNALED(result->status))
		return EXIT_BY_SIGNAL + WTERMSIG(result->status);
	const int status = WEXITSTATUS(result->status);
	if (status != 0 || spec->until != UNTIL_READY)
		return status;
	return result->signal != 0 ? EXIT_BY_SIGNAL + result->signal : EXIT_TROUBLE;
}

int measurement_judge(const struct collect_spec *spec, const struct collect_result *result)
{
	const char *name = spec->argv[0];
	char time[UNITS_BYTES];
	if (result->end == COLLECT_NOT_FOUND || result->end == COLLECT_NOT_EXECUTABLE)
		(void)fail(-result->exec_errno, "cannot execute '%s': %s", name,
			   strerror(result->exec_errno));
	const char *before = result->missing[0] != '\0' ? ", without " : "";
	if (result->end == COLLECT_TIMEOUT)
		(void)fail(-ETIMEDOUT, "'%s' was %s after %s%s%s: stopped it", name,
			   spec->until == UNTIL_READY ? "not ready" : "not done",
			   format_ns(time, (double)spec->timeout_ns), before, result->missing);
	if (result->end == COLLECT_EXITED && spec->until == UNTIL_READY && result->signal == 0)
		(void)fail(-ECHILD, "'%s' ended before it was ready%s%s", name, before,
			   result->missing);
	return measurement_status(spec, result);
}

int measurement_last(struct measurement *m, struct session **ret)
{
	struct trace *trace = NULL;
	int r = trace_flush(m->writer);
	if (r >= 0)
		r = trace_load_tail(m->fd, name_of(m), m->head_bytes, m->last_bytes, &trace);
	if (r >= 0)
		r = session_build(trace, ret);
	(void)trace_free(trace);
	return r;
}

int measurement_drop(struct measurement *m, unsigned int n)
{
	int r = 0;
	for (unsigned int run = m->runs - (n < m->runs ? n : m->runs); run < m->runs && r >= 0;
	     run++) {
		char number[16];
		(void)snprintf(number, sizeof(number), "%u", run);
		r = collector_fact(m->collector, "run.dropped", number);
	}
	return r;
}

int measurement_fact(struct measurement *m, const char *key, const char *value)
{
	return collector_fact(m->collector, key, value);
}

int measurement_finish(struct measurement *m)
{
	int r = collector_finish(m->collector);
	m->collector = collector_free(m->collector);
	const int closed = trace_writer_close(take_ptr(m->writer));
	if (r >= 0)
		r = closed;
	if (m->path != NULL && m->is_kept)
		recording_prune(m->path);
	return r;
}

int measurement_session(struct measurement *m, const char *arm, struct session **ret)
{
	const int r = m->trace == NULL ? trace_load_fd(m->fd, name_of(m), &m->trace) : 0;
	return r < 0 ? r : session_build_arm(m->trace, arm, ret);
}

struct measurement *measurement_free(struct measurement *m)
{
	if (m == NULL)
		return NULL;
	m->collector = collector_free(m->collector);
	if (m->writer != NULL)
		(void)trace_writer_close(m->writer);
	cleanup_close(&m->fd);
	(void)trace_free(m->trace);
	free(m->path);
	free(m);
	return NULL;
}
