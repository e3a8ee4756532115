/* SPDX-License-Identifier: MIT */
/* Which code holds the heap: by the functions that asked for it, over all runs. */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/heap_mode.h"
#include "userspace/base/units.h"
#include "userspace/model/place.h"
#include "userspace/model/sites.h"
#include "userspace/view/report/label.h"
#include "userspace/view/report/parts.h"

#define MAX_ROWS      10  /* for people, of a section */
#define MAX_TOLD      3	  /* in the report as a whole … */
#define LEAST_TOLD    0.1 /* … of the heap */
#define MAX_PROCESSES 3	  /* sections of their own for people */
#define MAX_LABEL     ((size_t)64 << 10)
#define LEAST	      0.005 /* of the section: below it a row says nothing to people */

struct section {
	enum site_part part;
	const char *title;
	size_t most_rows;
};

static const struct section sections[] = {
	{ SITE_READY, "live when ready", MAX_ROWS },
	{ SITE_TREE_PEAK, "live at the peak", MAX_ROWS },
	{ SITE_EXIT, "never freed", MAX_ROWS },
	{ SITE_TOTAL, "allocated in all", MAX_ROWS },
	{ SITE_TEMPORARY, "freed at once", MAX_ROWS / 2 },
};

static const struct column columns[] = {
	{ .title = "function", .key = "label", .is_elastic = true },
	{ .title = "module", .key = "", .audience = FOR_PEOPLE, .gives_first = true },
	{ .title = "self", .key = "self_bytes", .align = ALIGN_RIGHT },
	{ .title = "", .key = "self_share", .audience = FOR_PROGRAMS },
	{ .title = "share (95 %)", .key = "", .audience = FOR_PEOPLE },
	{ .title = "total", .key = "total_bytes", .align = ALIGN_RIGHT },
	{ .title = "", .key = "total_share", .audience = FOR_PROGRAMS },
	{ .title = "blocks", .key = "self_blocks", .align = ALIGN_RIGHT },
	{ .title = "n", .key = "self_samples", .align = ALIGN_RIGHT },
	{ .title = "", .key = "total_samples", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "self_low_bytes", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "self_high_bytes", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "total_low_bytes", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "total_high_bytes", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "lifetime_ns", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "function", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "module", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "part", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "process", .audience = FOR_PROGRAMS },
};

struct writer {
	struct table *t;
	const struct site_functions *f;
	double n_runs;
	int process; /* 0: the whole tree */
	struct buf label;
};

static void add_head(const struct writer *w, enum site_part part, const char *title)
{
	table_audience(w->t, FOR_PEOPLE);
	table_tone(w->t, TONE_STRONG);
	table_text(w->t, title);
	table_text(w->t, "");
	table_number(w->t, CELL_BYTES, w->f->whole[part].mass.bytes / w->n_runs);
	for (int i = 0; i < 4; i++)
		table_text(w->t, "");
	table_number(w->t, CELL_COUNT, round(w->f->whole[part].blocks / w->n_runs));
	table_count(w->t, w->f->whole[part].samples);
	for (int i = 0; i < 10; i++)
		table_text(w->t, NULL);
}

static double ratio_of(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

/* "31 % (24-38)"; all of it was seen: "31 %". */
static void add_percents(const struct writer *w, const struct site_amount *a, double whole)
{
	const double share = ratio_of(a->mass.bytes, whole);
	const double low = ratio_of(a->interval.low, whole),
		     high = fmin(ratio_of(a->interval.high, whole), 1);
	if (high - low < 0.0005)
		table_textf(w->t, "%.*f %%", share < 0.0995, 100 * share);
	else
		table_textf(w->t, "%.*f %% (%.*f-%.*f)", share < 0.0995, 100 * share, low < 0.0995,
			    100 * low, high < 0.0995, 100 * high);
}

static const char *label_of(struct writer *w, const struct site_function *row)
{
	buf_clear(&w->label);
	if (row->is_unsampled)
		return "[not sampled]";
	if (row->name.frame == NULL)
		return "[no stack]";
	label_frame(row->name.frame, row->name.is_one_place, &w->label);
	return buf_str(&w->label);
}

/* Without the version of a library: the name of the function needs the room. */
static void add_module(struct table *t, const struct frame *f)
{
	const char *base = f != NULL && f->module != NULL ? label_base(f->module) : "";
	const char *so = strstr(base, ".so");
	table_textf(t, "%.*s", (int)(so != NULL ? (size_t)(so - base) : strlen(base)), base);
}

static void add_row(struct writer *w, const struct site_function *row, enum site_part part)
{
	const struct site_amount *self = &row->self[part], *total = &row->total[part];
	const double whole = w->f->whole[part].mass.bytes;
	const struct frame *f = row->name.frame;
	struct table *t = w->t;
	table_indent(t, 1);
	table_text(t, label_of(w, row));
	add_module(t, f);
	table_number(t, CELL_BYTES, round(self->mass.bytes / w->n_runs));
	table_ratio(t, ratio_of(self->mass.bytes, whole));
	add_percents(w, self, whole);
	table_number(t, CELL_BYTES, round(total->mass.bytes / w->n_runs));
	table_ratio(t, ratio_of(total->mass.bytes, whole));
	table_number(t, CELL_COUNT,
		     row->is_unsampled ? (double)NAN : round(self->blocks / w->n_runs));
	table_count(t, self->samples);
	table_count(t, total->samples);
	table_number(t, CELL_BYTES, round(self->interval.low / w->n_runs));
	table_number(t, CELL_BYTES, round(self->interval.high / w->n_runs));
	table_number(t, CELL_BYTES, round(total->interval.low / w->n_runs));
	table_number(t, CELL_BYTES, round(total->interval.high / w->n_runs));
	table_number(t, CELL_NS, round(row->lifetime_ns));
	table_text(t, f != NULL ? f->function : NULL);
	table_text(t, f != NULL ? f->module : NULL);
	table_text(t, site_part_names.items[part]);
	table_count(t, w->process > 0 ? w->process : UNKNOWN);
}

static void add_section(struct writer *w, struct site_functions *f, enum site_part part,
			const char *title, size_t most_rows)
{
	const double whole = f->whole[part].mass.bytes;
	size_t n_shown = 0;
	if (!f->is_known[part] || !(whole > 0))
		return;
	site_functions_sort(f, part);
	add_head(w, part, title);
	vec_foreach(row, &f->list) {
		if (!(row->total[part].mass.bytes > 0))
			continue;
		const bool is_listed =
			n_shown < most_rows && ratio_of(row->self[part].mass.bytes, whole) >= LEAST;
		n_shown += is_listed;
		if (!is_listed)
			table_audience(w->t, FOR_PROGRAMS);
		add_row(w, row, part);
	}
}

/* ---- by process ---- */

static int64_t bytes_of(const struct process *p, enum site_part part)
{
	int64_t sum = 0;
	for (size_t i = 0; p->heap.is_known && i < p->heap.n_sites; i++)
		if (p->heap.sites[i].sums[part].is_known)
			sum = sum_known(sum, p->heap.sites[i].sums[part].bytes);
	return sum;
}

/* The largest that is smaller than @below, ties by id; NULL: none. */
static const struct process *next_process(const struct run *run, enum site_part part,
					  const struct process *below)
{
	const struct process *found = NULL;
	const int64_t limit = below != NULL ? bytes_of(below, part) : INT64_MAX;
	for (size_t i = 0; i < run->n_processes; i++) {
		const struct process *p = &run->processes[i];
		const int64_t bytes = bytes_of(p, part);
		const bool is_below = bytes < limit || (bytes == limit && p > below);
		if (bytes > 0 && is_below && (found == NULL || bytes > bytes_of(found, part)))
			found = p;
	}
	return found;
}

static void add_processes(const struct session *s, const struct run *run, enum site_part part,
			  struct table *t)
{
	_cleanup_(buf_done) struct buf label = { .limit = MAX_LABEL };
	const struct process *p = next_process(run, part, NULL);
	if (p == NULL || next_process(run, part, p) == NULL)
		return;
	for (size_t n = 0; p != NULL && n < MAX_PROCESSES; n++, p = next_process(run, part, p)) {
		struct site_functions f;
		const int rc = site_functions_of(s, run, 1, p->id, &f);
		struct writer w = { .t = t,
				    .f = &f,
				    .n_runs = 1,
				    .process = p->id,
				    .label = { .limit = MAX_LABEL } };
		table_fail(t, rc);
		if (rc == 0)
			add_section(&w, &f, part, process_label(run, p->id, &label), MAX_ROWS / 2);
		site_functions_done(&f);
		buf_done(&w.label);
	}
}

/* ---- notes ---- */

/* How blocks came to be seen. */
static void note_mode(const struct session *s, const struct site_functions *f, enum site_part part,
		      struct table *t)
{
	const char *runs = s->n_runs > 1 ? " in all runs" : "";
	const int64_t n = f->whole[SITE_TOTAL].samples;
	struct heap_mode mode = { .kind = HEAP_OFF };
	char text[UNITS_BYTES];
	if (s->design.heap == NULL || parse_heap_mode(s->design.heap, &mode) < 0)
		return;
	format_bytes(text, (double)mode.sample_bytes);
	if (mode.kind == HEAP_SAMPLE)
		table_note(t,
			   "sampled: one block for %s allocated on average, %" PRId64
			   " blocks%s; shares with 95 %% intervals, where a row has 5 samples "
			   "or more",
			   text, n, runs);
	else if (mode.kind == HEAP_EXACT && part == SITE_READY)
		table_note(t,
			   "every allocation was recorded until it was ready, then one block for "
			   "%s on average, with 95 %% intervals",
			   text);
	else if (mode.kind == HEAP_EXACT)
		table_note(t, "every allocation was recorded: %" PRId64 "%s", n, runs);
}

void note_sites(const struct session *s, const struct run *run, const struct site_functions *f,
		enum site_part part, struct table *t)
{
	if (!f->has_sites) {
		table_note(t, "no call sites recorded: use --heap sample");
		return;
	}
	note_mode(s, f, part, t);
	table_note(t, "the live bytes of all rows add up to what was counted (%s)",
		   part == SITE_READY ? "heap.ready, heap.peak, heap.exit"
				      : "heap.peak, heap.exit");
	if (f->cut > 0)
		table_note(t, "%" PRId64 " small call sites are told by their innermost frames",
			   f->cut);
	for (size_t i = 0; i < run->n_losses; i++)
		if (strcmp(run->losses[i].kind, "site") == 0 ||
		    strcmp(run->losses[i].kind, "block") == 0)
			table_note(t, "%" PRId64 " samples were lost", run->losses[i].count);
	if (s->n_runs > 1)
		table_note(t, "means of %zu runs", s->n_runs);
}

void tell_sites(const struct session *s, size_t run_index, struct buf *line)
{
	const struct run *run = &s->runs[run_index];
	const enum site_part part = site_headline(run);
	_cleanup_(buf_done) struct buf label = { .limit = MAX_LABEL };
	char text[UNITS_BYTES];
	struct site_functions f;
	size_t n = 0;
	const int rc = run_has_sites(run) ? site_functions_of(s, run, 1, 0, &f) : -ENOENT;
	if (rc == 0)
		site_functions_sort(&f, part);
	for (size_t i = 0; rc == 0 && i < f.list.n && n < MAX_TOLD; i++) {
		const struct site_function *row = &f.list.items[i];
		const struct site_amount *a = &row->self[part];
		const double whole = f.whole[part].mass.bytes;
		if (row->name.frame == NULL || a->samples < SITE_SAMPLES_MIN ||
		    ratio_of(a->mass.bytes, whole) < LEAST_TOLD)
			continue;
		buf_clear(&label);
		label_frame(row->name.frame, row->name.is_one_place, &label);
		(void)buf_addf(line, "%s%s by %s (%.0f-%.0f %%)",
			       n++ > 0		    ? ", "
			       : part == SITE_READY ? "when ready "
						    : "at the peak ",
			       format_bytes(text, a->mass.bytes), buf_str(&label),
			       100 * ratio_of(a->interval.low, whole),
			       100 * ratio_of(a->interval.high, whole));
	}
	if (n > 0)
		(void)buf_adds(line, "; --view sites");
	if (rc != -ENOENT)
		site_functions_done(&f);
}

struct table *build_sites(const struct session *s, size_t run_index)
{
	const struct run *run = &s->runs[run_index];
	const enum site_part part = site_headline(run);
	struct table *t = table_new("Call sites of the heap", columns, N_OF(columns));
	struct site_functions f;
	const int rc = site_functions_of(s, s->runs, s->n_runs, 0, &f);
	struct writer w = { .t = t,
			    .f = &f,
			    .n_runs = s->n_runs > 0 ? (double)s->n_runs : 1,
			    .label = { .limit = MAX_LABEL } };
	table_fail(t, rc);
	for (size_t i = 0; i < N_OF(sections) && rc == 0; i++)
		add_section(&w, &f, sections[i].part, sections[i].title, sections[i].most_rows);
	if (rc == 0 && f.has_sites)
		add_processes(s, run, part, t);
	if (rc == 0)
		note_sites(s, run, &f, part, t);
	if (f.has_sites)
		table_note(t, "the calls that led to it: --view site-calls");
	note_coverage(s, run_index, t);
	site_functions_done(&f);
	buf_done(&w.label);
	return t;
}
