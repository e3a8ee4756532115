/* SPDX-License-Identifier: MIT */
/* The critical path as a waterfall. Programs get every segment. People get at most a screen:
 * neighbours that say the same become one row, and so do runs of neighbours that are too short to
 * matter, with the threshold raised until it fits. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/view/report_parts.h"

#define MAX_ROWS   20
#define MAX_LABEL  ((size_t)64 << 10)
#define BIG_WAIT   0.2	/* of the total: worth a colour */
#define SMALL_PART 0.01 /* of the total: shown dim */

/* Neighbouring segments that people see as one row. */
struct stretch {
	int64_t start_ns, duration_ns;
	const struct segment *longest;
	size_t n_segments;
	bool is_one_cause, is_one_detail, is_one_phase, is_one_process;
	bool is_small; /* every segment is below the threshold */
	int64_t causes_ns[CAUSE_COUNT];
};

struct stretch_list VEC(struct stretch);

/* How eagerly neighbours are merged: those shorter than @share of the total; within one process
 * and phase or across them. */
struct level {
	double share;
	bool is_across;
};

static const struct level levels[] = {
	{ 0, false },	 { 0.001, false }, { 0.002, false }, { 0.005, false },
	{ 0.01, false }, { 0.02, false },  { 0.01, true },   { 0.02, true },
	{ 0.04, true },	 { 0.1, true },	   { 1.1, true },
};

static bool is_same(const struct segment *a, const struct segment *b)
{
	return a->process == b->process && a->phase == b->phase && a->state == b->state &&
	       a->cause == b->cause && strcmp(a->detail, b->detail) == 0;
}

static bool can_join(const struct stretch *last, const struct segment *s, bool is_small,
		     const struct level *level)
{
	const struct segment *own = last->longest;
	if (last->is_one_cause && last->is_one_detail && last->is_one_phase &&
	    last->is_one_process && is_same(own, s))
		return true;
	if (!last->is_small || !is_small)
		return false;
	if (level->is_across)
		return true;
	return last->is_one_process && last->is_one_phase && own->process == s->process &&
	       own->phase == s->phase;
}

static void join(struct stretch *to, const struct segment *s, bool is_small)
{
	const struct segment *own = to->longest;
	to->is_one_cause = to->is_one_cause && own->cause == s->cause;
	to->is_one_detail = to->is_one_detail && strcmp(own->detail, s->detail) == 0;
	to->is_one_phase = to->is_one_phase && own->phase == s->phase;
	to->is_one_process = to->is_one_process && own->process == s->process;
	to->is_small = to->is_small && is_small;
	to->duration_ns = sum_known(to->duration_ns, s->duration_ns);
	to->causes_ns[s->cause] = sum_known(to->causes_ns[s->cause], s->duration_ns);
	to->n_segments++;
	if (s->duration_ns > own->duration_ns)
		to->longest = s;
}

/* Fills @ret with at most MAX_ROWS stretches; 1 when there would be more. */
static int merge_at(const struct run *run, const struct level *level, struct stretch_list *ret)
{
	const double threshold = level->share * (double)run->startup_total_ns;
	ret->n = 0;
	for (size_t i = 0; i < run->n_segments; i++) {
		const struct segment *s = &run->segments[i];
		if (s->duration_ns <= 0)
			continue;
		const bool is_small = (double)s->duration_ns < threshold;
		if (ret->n > 0 && can_join(vec_last(ret), s, is_small, level)) {
			join(vec_last(ret), s, is_small);
			continue;
		}
		const bool is_last_level = level == &levels[N_OF(levels) - 1];
		if (ret->n == MAX_ROWS && !is_last_level)
			return 1;
		struct stretch stretch = {
			.start_ns = s->start_ns,
			.duration_ns = s->duration_ns,
			.longest = s,
			.n_segments = 1,
			.is_one_cause = true,
			.is_one_detail = true,
			.is_one_phase = true,
			.is_one_process = true,
			.is_small = is_small,
		};
		stretch.causes_ns[s->cause] = s->duration_ns;
		if (vec_push(ret, stretch) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int merge_for_people(const struct run *run, struct stretch_list *ret)
{
	int rc = 1;
	for (size_t i = 0; i < N_OF(levels) && rc == 1; i++)
		rc = merge_at(run, &levels[i], ret);
	return rc;
}

/* "cpu 8.1 ms, page_fault 1.2 ms": the largest three. */
static void add_causes(struct buf *out, const struct stretch *stretch)
{
	bool is_used[CAUSE_COUNT] = { false };
	for (int round = 0; round < 3; round++) {
		int largest = -1;
		for (int i = 0; i < CAUSE_COUNT; i++) {
			if (!is_used[i] && stretch->causes_ns[i] > 0 &&
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

static void describe(const struct stretch *stretch, struct buf *out)
{
	buf_clear(out);
	if (stretch->is_one_cause && stretch->is_one_detail) {
		(void)buf_adds(out, stretch->longest->detail);
		return;
	}
	if (!stretch->is_one_cause)
		add_causes(out, stretch);
	else if (stretch->longest->detail[0] != '\0')
		(void)buf_addf(out, "%s and others", stretch->longest->detail);
	else
		(void)buf_addf(out, "in %zu pieces", stretch->n_segments);
}

static enum tone tone_of(const struct stretch *stretch, double share)
{
	const enum activity state = stretch->longest->state;
	if (share < SMALL_PART)
		return TONE_DIM;
	if (state == ACTIVITY_RUNNING || share < BIG_WAIT || !stretch->is_one_cause)
		return TONE_PLAIN;
	return state == ACTIVITY_BLOCKED ? TONE_WARN : TONE_BAD;
}

static void add_stretch(struct table *t, const struct run *run, const struct stretch *stretch,
			struct buf *scratch)
{
	const double total = run->startup_total_ns > 0 ? (double)run->startup_total_ns : 1;
	const struct segment *s = stretch->longest;
	table_audience(t, FOR_PEOPLE);
	table_tone(t, tone_of(stretch, (double)stretch->duration_ns / total));
	table_ns(t, stretch->start_ns);
	table_ns(t, stretch->duration_ns);
	table_bar(t, (double)stretch->start_ns / total,
		  ((double)stretch->start_ns + (double)stretch->duration_ns) / total);
	table_text(t,
		   stretch->is_one_process ? process_label(run, s->process, scratch) : "several");
	table_count(t, UNKNOWN);
	table_count(t, UNKNOWN);
	table_text(t, stretch->is_one_phase ? phase_name(s->phase) : "several");
	table_text(t, NULL);
	table_text(t, stretch->is_one_cause ? cause_name(s->cause) : "mixed");
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
	const int rc = merge_for_people(run, &stretches);
	owner = stretches.items;
	if (rc < 0)
		return rc;
	vec_foreach(stretch, &stretches)
		add_stretch(t, run, stretch, &scratch);
	for (size_t i = 0; i < run->n_segments; i++)
		add_segment(t, run, &run->segments[i], &scratch);
	return 0;
}

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
	if (rc == 0)
		table_lead(*ret, "%s", report_equation(s, run_index));
	return rc;
}
