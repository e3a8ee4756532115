/* SPDX-License-Identifier: MIT */
/* The critical path as a waterfall: every segment for programs, a screen for people. */

#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/view/report_parts.h"
#include "userspace/view/stretch.h"

#define MAX_ROWS   18
#define MAX_LABEL  ((size_t)64 << 10)
#define MOST	   0.9	/* of a row: the rest goes without saying */
#define BIG_WAIT   0.2	/* of the total: worth a colour */
#define SMALL_PART 0.01 /* of the total: shown dim */

static bool is_most(int64_t part_ns, const struct stretch *stretch)
{
	return (double)part_ns >= MOST * (double)stretch->duration_ns;
}

/* "cpu 8.1 ms, page_fault 1.2 ms": the largest three, those of a hundredth of the row and more. */
static void add_causes(struct buf *out, const struct stretch *stretch)
{
	bool is_used[CAUSE_COUNT] = { false };
	for (int round = 0; round < 3; round++) {
		int largest = -1;
		for (int i = 0; i < CAUSE_COUNT; i++) {
			if (!is_used[i] && stretch->causes_ns[i] > stretch->duration_ns / 100 &&
			    (largest < 0 || stretch->causes_ns[i] > stretch->causes_ns[largest]))
				largest = i;
		}
		if (largest < 0)
			return;
		char text[UNITS_BYTES];
		is_used[largest] = true;
		(void)buf_addf(out, "%s%s %s", round > 0 ? ", " : "",
			       cause_name((enum cause)largest),
			       format_ns(text, (double)stretch->causes_ns[largest]));
	}
}

/* The object; where there are several, the causes, or the one that took longest. */
static void describe(const struct stretch *stretch, struct buf *out)
{
	const int64_t cause_ns = stretch->causes_ns[stretch_cause(stretch)];
	const char *detail = stretch->longest->detail;
	buf_clear(out);
	if (stretch->is_one_detail)
		(void)buf_adds(out, detail);
	else if (!is_most(cause_ns, stretch))
		add_causes(out, stretch);
	else if (is_most(stretch->longest->duration_ns, stretch))
		(void)buf_adds(out, detail);
	else if (detail[0] != '\0' && (int)stretch->longest->cause == stretch_cause(stretch))
		(void)buf_addf(out, "%s, ...", detail);
	else if (cause_ns < stretch->duration_ns)
		add_causes(out, stretch);
}

/* "server[4124]", with dots when others had a part in it. */
static const char *processes_of(const struct run *run, const struct stretch *stretch,
				struct buf *out)
{
	(void)process_label(run, stretch->process, out);
	if (!is_most(stretch->process_ns, stretch))
		(void)buf_adds(out, ",...");
	return buf_str(out);
}

static const char *phases_of(const struct stretch *stretch)
{
	const int phase = stretch_phase(stretch);
	return is_most(stretch->phases_ns[phase], stretch) ? phase_name((enum phase)phase)
							   : "mixed";
}

static const char *causes_of(const struct stretch *stretch)
{
	const int cause = stretch_cause(stretch);
	return is_most(stretch->causes_ns[cause], stretch) ? cause_name((enum cause)cause)
							   : "mixed";
}

static enum tone tone_of(const struct stretch *stretch, double share)
{
	const enum activity state = stretch->longest->state;
	if (share < SMALL_PART)
		return TONE_DIM;
	if (state == ACTIVITY_RUNNING || share < BIG_WAIT ||
	    !is_most(stretch->longest->duration_ns, stretch))
		return TONE_PLAIN;
	return state == ACTIVITY_BLOCKED ? TONE_WARN : TONE_BAD;
}

static void add_stretch(struct table *t, const struct run *run, const struct stretch *stretch,
			struct buf *scratch)
{
	const double total = run->startup_total_ns > 0 ? (double)run->startup_total_ns : 1;
	table_audience(t, FOR_PEOPLE);
	table_tone(t, tone_of(stretch, (double)stretch->duration_ns / total));
	table_ns(t, stretch->start_ns);
	table_ns(t, stretch->duration_ns);
	table_bar(t, (double)stretch->start_ns / total,
		  ((double)stretch->start_ns + (double)stretch->duration_ns) / total);
	table_text(t, processes_of(run, stretch, scratch));
	table_count(t, UNKNOWN);
	table_count(t, UNKNOWN);
	table_text(t, phases_of(stretch));
	table_text(t, NULL);
	table_text(t, causes_of(stretch));
	describe(stretch, scratch);
	table_text(t, buf_str(scratch));
}

static void add_segment(struct table *t, const struct run *run, const struct segment *s,
			struct buf *scratch)
{
	table_audience(t, FOR_PROGRAMS);
	table_ns(t, s->start_ns);
	table_ns(t, s->duration_ns);
	table_bar(t, 0, 0);
	table_text(t, process_label(run, s->process, scratch));
	table_count(t, s->process == 0 ? UNKNOWN : s->process);
	table_count(t, s->thread);
	table_text(t, phase_name(s->phase));
	table_text(t, activity_name(s->state));
	table_text(t, cause_name(s->cause));
	table_text(t, s->detail);
}

static bool is_one_process(const struct run *run)
{
	for (size_t i = 1; i < run->n_segments; i++) {
		if (run->segments[i].process != run->segments[0].process)
			return false;
	}
	return true;
}

/* clang-format off */
#define COLUMNS(who_sees_processes) { \
	{ .title = "at", .key = "start_ns", .align = ALIGN_RIGHT }, \
	{ .title = "took", .key = "duration_ns", .align = ALIGN_RIGHT }, \
	{ .title = "", .key = "", .audience = FOR_PEOPLE }, \
	{ .title = "process", .key = "command", .audience = who_sees_processes }, \
	{ .title = "id", .key = "process", .audience = FOR_PROGRAMS }, \
	{ .title = "thread", .key = "thread", .audience = FOR_PROGRAMS }, \
	{ .title = "phase", .key = "phase" }, \
	{ .title = "state", .key = "state", .audience = FOR_PROGRAMS }, \
	{ .title = "cause", .key = "cause" }, \
	{ .title = "detail", .key = "detail", .is_elastic = true }, \
}
/* clang-format on */

static int fill_waterfall(const struct run *run, struct table *t)
{
	_cleanup_free_ struct stretch *owner = NULL;
	_cleanup_(buf_done) struct buf scratch;
	struct stretch_list stretches = { 0 };
	buf_init(&scratch, MAX_LABEL);
	const int rc = stretches_of(run, MAX_ROWS, &stretches);
	owner = stretches.items;
	if (rc < 0)
		return rc;
	vec_foreach(stretch, &stretches)
		add_stretch(t, run, stretch, &scratch);
	return 0;
}

/* For people only: there may be a million segments. */
int build_waterfall(const struct session *s, size_t run_index, struct table **ret)
{
	static const struct column one_process[] = COLUMNS(FOR_PROGRAMS);
	static const struct column processes[] = COLUMNS(FOR_ALL);
	const struct run *run = &s->runs[run_index];
	int rc = table_new("Where the time went", is_one_process(run) ? one_process : processes,
			   N_OF(processes), ret);
	if (rc < 0)
		return rc;
	rc = fill_waterfall(run, *ret);
	if (rc < 0) {
		*ret = table_free(*ret);
		return rc;
	}
	char text[UNITS_BYTES];
	if (!run->has_segments)
		table_note(*ret, "no breakdown: there were no scheduler events");
	else if (run->startup_unknown_ns != UNKNOWN && run->startup_unknown_ns > 0)
		table_note(*ret, "%s of it could not be explained",
			   format_ns(text, (double)run->startup_unknown_ns));
	return 0;
}

int build_startup(const struct session *s, size_t run_index, struct table **ret)
{
	const int rc = build_waterfall(s, run_index, ret);
	if (rc < 0)
		return rc;
	const struct run *run = &s->runs[run_index];
	_cleanup_(buf_done) struct buf scratch;
	buf_init(&scratch, MAX_LABEL);
	for (size_t i = 0; i < run->n_segments; i++)
		add_segment(*ret, run, &run->segments[i], &scratch);
	table_lead(*ret, "%s", report_equation(s, run_index));
	return 0;
}
