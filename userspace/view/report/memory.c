/* SPDX-License-Identifier: MIT */
/* Memory per process and of the tree: resident, heap, faults, and the sizes asked for. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "userspace/base/units.h"
#include "userspace/view/report/parts.h"

#define MAX_LABEL ((size_t)64 << 10)
#define N_SIZES	  6

/* clang-format off */
static const struct column columns[] = {
	{ .title = "process", .key = "command", .is_elastic = true },
	{ .title = "id", .key = "process", .audience = FOR_PROGRAMS },
	{ .title = "rss", .key = "peak_rss_bytes", .align = ALIGN_RIGHT },
	{ .title = "rss when ready", .key = "ready_rss_bytes", .audience = FOR_PROGRAMS },
	{ .title = "anonymous", .key = "peak_anonymous_bytes", .audience = FOR_PROGRAMS },
	{ .title = "files", .key = "peak_file_bytes", .audience = FOR_PROGRAMS },
	{ .title = "shared", .key = "peak_shared_bytes", .audience = FOR_PROGRAMS },
	{ .title = "allocs", .key = "heap_allocs", .align = ALIGN_RIGHT },
	{ .title = "frees", .key = "heap_frees", .align = ALIGN_RIGHT },
	{ .title = "asked", .key = "heap_bytes", .align = ALIGN_RIGHT },
	{ .title = "peak", .key = "heap_peak_bytes", .align = ALIGN_RIGHT },
	{ .title = "of rss", .key = "heap_share", .align = ALIGN_RIGHT },
	{ .title = "peak error", .key = "heap_peak_error_bytes", .audience = FOR_PROGRAMS },
	{ .title = "ready", .key = "heap_ready_bytes", .align = ALIGN_RIGHT },
	{ .title = "exit", .key = "heap_exit_bytes", .align = ALIGN_RIGHT },
	{ .title = "failed", .key = "heap_failed", .audience = FOR_PROGRAMS },
	{ .title = "unmatched frees", .key = "heap_unmatched_frees", .audience = FOR_PROGRAMS },
	{ .title = "minor faults", .key = "minor_faults", .audience = FOR_PROGRAMS },
	{ .title = "major faults", .key = "major_faults", .audience = FOR_PROGRAMS },
	{ .title = "coverage", .key = "coverage_heap", .audience = FOR_PROGRAMS },
};
/* clang-format on */

enum { CALL_FAILED = 6, CALL_UNMATCHED = 7 }; /* enum sl_heap_call */

/* NAN where one is not known, or more was asked for than was ever touched. */
static double share_of(int64_t part, int64_t whole)
{
	return part == UNKNOWN || whole <= 0 || part > whole ? (double)NAN
							     : (double)part / (double)whole;
}

static void add_process(struct table *t, const struct run *run, const struct process *p,
			struct buf *label)
{
	static const struct heap unknown = {
		.allocs = UNKNOWN,
		.frees = UNKNOWN,
		.bytes = UNKNOWN,
		.peak_bytes = UNKNOWN,
		.peak_error_bytes = UNKNOWN,
		.ready_bytes = UNKNOWN,
		.exit_bytes = UNKNOWN,
		.calls = { [CALL_FAILED] = UNKNOWN, [CALL_UNMATCHED] = UNKNOWN },
	};
	const struct heap *heap = p->heap.is_known ? &p->heap : &unknown;
	table_text(t, process_label(run, p->id, label));
	table_count(t, p->id);
	table_bytes(t, p->peak_rss_bytes);
	table_bytes(t, p->ready_rss_bytes);
	table_bytes(t, p->peak_kinds.is_known ? p->peak_kinds.anonymous_bytes : UNKNOWN);
	table_bytes(t, p->peak_kinds.is_known ? p->peak_kinds.file_bytes : UNKNOWN);
	table_bytes(t, p->peak_kinds.is_known ? p->peak_kinds.shared_bytes : UNKNOWN);
	table_count(t, heap->allocs);
	table_count(t, heap->frees);
	table_bytes(t, heap->bytes);
	table_bytes(t, heap->peak_bytes);
	table_ratio(t, share_of(heap->peak_bytes, p->peak_rss_bytes));
	table_bytes(t, heap->peak_error_bytes);
	table_bytes(t, heap->ready_bytes);
	table_bytes(t, heap->exit_bytes);
	table_count(t, heap->calls[CALL_FAILED]);
	table_count(t, heap->calls[CALL_UNMATCHED]);
	table_count(t, p->minor_faults);
	table_count(t, p->major_faults);
	table_text(t, p->coverage_heap);
}

static void add_tree(struct table *t, const struct run *run)
{
	static const struct {
		enum cell_type type;
		const char *metric; /* NULL: nothing of the tree as a whole */
	} cells[] = {
		{ CELL_BYTES, "mem.peak_rss" }, { CELL_BYTES, "mem.ready_rss" },
		{ CELL_BYTES, NULL },		{ CELL_BYTES, NULL },
		{ CELL_BYTES, NULL },		{ CELL_COUNT, "heap.allocs" },
		{ CELL_COUNT, "heap.frees" },	{ CELL_BYTES, "heap.bytes" },
		{ CELL_BYTES, "heap.peak" },	{ CELL_RATIO, NULL },
		{ CELL_BYTES, NULL },		{ CELL_BYTES, "heap.ready" },
		{ CELL_BYTES, "heap.exit" },
	};
	table_audience(t, FOR_PEOPLE);
	table_tone(t, TONE_STRONG);
	table_text(t, "whole tree");
	table_count(t, UNKNOWN);
	for (size_t i = 0; i < N_OF(cells); i++) {
		if (cells[i].metric == NULL)
			table_count(t, UNKNOWN);
		else
			table_number(t, cells[i].type, run_value(run, cells[i].metric));
	}
	for (size_t i = 2 + N_OF(cells); i < N_OF(columns); i++)
		table_text(t, NULL);
}

static void add_size_range(struct buf *out, int bucket)
{
	char low[UNITS_BYTES];
	char high[UNITS_BYTES];
	if (bucket <= 1) {
		(void)buf_addf(out, "%d B", bucket);
		return;
	}
	/* Bucket b holds 2^(b-1) .. 2^b - 1. */
	(void)buf_addf(out, "%s to %s", format_bytes(low, (double)((uint64_t)1 << (bucket - 1))),
		       format_bytes(high, (double)(((uint64_t)1 << bucket) - 1)));
}

/* The sizes that were asked for most often, over all processes, the small ones first. */
static void note_sizes(struct table *t, const struct run *run)
{
	int64_t counts[HEAP_BUCKETS] = { 0 };
	bool is_chosen[HEAP_BUCKETS] = { false };
	for (size_t i = 0; i < run->n_processes; i++) {
		for (int b = 0; run->processes[i].heap.is_known && b < HEAP_BUCKETS; b++)
			counts[b] = sum_known(counts[b], run->processes[i].heap.buckets[b]);
	}
	for (int round = 0; round < N_SIZES; round++) {
		int largest = -1;
		for (int b = 0; b < HEAP_BUCKETS; b++) {
			if (!is_chosen[b] && counts[b] > 0 &&
			    (largest < 0 || counts[b] > counts[largest]))
				largest = b;
		}
		if (largest >= 0)
			is_chosen[largest] = true;
	}
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LABEL };
	for (int b = 0; b < HEAP_BUCKETS; b++) {
		if (!is_chosen[b])
			continue;
		(void)buf_adds(&line, line.len > 0 ? ", " : "");
		add_size_range(&line, b);
		(void)buf_addf(&line, ": %" PRId64, counts[b]);
	}
	if (line.len > 0)
		table_note(t, "allocations by size: %s", buf_str(&line));
}

static void note_error(struct table *t, const char *what, int64_t error_bytes)
{
	char text[UNITS_BYTES];
	if (error_bytes != UNKNOWN && error_bytes > 0)
		table_note(t, "%s: exact to within %s", what,
			   format_bytes(text, (double)error_bytes));
}

static void add_figures(struct buf *line, const struct allocator_look *look, const char *when)
{
	char text[UNITS_BYTES];
	if (!look->is_known || (look->live_bytes == UNKNOWN && look->held_bytes == UNKNOWN))
		return;
	(void)buf_addf(line, "%s ", line->len > 0 ? ";" : "");
	if (look->live_bytes != UNKNOWN)
		(void)buf_addf(line, "%s live %s", format_bytes(text, (double)look->live_bytes),
			       when);
	if (look->live_bytes != UNKNOWN && look->error_bytes > 0)
		(void)buf_addf(line, " (at most %s of it its own)",
			       format_bytes(text, (double)look->error_bytes));
	if (look->threads_ended > 0)
		(void)buf_addf(line, " (without %" PRId64 " threads that had ended)",
			       look->threads_ended);
	if (look->held_bytes != UNKNOWN)
		(void)buf_addf(line, "%s %s taken from the kernel%s%s",
			       look->live_bytes != UNKNOWN ? " of" : "",
			       format_bytes(text, (double)look->held_bytes),
			       look->live_bytes != UNKNOWN ? "" : " ",
			       look->live_bytes != UNKNOWN ? "" : when);
	if (look->allocated_bytes != UNKNOWN)
		(void)buf_addf(line, " of %s allocated",
			       format_bytes(text, (double)look->allocated_bytes));
}

/* What allocators say that nobody counted. */
static void note_allocator(struct table *t, const struct process *p, const char *label)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LABEL };
	const struct allocator *a = &p->allocator;
	if (!a->is_known || a->name == NULL)
		return;
	add_figures(&line, &a->looks[LOOK_READY], "when ready");
	add_figures(&line, &a->looks[LOOK_PEAK], "at the peak");
	add_figures(&line, &a->looks[LOOK_END], "at the end");
	table_note(t, "%s: by its own %s%s%s, uncounted:%s", label, a->name,
		   text_of(a->version)[0] != '\0' ? " " : "", text_of(a->version),
		   line.len > 0 ? buf_str(&line) : " it was not asked");
}

struct table *build_memory(const struct session *s, size_t run_index)
{
	const struct run *run = &s->runs[run_index];
	struct table *t = table_new("Memory", columns, N_OF(columns));
	_cleanup_(buf_done) struct buf label = { .limit = MAX_LABEL };
	for (size_t i = 0; i < run->n_processes; i++)
		add_process(t, run, &run->processes[i], &label);
	if (run->n_processes > 1)
		add_tree(t, run);
	table_note(t, "rss: peak resident memory. allocs to exit: the heap: calls, bytes asked "
		      "for, and bytes live at the peak, when ready, at exit");
	note_sizes(t, run);
	for (size_t i = 0; i < run->n_processes; i++)
		note_allocator(t, &run->processes[i],
			       process_label(run, run->processes[i].id, &label));
	note_error(t, "peak rss of the tree", run->peak_rss_error_bytes);
	note_error(t, "heap peak of the tree", run->heap_peak_error_bytes);
	note_coverage(s, run_index, t);
	return t;
}
