/* SPDX-License-Identifier: MIT */
/* What a run cost, in one block: a line per resource, made of metrics. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "userspace/base/units.h"
#include "userspace/model/metrics.h"
#include "userspace/view/report/parts.h"

#define MAX_LINE  ((size_t)64 << 10)
#define MAX_PARTS 5

enum { CALL_UNMATCHED = 7 }; /* enum sl_heap_call */

struct part {
	const char *before; /* "peak ": words around the number */
	const char *metric;
	const char *after; /* " allocation(s)" */
};

struct cost {
	const char *label;
	struct part parts[MAX_PARTS];
};

/* clang-format off */
static const struct cost costs[] = {
	{ "cpu", { { "user ", "cpu.user", "" }, { "system ", "cpu.system", "" },
		   { "", "cpu.utilization", " of the CPUs allowed" } } },
	{ "memory", { { "peak ", "mem.peak_rss", "" }, { "", "mem.ready_rss", " when ready" },
		      { "cgroup peak ", "mem.peak_cgroup", "" } } },
	{ "heap", { { "peak ", "heap.peak", "" }, { "", "heap.exit", " never freed" },
		    { "", "heap.bytes", " in all" }, { "", "heap.allocs", " alloc(s)" },
		    { "", "heap.frees", " free(s)" } } },
	{ "faults", { { "", "faults.minor", " minor" }, { "", "faults.major", " major" },
		      { "context switches: ", "ctx.voluntary", " voluntary" },
		      { "", "ctx.involuntary", " not" } } },
	{ "files", { { "", "files.opens", " open(s)" }, { "", "files.misses", " not found" },
		     { "", "io.read", " read from disk" }, { "", "io.write", " written" } } },
	{ "network", { { "", "net.connects", " connect(s)" }, { "received ", "net.rx", "" },
		       { "sent ", "net.tx", "" } } },
	{ "processes", { { "", "proc.count", " in all" }, { "", "proc.execs", " exec(s)" },
			 { "at most ", "proc.threads_peak", " thread(s) at once" } } },
};
/* clang-format on */

/* Words with "(s)" in them, which becomes an "s" or nothing. */
static void add_plural(struct buf *line, const char *words, double value)
{
	const char *plural = strstr(words, "(s)");
	if (plural == NULL) {
		(void)buf_adds(line, words);
		return;
	}
	(void)buf_add(line, words, (size_t)(plural - words));
	(void)buf_addf(line, "%s%s", value == 1 ? "" : "s", plural + 3);
}

/* What was live at once in several processes is known to a bound: said where it matters. And how much of
 * the memory it is, since programs take memory without malloc, too. */
static void add_peak_remarks(const struct run *run, struct buf *line)
{
	const double peak = run_value(run, "heap.peak");
	const double share = peak / run_value(run, "mem.peak_rss");
	const int64_t error = run->heap_peak_error_bytes;
	char text[UNITS_BYTES];
	if (error != UNKNOWN && error > 0 && (double)error * 100 >= peak)
		(void)buf_addf(line, " (to within %s)", format_bytes(text, (double)error));
	if (isfinite(share) && share <= 1)
		(void)buf_addf(line, ", %s%.0f %% of peak memory", share < 0.01 ? "under " : "",
			       share < 0.01 ? 1 : 100 * share);
}

/* Of processes that were not there together it adds up to more than was ever live. */
static void add_left_over_time(const struct run *run, struct buf *line)
{
	if (run_value(run, "heap.exit") > run_value(run, "heap.peak"))
		(void)buf_adds(line, " (not all at one time)");
}

/* A forked child frees what its parent allocated, so there may be more frees than allocations. Where
 * the program did not fork these are of blocks that were allocated past the shim. */
static void add_unmatched(const struct run *run, struct buf *line)
{
	int64_t n_inherited = 0, n_unseen = 0;
	for (size_t i = 0; i < run->n_processes; i++) {
		const struct process *p = &run->processes[i];
		int64_t *n = p->n_images == 0 ? &n_inherited : &n_unseen;
		if (p->heap.is_known)
			*n = sum_known(*n, p->heap.calls[CALL_UNMATCHED]);
	}
	const double limit = run_value(run, "heap.frees") / 100;
	if (n_inherited > 0 && (double)n_inherited >= limit)
		(void)buf_addf(line, " (at least %" PRId64 " of inherited blocks)", n_inherited);
	if (n_unseen > 0 && (double)n_unseen >= limit)
		(void)buf_addf(line, " (at least %" PRId64 " of blocks allocated unseen)",
			       n_unseen);
}

static void add_failed_connects(const struct run *run, struct buf *line)
{
	size_t n = 0;
	for (size_t i = 0; i < run->n_connections; i++)
		n += text_of(run->connections[i].result)[0] == 'E' &&
		     strcmp(run->connections[i].result, "EINPROGRESS") != 0;
	if (n > 0)
		(void)buf_addf(line, " (%zu failed)", n);
}

/* What makes a figure understood, in parentheses behind it. */
static void add_remark(const struct run *run, const char *metric_id, struct buf *line)
{
	static const struct {
		const char *metric;
		void (*add)(const struct run *run, struct buf *line);
	} remarks[] = {
		{ "heap.peak", add_peak_remarks },
		{ "heap.exit", add_left_over_time },
		{ "heap.frees", add_unmatched },
		{ "net.connects", add_failed_connects },
	};
	for (size_t i = 0; i < N_OF(remarks); i++) {
		if (strcmp(remarks[i].metric, metric_id) == 0)
			remarks[i].add(run, line);
	}
}

/* The parts that were captured; nothing when none was. */
static void add_parts(const struct run *run, const struct cost *cost, struct buf *line)
{
	for (size_t i = 0; i < MAX_PARTS && cost->parts[i].metric != NULL; i++) {
		const struct part *part = &cost->parts[i];
		const double value = run_value(run, part->metric);
		char text[UNITS_BYTES];
		if (!isfinite(value))
			continue;
		(void)buf_addf(line, "%s%s%s", line->len > 0 ? ", " : "", part->before,
			       value_format(text, metrics_row(part->metric)->unit, value));
		add_plural(line, part->after, value);
		add_remark(run, part->metric, line);
	}
}

/* Most programs use no network: not worth a line. */
static bool is_all_zero(const struct run *run, const struct cost *cost)
{
	size_t n_known = 0;
	for (size_t i = 0; i < MAX_PARTS && cost->parts[i].metric != NULL; i++) {
		const double value = run_value(run, cost->parts[i].metric);
		if (isfinite(value) && value != 0)
			return false;
		n_known += isfinite(value);
	}
	return n_known > 0;
}

/* Why there is nothing, or how many were not wholly counted. */
static void add_heap_reason(const struct run *run, struct buf *line)
{
	const char *reason = run->n_processes == 0 ? "" : text_of(run->processes[0].coverage_heap);
	size_t n_lacking = 0;
	for (size_t i = 0; i < run->n_processes; i++) {
		const char *coverage = text_of(run->processes[i].coverage_heap);
		n_lacking += strcmp(coverage, "counted") != 0 &&
			     strcmp(coverage, "no allocation after fork") != 0;
	}
	if (line->len == 0 && reason[0] != '\0')
		(void)buf_addf(line, "- (%s)", reason);
	else if (line->len > 0 && n_lacking > 0)
		(void)buf_addf(line, "; %zu of %zu processes not wholly counted", n_lacking,
			       run->n_processes);
}

struct table *build_costs(const struct session *s, size_t run_index)
{
	static const struct column columns[] = {
		{ .title = "resource", .key = "resource" },
		{ .title = "used", .key = "used", .is_folded = true },
	};
	const struct run *run = &s->runs[run_index];
	struct table *t = table_new("What it cost", columns, N_OF(columns));
	table_hide_titles(t);
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	for (size_t i = 0; i < N_OF(costs); i++) {
		if (is_all_zero(run, &costs[i]))
			continue;
		buf_clear(&line);
		add_parts(run, &costs[i], &line);
		if (strcmp(costs[i].label, "heap") == 0)
			add_heap_reason(run, &line);
		table_text(t, costs[i].label);
		table_text(t, line.len > 0 ? buf_str(&line) : NULL);
		buf_clear(&line);
		if (strcmp(costs[i].label, "heap") == 0)
			tell_sites(s, run_index, &line);
		if (line.len > 0) {
			table_text(t, "");
			table_text(t, buf_str(&line));
		}
	}
	return t;
}
