/* SPDX-License-Identifier: MIT */
/* The critical path as a waterfall: every segment for programs, a screen for people. */

#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/base/utf8.h"
#include "userspace/model/place.h"
#include "userspace/view/report/heaviest.h"
#include "userspace/view/report/label.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/report/stretch.h"

#define MAX_ROWS     20 /* of the view by itself; the report gives what room there is */
#define MAX_LABEL    ((size_t)64 << 10)
#define MAX_COLUMNS  22	  /* of the name of a program */
#define MAX_OBJECT   32	  /* columns of a path; beyond it only its last part */
#define SHORT_OBJECT 12	  /* where names take their part of the width */
#define MAX_CODE     26	  /* columns of the names of functions; 80 have room for a bar then */
#define SHORT_CODE   24	  /* where names of programs take their part */
#define MAX_WAITING  32	  /* columns with file and line of what waits */
#define MOST	     0.9  /* of a row: the rest goes without saying */
#define LEAST	     0.01 /* of a row: worth one of the first two terms */
#define LEAST_MORE   0.05 /* of a row: worth a further one */
#define MAX_TERMS    4
#define BIG_WAIT     0.2  /* of the total: worth a colour */
#define SMALL_PART   0.01 /* of the total: shown dim */
#define BIG_RUNQUEUE 0.05 /* of the total: a term of its own in the first line, so worth a line */

/* What people call a cause, where that is not its name: of a sum, and with the one object it was about. */
static const char *word_of(int cause, bool is_one)
{
	static const char *const words[CAUSE_COUNT][2] = {
		[CAUSE_CPU] = { "cpu", "cpu in" },
		[CAUSE_PAGE_FAULT] = { "page faults", "page fault" },
		[CAUSE_FILE_READ] = { "file reads", "file read" },
		[CAUSE_FILE_WRITE] = { "file writes", "file write" },
	};
	const char *word = words[cause][is_one];
	return word != NULL ? word : cause_name((enum cause)cause);
}

static bool is_most(int64_t part_ns, const struct stretch *stretch)
{
	return (double)part_ns >= MOST * (double)stretch->duration_ns;
}

/* --- what it was, in words ------------------------------------------------------------------ */

static const char *object_of(const struct segment *s, size_t columns)
{
	const bool is_long = strlen(s->detail) > columns;
	return s->detail[0] == '/' && is_long ? label_base(s->detail) : s->detail;
}

static int largest_but(const struct stretch *stretch, const bool is_used[static CAUSE_COUNT],
		       double least)
{
	int largest = -1;
	for (int i = 0; i < CAUSE_COUNT; i++) {
		if (!is_used[i] &&
		    (double)stretch->causes_ns[i] >= least * (double)stretch->duration_ns &&
		    (largest < 0 || stretch->causes_ns[i] > stretch->causes_ns[largest]))
			largest = i;
	}
	return largest;
}

/* "cpu 8.1 ms (62 % in build_index), page faults 900 us (libbig.so)": the largest few. */
static void add_causes(struct buf *out, const struct stretch *stretch, size_t columns,
		       const char *code)
{
	const struct segment *longest = stretch->longest;
	bool is_used[CAUSE_COUNT] = { false };
	char text[UNITS_BYTES];
	for (int n = 0; n < MAX_TERMS; n++) {
		const int cause = largest_but(stretch, is_used, n < 2 ? LEAST : LEAST_MORE);
		if (cause < 0)
			return;
		const int64_t ns = stretch->causes_ns[cause];
		is_used[cause] = true;
		(void)buf_addf(out, "%s%s %s", n > 0 ? ", " : "", word_of(cause, false),
			       format_ns_short(text, (double)ns));
		if (cause == CAUSE_CPU && code[0] != '\0' && (n < 2 || columns > SHORT_OBJECT))
			(void)buf_addf(out, " (%s)", code);
		if (longest->state == ACTIVITY_BLOCKED && (int)longest->cause == cause &&
		    longest->detail[0] != '\0' && longest->duration_ns >= ns / 2)
			(void)buf_addf(out, " (%s)", object_of(longest, columns));
	}
}

/* " in retry_connect, db.c:112" of a wait whose stack was taken. */
static void add_waiting(const struct session *s, const struct segment *wait, struct buf *out)
{
	const struct frame *where = stack_place(s, wait->stack);
	if (wait->state != ACTIVITY_BLOCKED || where == NULL || where->module == NULL)
		return;
	(void)buf_adds(out, " in ");
	label_place(s, wait->stack, out);
	if (text_width(buf_str(out), out->len) > MAX_WAITING) {
		const char *comma = strrchr(buf_str(out), ',');
		if (where->file != NULL && where->line != UNKNOWN && comma != NULL)
			buf_truncate(out, (size_t)(comma - buf_str(out)));
	}
}

/* The one thing it was, with its object; where it was several, the causes with their sums. */
static void describe(const struct session *s, const struct stretch *stretch, size_t columns,
		     const char *code, struct buf *out)
{
	const int cause = stretch_cause(stretch);
	const struct segment *longest = stretch->longest;
	buf_clear(out);
	/* On a busy machine, or under a quota, it is mostly that, and yet one wants to know what ran. */
	const bool is_busy = cause_is_cpu_wait((enum cause)cause) && code[0] != '\0';
	if (!is_most(stretch->causes_ns[cause], stretch) || is_busy) {
		add_causes(out, stretch, columns, code);
		return;
	}
	const bool is_one = stretch->is_one_detail || is_most(longest->duration_ns, stretch);
	const bool has_object = (int)longest->cause == cause && longest->detail[0] != '\0' &&
				(is_one || longest->state == ACTIVITY_BLOCKED);
	if (has_object)
		(void)buf_addf(out, "%s %s%s", word_of(cause, true), object_of(longest, columns),
			       is_one ? "" : ", ...");
	else
		(void)buf_adds(out, word_of(cause, false));
	if (cause == CAUSE_CPU && code[0] != '\0')
		(void)buf_addf(out, "%s%s", has_object ? ", " : ": ", code);
	else if ((int)longest->cause == cause)
		add_waiting(s, longest, out);
}

/* --- whose it was --------------------------------------------------------------------------- */

/* "link"; where two rows of a screen had to become one, "exec, link". */
static void add_phases(struct buf *out, const struct stretch *stretch)
{
	const int largest = stretch_phase(stretch);
	buf_clear(out);
	for (int i = 0; i < PHASE_COUNT; i++) {
		const bool is_part =
			(double)stretch->phases_ns[i] > (1 - MOST) * (double)stretch->duration_ns;
		if (i == largest || is_part)
			(void)buf_addf(out, "%s%s", out->len > 0 ? ", " : "",
				       phase_name((enum phase)i));
	}
}

/* On the way to its main function a program is called by its name only. */
static bool is_starting(const struct stretch *stretch)
{
	const int phase = stretch_phase(stretch);
	return stretch->n_others == 0 && phase != PHASE_MAIN && phase != PHASE_CHILD &&
	       is_most(stretch->phases_ns[phase], stretch);
}

/* "gcc -c f1.c +3", "gcc: link" */
static const char *name_of(const struct run *run, const struct stretch *stretch, struct buf *out)
{
	char others[32] = "";
	if (stretch->n_others > 0)
		(void)snprintf(others, sizeof(others), " +%zu", stretch->n_others);
	if (is_starting(stretch) && stretch->image != NULL) {
		const struct text_list name = { stretch->image->argv.items,
						stretch->image->argv.n > 0 };
		(void)label_command(stretch->image->exe, &name, MAX_COLUMNS, out);
		(void)buf_addf(out, ": %s", phase_name((enum phase)stretch_phase(stretch)));
		return buf_str(out);
	}
	(void)label_image(run, stretch->process, stretch->image, MAX_COLUMNS - strlen(others), out);
	(void)buf_adds(out, others);
	return buf_str(out);
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

/* clang-format off */
#define N_FOR_PROGRAMS 10
#define COLUMNS(title_of_names) { \
	{ .title = "at", .key = "start_ns", .align = ALIGN_RIGHT }, \
	{ .title = "took", .key = "duration_ns", .align = ALIGN_RIGHT }, \
	{ .title = "", .key = "", .audience = FOR_PEOPLE }, \
	{ .title = (title_of_names), .key = "", .audience = FOR_PEOPLE }, \
	{ .title = "of which", .key = "", .audience = FOR_PEOPLE, .is_folded = true }, \
	{ .title = "", .key = "command", .audience = FOR_PROGRAMS }, \
	{ .title = "", .key = "process", .audience = FOR_PROGRAMS }, \
	{ .title = "", .key = "thread", .audience = FOR_PROGRAMS }, \
	{ .title = "", .key = "phase", .audience = FOR_PROGRAMS }, \
	{ .title = "", .key = "state", .audience = FOR_PROGRAMS }, \
	{ .title = "", .key = "cause", .audience = FOR_PROGRAMS }, \
	{ .title = "", .key = "detail", .audience = FOR_PROGRAMS }, \
	{ .title = "", .key = "function", .audience = FOR_PROGRAMS }, \
	{ .title = "", .key = "file", .audience = FOR_PROGRAMS }, \
	{ .title = "", .key = "line", .audience = FOR_PROGRAMS }, \
}
/* clang-format on */

static void add_stretch(struct table *t, const struct heaviest *h, const struct stretch *stretch,
			bool is_one_program, struct buf *scratch)
{
	const struct run *run = h->run;
	_cleanup_(buf_done) struct buf code = { .limit = MAX_LABEL };
	table_fail(t, heaviest_name(h, stretch, is_one_program ? MAX_CODE : SHORT_CODE, &code));
	const double total = run->startup_total_ns > 0 ? (double)run->startup_total_ns : 1;
	table_audience(t, FOR_PEOPLE);
	table_tone(t, tone_of(stretch, (double)stretch->duration_ns / total));
	table_ns(t, stretch->start_ns);
	table_ns(t, stretch->duration_ns);
	table_bar(t, (double)stretch->start_ns / total,
		  ((double)stretch->start_ns + (double)stretch->duration_ns) / total);
	if (is_one_program)
		add_phases(scratch, stretch);
	else
		(void)name_of(run, stretch, scratch);
	table_text(t, buf_str(scratch));
	describe(h->s, stretch, is_one_program ? MAX_OBJECT : SHORT_OBJECT, buf_str(&code),
		 scratch);
	table_text(t, buf_str(scratch));
	for (size_t i = 0; i < N_FOR_PROGRAMS; i++)
		table_text(t, NULL);
}

static void add_segment(struct table *t, const struct session *session, const struct run *run,
			const struct segment *s, struct buf *scratch)
{
	const struct frame *where = stack_place(session, s->stack);
	table_audience(t, FOR_PROGRAMS);
	table_ns(t, s->start_ns);
	table_ns(t, s->duration_ns);
	table_bar(t, 0, 0);
	table_text(t, NULL);
	table_text(t, NULL);
	table_text(t, process_label(run, s->process, scratch));
	table_count(t, s->process == 0 ? UNKNOWN : s->process);
	table_count(t, s->thread);
	table_text(t, phase_name(s->phase));
	table_text(t, activity_name(s->state));
	table_text(t, cause_name(s->cause));
	table_text(t, s->detail);
	table_text(t, where != NULL ? where->function : NULL);
	table_text(t, where != NULL ? where->file : NULL);
	table_count(t, where != NULL ? where->line : UNKNOWN);
}

static bool is_one_program(const struct stretch_list *stretches)
{
	for (size_t i = 0; i < stretches->n; i++) {
		const struct stretch *s = &stretches->items[i];
		if (s->n_others > 0 || s->process != stretches->items[0].process ||
		    s->image != stretches->items[0].image)
			return false;
	}
	return true;
}

/* A phase's term in the first line is less than what its milestones are apart by that much. */
static void note_runqueue(const struct run *run, struct table *t, struct buf *scratch)
{
	char text[UNITS_BYTES];
	int64_t ns = 0, phases_ns[PHASE_COUNT] = { 0 };
	const char *before = "";
	for (size_t i = 0; i < run->n_segments; i++) {
		const struct segment *s = &run->segments[i];
		if (s->cause != CAUSE_RUNQUEUE)
			continue;
		ns = sum_known(ns, s->duration_ns);
		phases_ns[s->phase] = sum_known(phases_ns[s->phase], s->duration_ns);
	}
	const double share = (double)ns / (double)run->startup_total_ns;
	if (run->startup_total_ns <= 0 || share < BIG_RUNQUEUE)
		return;
	buf_clear(scratch);
	for (int i = 0; i < PHASE_COUNT; i++) {
		if ((double)phases_ns[i] < LEAST * (double)ns)
			continue;
		(void)buf_addf(scratch, "%s%s %s", before, phase_name((enum phase)i),
			       format_ns(text, (double)phases_ns[i]));
		before = ", ";
	}
	table_note(t, "runqueue: ready to run for %s (%.0f %%), but %s; taken out of %s",
		   format_ns(text, (double)ns), 100 * share,
		   run->tainted != NULL ? "the machine was busy (tainted)" : "no CPU was free",
		   buf_str(scratch));
}

/* For people only: there may be a million segments. */
struct table *build_waterfall(const struct session *s, size_t run_index, size_t max_rows)
{
	static const struct column phases[] = COLUMNS("phase");
	static const struct column programs[] = COLUMNS("command +others");
	const struct run *run = &s->runs[run_index];
	_cleanup_(buf_done) struct buf scratch = { .limit = MAX_LABEL };
	_cleanup_vec_ struct stretch_list stretches = { 0 };
	_cleanup_(heaviest_done) struct heaviest heaviest = { .run = run };
	int rc = stretches_of(run, max_rows, &stretches);
	if (rc == 0)
		rc = heaviest_new(s, run, &heaviest);
	const bool is_one = is_one_program(&stretches);
	struct table *t =
		table_new("Where the time went", is_one ? phases : programs, N_OF(phases));
	table_fail(t, rc);
	vec_foreach(stretch, &stretches)
		add_stretch(t, &heaviest, stretch, is_one, &scratch);
	char text[UNITS_BYTES];
	if (!run->has_segments)
		table_note(t, "no breakdown: there were no scheduler events");
	else if (run->startup_unknown_ns != UNKNOWN && run->startup_unknown_ns > 0)
		table_note(t, "%s of it could not be explained",
			   format_ns(text, (double)run->startup_unknown_ns));
	note_runqueue(run, t, &scratch);
	if (run->has_samples || s->no_stacks != NULL)
		note_stacks(s, run, false, t);
	return t;
}

struct table *build_startup(const struct session *s, size_t run_index)
{
	struct table *t = build_waterfall(s, run_index, MAX_ROWS);
	const struct run *run = &s->runs[run_index];
	_cleanup_(buf_done) struct buf scratch = { .limit = MAX_LABEL };
	for (size_t i = 0; i < run->n_segments; i++)
		add_segment(t, s, run, &run->segments[i], &scratch);
	table_lead(t, "%s", report_equation(s, run_index));
	return t;
}
