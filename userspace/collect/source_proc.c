/* SPDX-License-Identifier: MIT */
/* What /proc and /sys say: facts about the machine, contention, and resource counters of processes
 * where no kernel probe reports them. */

#include "userspace/collect/internal.h"

#include "userspace/collect/emit.h"

int source_proc_facts(struct sink sink)
{
	return emit_meta(sink, "version", "%s", STARTLINE_VERSION);
}

int source_proc_host(enum sl_when when, struct sink sink)
{
	const struct sl_host host = {
		.event = emit_header(SL_KIND_HOST, sizeof(host), now_ns(), 0),
		.when = when,
		.cpu_pressure_ns = SL_UNKNOWN,
		.io_pressure_ns = SL_UNKNOWN,
		.memory_pressure_ns = SL_UNKNOWN,
		.steal_ns = SL_UNKNOWN,
		.throttled_ns = SL_UNKNOWN,
	};
	return sink.event(sink.data, &host.event);
}

int source_proc_usage(pid_t pid, enum sl_when when, struct sink sink)
{
	(void)pid;
	(void)when;
	(void)sink;
	return 0;
}
