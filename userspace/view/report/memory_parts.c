/* SPDX-License-Identifier: MIT */
/* What the resident memory of each process consists of: as it was linked and began, where somebody looked, and at
 * readiness, else when the tree had most. */

#include <stdio.h>
#include <string.h>

#include "userspace/base/units.h"
#include "userspace/view/report/parts.h"

#define MAX_LABEL ((size_t)64 << 10)
/* People are told of parts from this on; the others are one row. */
#define LEAST_PART 100
/* What a worker has made its own since readiness is worth a line. */
#define UNSHARED_LEAST (1 << 20)
/* A look that found this much less than there was at most, in percent, does not stand for the peak. */
#define PEAK_MISSED 5

/* clang-format off */
static const struct column columns[] = {
	{ .title = "process", .key = "command" },
	{ .title = "id", .key = "process", .audience = FOR_PROGRAMS },
	{ .title = "at", .key = "at", .audience = FOR_PROGRAMS },
	{ .title = "time", .key = "time_ns", .audience = FOR_PROGRAMS },
	{ .title = "tree", .key = "tree_rss_bytes", .audience = FOR_PROGRAMS },
	{ .title = "tree's peak", .key = "tree_peak_rss_bytes", .audience = FOR_PROGRAMS },
	{ .title = "part", .key = "part" },
	{ .title = "", .key = "name", .is_elastic = true },
	{ .title = "rss", .key = "rss_bytes", .align = ALIGN_RIGHT },
	{ .title = "once", .key = "pss_bytes", .align = ALIGN_RIGHT },
	{ .title = "private", .key = "private_bytes", .align = ALIGN_RIGHT },
	{ .title = "written", .key = "dirty_bytes", .audience = FOR_PROGRAMS },
	{ .title = "swapped", .key = "swap_bytes", .audience = FOR_PROGRAMS },
};
/* clang-format on */

struct adding {
	struct table *t;
	const struct run *run;
	const struct process *process;
	const char *label;
	enum resident_when when;
	int64_t tree_bytes; /* of all that were looked at then */
	bool is_for_all;    /* false: people have enough with others */
};

static const char *word_of(enum resident_when when)
{
	static const char *const words[LOOK_COUNT] = {
		[LOOK_READY] = "ready",	  [LOOK_PEAK] = "peak", [LOOK_END] = "end",
		[LOOK_LINKED] = "linked", [LOOK_MAIN] = "main",
	};
	return words[when];
}

static int64_t tree_bytes(const struct run *run, enum resident_when when)
{
	int64_t sum = UNKNOWN;
	for (size_t i = 0; i < run->n_processes; i++)
		if (run->processes[i].looks[when].is_known)
			sum = sum_known(sum, run->processes[i].looks[when].rss_bytes);
	return sum;
}

static void add_row(const struct adding *a, const char *part, const struct resident_part *p)
{
	table_text(a->t, a->label);
	table_count(a->t, a->process->id);
	table_text(a->t, word_of(a->when));
	table_ns(a->t, a->process->looks[a->when].time_ns);
	table_bytes(a->t, a->tree_bytes);
	table_bytes(a->t, a->run->peak_rss_bytes);
	table_text(a->t, part);
	table_text(a->t, p->name);
	table_bytes(a->t, p->rss_bytes);
	table_bytes(a->t, p->pss_bytes);
	table_bytes(a->t, p->private_bytes);
	table_bytes(a->t, p->dirty_bytes);
	table_bytes(a->t, p->swap_bytes);
}

/* People read in it of which moment the parts below are. */
static void add_whole(const struct adding *a, const struct resident_part *all)
{
	char when[UNITS_BYTES + 16], at[UNITS_BYTES];
	struct resident_part dated = *all;
	(void)snprintf(when, sizeof(when), "%s, at %s", word_of(a->when),
		       format_ns(at, (double)a->process->looks[a->when].time_ns));
	table_audience(a->t, FOR_PROGRAMS);
	add_row(a, "all", all);
	dated.name = when;
	if (!a->is_for_all)
		return;
	table_audience(a->t, FOR_PEOPLE);
	table_tone(a->t, TONE_STRONG);
	add_row(a, "all", &dated);
}

/* A row of the whole goes before its parts. */
static void add_process(const struct adding *a, const struct resident_look *look)
{
	const struct resident_part all = {
		.name = "",
		.rss_bytes = look->rss_bytes,
		.pss_bytes = look->pss_bytes,
		.private_bytes = look->private_bytes,
		.dirty_bytes = look->dirty_bytes,
		.swap_bytes = look->swap_bytes,
	};
	struct resident_part rest = { .name = "" };
	add_whole(a, &all);
	for (size_t i = 0; i < look->n_parts; i++) {
		const struct resident_part *p = &look->parts[i];
		const bool is_large = a->is_for_all && p->rss_bytes >= look->rss_bytes / LEAST_PART;
		table_audience(a->t, is_large ? FOR_ALL : FOR_PROGRAMS);
		add_row(a, memory_part_words(p->part), p);
		if (is_large)
			continue;
		rest.rss_bytes = sum_known(rest.rss_bytes, p->rss_bytes);
		rest.pss_bytes = sum_known(rest.pss_bytes, p->pss_bytes);
		rest.private_bytes = sum_known(rest.private_bytes, p->private_bytes);
		rest.dirty_bytes = sum_known(rest.dirty_bytes, p->dirty_bytes);
		rest.swap_bytes = sum_known(rest.swap_bytes, p->swap_bytes);
	}
	if (rest.rss_bytes > 0 && a->is_for_all) {
		table_audience(a->t, FOR_PEOPLE);
		add_row(a, "smaller parts", &rest);
	}
}

/* Of what malloc has, what is live: not all of it need have been touched, so it is at most that. */
static void note_live(const struct adding *a, const struct resident_look *look)
{
	char live[UNITS_BYTES], has[UNITS_BYTES];
	const struct heap *heap = &a->process->heap;
	const int64_t malloced = resident_malloc(look);
	/* What a forked process has from its parent is not among what it has allocated. */
	if (a->process->n_images == 0 || !heap->is_known || heap->ready_bytes == UNKNOWN ||
	    malloced <= 0 || heap->ready_bytes > malloced)
		return;
	table_note(a->t, "%s: of %s that malloc has, %s are live, the rest is its slack", a->label,
		   format_bytes(has, (double)malloced),
		   format_bytes(live, (double)heap->ready_bytes));
}

static void note_unshared(const struct adding *a)
{
	char text[UNITS_BYTES];
	enum memory_part part;
	const int64_t bytes =
		a->process->parent == 0 ? 0 : resident_unshared(a->process->looks, &part);
	if (bytes >= UNSHARED_LEAST)
		table_note(a->t, "%s unshared %s after readiness%s%s", a->label,
			   format_bytes(text, (double)bytes), part < PART_COUNT ? ", most: " : "",
			   memory_part_words(part));
}

static void note_tree(struct table *t, const struct run *run)
{
	char once[UNITS_BYTES], shared[UNITS_BYTES], error[UNITS_BYTES];
	table_note(t,
		   "once: pages that several processes have are divided by how many; private: of "
		   "no other process");
	if (run->ready_pss_bytes != UNKNOWN)
		table_note(t, "whole tree when ready: %s, of which %s are shared, once (+- %s)",
			   format_bytes(once, (double)run->ready_pss_bytes),
			   format_bytes(shared, (double)run->ready_shared_bytes),
			   format_bytes(error, run->ready_pss_error_bytes == UNKNOWN
						       ? 0
						       : (double)run->ready_pss_error_bytes));
	if (run->pss_missing != NULL)
		table_note(t, "%s", run->pss_missing);
}

/* The look of those that are shown as they were at the peak. */
static void note_peak(struct table *t, const struct run *run, const struct adding *last)
{
	char at[UNITS_BYTES], had[UNITS_BYTES], most[UNITS_BYTES];
	const int64_t peak = run->peak_rss_bytes;
	(void)format_ns(at, (double)last->process->looks[LOOK_PEAK].time_ns);
	(void)format_bytes(had, (double)last->tree_bytes);
	if (peak == UNKNOWN) {
		table_note(t, "peak: looked at %s, when the tree had %s", at, had);
		return;
	}
	/* The kernel's counters lag behind. */
	(void)format_bytes(most, (double)(peak > last->tree_bytes ? peak : last->tree_bytes));
	table_note(t, "peak: looked at %s, when the tree had %s of at most %s", at, had, most);
	if ((double)last->tree_bytes < (double)peak * (100 - PEAK_MISSED) / 100)
		table_note(
			t,
			"nobody looked when it had most: the parts are not those of the peak of %s",
			most);
}

static const struct milestone *milestone_of(const struct run *run, const struct adding *a)
{
	for (size_t i = 0; i < run->n_milestones; i++) {
		const struct milestone *m = &run->milestones[i];
		if (m->process == a->process->id && m->time_ns != UNKNOWN &&
		    strcmp(m->name, word_of(a->when)) == 0)
			return m;
	}
	return NULL;
}

/* Nobody holds the process meanwhile: what the tree had just then is known by the kernel's counters. */
static void note_early(const struct adding *a, int64_t then_ns)
{
	char at[UNITS_BYTES], after[UNITS_BYTES], had[UNITS_BYTES];
	const int64_t look_ns = a->process->looks[a->when].time_ns;
	int64_t tree = UNKNOWN;
	for (size_t i = 0; i < a->run->n_memory_phases; i++)
		if (strcmp(a->run->memory_phases[i].until, word_of(a->when)) == 0)
			tree = a->run->memory_phases[i].rss_bytes;
	(void)format_ns(after, look_ns > then_ns ? (double)(look_ns - then_ns) : 0);
	table_note(a->t, "%s: looked at %s, %s after%s%s%s", word_of(a->when),
		   format_ns(at, (double)look_ns), after,
		   tree != UNKNOWN ? ", when the tree had " : "",
		   tree != UNKNOWN ? format_bytes(had, (double)tree) : "",
		   tree != UNKNOWN ? " by the kernel's counters" : "");
}

/* The process as it began; people see the one that the milestones are of. */
static void add_beginning(struct adding a)
{
	for (a.when = LOOK_LINKED; a.when <= LOOK_MAIN; a.when++) {
		const struct resident_look *look = &a.process->looks[a.when];
		const struct milestone *milestone = milestone_of(a.run, &a);
		a.tree_bytes = UNKNOWN;
		a.is_for_all = milestone != NULL;
		if (look->is_known)
			add_process(&a, look);
		if (look->is_known && milestone != NULL)
			note_early(&a, milestone->time_ns);
	}
}

struct table *build_resident(const struct session *s, size_t run_index)
{
	const struct run *run = &s->runs[run_index];
	struct table *t = table_new("Resident memory", columns, N_OF(columns));
	_cleanup_(buf_done) struct buf label = { .limit = MAX_LABEL };
	struct adding at_peak = { .t = NULL };
	bool has_any = false;
	for (size_t i = 0; i < run->n_processes; i++) {
		const struct process *p = &run->processes[i];
		const enum resident_when when =
			p->looks[LOOK_READY].is_known ? LOOK_READY : LOOK_PEAK;
		if (!p->looks[when].is_known)
			continue;
		const struct adding a = { .t = t,
					  .run = run,
					  .process = p,
					  .label = process_label(run, p->id, &label),
					  .when = when,
					  .tree_bytes = tree_bytes(run, when),
					  .is_for_all = true };
		add_beginning(a);
		add_process(&a, &p->looks[when]);
		if (when == LOOK_READY)
			note_live(&a, &p->looks[when]);
		else
			at_peak = a;
		note_unshared(&a);
		has_any = true;
	}
	if (at_peak.t != NULL)
		note_peak(t, run, &at_peak);
	if (has_any)
		note_tree(t, run);
	else
		table_note(t, "nobody looked: the run ended before it was time to, or an earlier "
			      "version recorded it");
	return t;
}
