/* SPDX-License-Identifier: MIT */
/* One recording for all arms: what the probes cost to attach is paid once, and every run meets the
 * machine in the same state. */

#include "userspace/cmd/measure.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/cmd/recording.h"
#include "userspace/trace/trace.h"

struct measurement {
	struct collector *collector;
	struct trace_writer *writer;
	char *path;
	bool is_kept; /* where recordings are kept, not where the user said */
	unsigned int runs;
};

int measurement_new(const struct collect_spec *spec, const char *path, struct measurement **ret)
{
	struct measurement *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return fail(-ENOMEM, "not enough memory for a recording");
	m->is_kept = path == NULL;
	int r = recording_create(path, &m->writer, &m->path);
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
	m->runs++;
	return collector_run(m->collector, &run, ret);
}

int measurement_session(struct measurement *m, const char *arm, struct session **ret)
{
	const int r = trace_flush(m->writer);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = trace_writer_dup(m->writer);
	if (fd < 0)
		return fail(fd, "the recording cannot be read back");
	struct trace *trace = NULL;
	const int e = trace_load_fd(fd, m->path != NULL ? m->path : "the recording", &trace);
	if (e < 0)
		return e;
	const int built = session_build_arm(trace, arm, ret);
	(void)trace_free(trace);
	return built;
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

struct measurement *measurement_free(struct measurement *m)
{
	if (m == NULL)
		return NULL;
	m->collector = collector_free(m->collector);
	if (m->writer != NULL)
		(void)trace_writer_close(m->writer);
	free(m->path);
	free(m);
	return NULL;
}
