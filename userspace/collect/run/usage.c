/* SPDX-License-Identifier: MIT */
/* Memory and resource counters where no kernel probe reports them: resident memory is sampled,
 * the rest is read when it matters. What cannot be known this way is left out, not guessed. */

#include <errno.h>
#include <string.h>

#include "userspace/base/units.h"
#include "userspace/collect/proc/synthesize.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/run.h"

/* Reading /proc costs the target nothing but a lock on its page tables' counters. */
#define SAMPLE_NS (20 * NS_PER_MS)

int run_walk(struct run *r)
{
	int e = tree_walk_proc(&r->tree);
	for (size_t i = 0; e >= 0 && !r->tree.has_events && i < r->tree.news.n; i++)
		e = synthesize_found(collector_sink(r->c), r->tree.news.items[i].pid,
				     r->tree.news.items[i].parent, r->spawn_ns);
	for (size_t i = 0; e >= 0 && !r->tree.has_events && i < r->tree.dead.n; i++)
		e = synthesize_gone(collector_sink(r->c), r->tree.dead.items[i], now_ns());
	return e;
}

/* Its peak is the kernel's; what that was made of is known of the highest sample. */
static void note_command(struct resident *command, const struct resident *rss)
{
	command->peak = rss->peak;
	if (rss->now < command->now)
		return;
	command->now = rss->now;
	memcpy(command->kinds, rss->kinds, sizeof(command->kinds));
}

/* Of all processes together. */
static uint64_t resident_now(struct run *r)
{
	uint64_t sum = 0;
	(void)run_walk(r);
	for (size_t i = 0; i < r->tree.pids.n; i++) {
		struct resident rss;
		if (!source_proc_rss(r->tree.pids.items[i], &rss))
			continue;
		sum += rss.now;
		if (r->tree.pids.items[i] == r->target.pid)
			note_command(&r->command_rss, &rss);
	}
	/* One process: the kernel's own high-water mark, which no sample misses. */
	return r->tree.pids.n == 1 && sum < r->command_rss.peak ? r->command_rss.peak : sum;
}

void run_sample(struct run *r, uint64_t now)
{
	/* Before it has executed the command's memory is still ours. */
	if (source_bpf_tells(r->c->bpf, TOLD_MEMORY) || r->is_reaped || r->target.report_fd >= 0 ||
	    now < r->sampled_ns + SAMPLE_NS)
		return;
	r->sampled_ns = now;
	/* The first sample comes so early that it says nothing about a peak. */
	if (r->n_samples++ == 0)
		return;
	const uint64_t sum = resident_now(r);
	r->resident_bytes = sum;
	if (sum > r->tree_peak_bytes) {
		r->tree_peak_bytes = sum;
		r->tree_peak_ns = now;
	}
}

int run_usage_ready(struct run *r)
{
	int e = run_walk(r);
	for (size_t i = 0; e >= 0 && i < r->tree.pids.n; i++)
		e = source_proc_usage(r->tree.pids.items[i], SL_WHEN_READY, NULL, NULL,
				      collector_sink(r->c));
	return e;
}

/* The kernel's own peak of the command or a child it waited for, whichever had most, so it says nothing
 * of one of them. It is never lower than what we had when the command was created, which the kernel's
 * counters tell to some hundred KiB, and which grows until the command is executed: so only a clearly
 * higher one means anything. */
static void note_highest(struct run *r, const struct rusage *total)
{
	const uint64_t highest = (uint64_t)total->ru_maxrss * 1024;
	if (highest <= r->own_peak_bytes + r->own_peak_bytes / 4 || highest <= r->tree_peak_bytes)
		return;
	r->tree_peak_bytes = highest;
	r->tree_peak_ns = now_ns();
}

int run_usage_exit(struct run *r)
{
	struct rusage total;
	if (source_bpf_tells(r->c->bpf, TOLD_MEMORY))
		return 0;
	const bool is_known = target_usage(&r->target, &total);
	if (is_known)
		note_highest(r, &total);
	if (r->c->bpf != NULL)
		return 0;
	return source_proc_usage(r->target.pid, SL_WHEN_EXIT, is_known ? &total : NULL,
				 r->command_rss.peak != 0 ? &r->command_rss : NULL,
				 collector_sink(r->c));
}

int run_memory(struct run *r, enum sl_when when)
{
	const bool is_sampled = r->tree_peak_bytes != 0;
	const struct sl_memory memory = {
		.event = emit_header(SL_KIND_MEMORY, sizeof(memory), now_ns(), 0),
		.when = when,
		.now_bytes = when == SL_WHEN_READY ? resident_now(r) : SL_UNKNOWN,
		.peak_bytes = is_sampled ? r->tree_peak_bytes : SL_UNKNOWN,
		.peak_ns = is_sampled ? r->tree_peak_ns : SL_UNKNOWN,
		.error_bytes = SL_UNKNOWN,
		.cgroup_peak_bytes = cgroup_peak(&r->cgroup),
	};
	if (!is_sampled && memory.cgroup_peak_bytes == SL_UNKNOWN && memory.now_bytes == SL_UNKNOWN)
		return 0;
	return collector_sink(r->c).event(r->c, &memory.event);
}

bool run_has(void *data, pid_t pid)
{
	struct run *r = data;
	/* A runtime serves a container's ports itself, or has others do it. */
	if (r->spec->follows_containers)
		return true;
	run_refresh(r);
	if (r->c->bpf == NULL && r->c->shim != NULL)
		(void)tree_add_told(&r->tree, source_shim_directory(r->c->shim));
	return tree_has(&r->tree, pid);
}

uint64_t run_idle_since(void *data)
{
	struct run *r = data;
	uint32_t threads = 0;
	uint64_t since = 0;
	if (source_bpf_tells(r->c->bpf, TOLD_SWITCHES)) {
		source_bpf_activity(r->c->bpf, &threads, &since);
		return threads > 0 ? since : 0;
	}
	/* Without the scheduler's events: CPU time that no longer grows. */
	uint64_t cpu_ns = 0;
	(void)run_walk(r);
	for (size_t i = 0; i < r->tree.pids.n; i++)
		cpu_ns += source_proc_cpu(r->tree.pids.items[i]);
	const uint64_t now = now_ns();
	if (cpu_ns != r->idle_cpu_ns || r->tree.pids.n != r->idle_processes) {
		r->idle_cpu_ns = cpu_ns;
		r->idle_processes = r->tree.pids.n;
		r->idle_since_ns = now;
	}
	return r->tree.pids.n > 0 ? r->idle_since_ns : 0;
}
