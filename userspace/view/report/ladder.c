/* SPDX-License-Identifier: MIT */
/* The readiness ladder: each milestone with its time, and how it was seen. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/report/parts.h"

#define MAX_LABEL ((size_t)64 << 10)

static bool is_ready(const struct run *run, const struct milestone *m)
{
	return run->has_ready && run->ready_level != NULL &&
	       strcmp(run->ready_level, m->name) == 0 && run->ready_ns == m->time_ns;
}

/* Whether the milestone was not seen for a reason that none before it has. */
static bool is_new_reason(const struct run *run, size_t i)
{
	const struct milestone *m = &run->milestones[i];
	bool is_new = m->time_ns == UNKNOWN;
	for (size_t j = 0; j < i && is_new; j++)
		is_new = run->milestones[j].time_ns != UNKNOWN ||
			 strcmp(text_of(run->milestones[j].evidence), text_of(m->evidence)) != 0;
	return is_new;
}

static bool has_client(const struct run *run)
{
	for (size_t i = 0; i < run->n_milestones; i++) {
		if (strcmp(run->milestones[i].name, "first_accept") == 0)
			return run->milestones[i].time_ns != UNKNOWN;
	}
	return false;
}

/* What is not seen of most servers: nobody asked for it, or nobody came. */
static bool is_usual(const struct run *run, const struct milestone *m)
{
	static const char *const names[] = { "notified", "first_accept", "first_byte", "quiet" };
	if (strcmp(m->name, "first_byte") == 0 && has_client(run))
		return false;
	for (size_t i = 0; i < N_OF(names); i++) {
		if (strcmp(m->name, names[i]) == 0)
			return true;
	}
	return false;
}

/* "not seen: bind, listen (no listener); first_accept (no client came)" */
static void note_missing(struct table *t, const struct run *run, bool is_short)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LABEL };
	for (size_t i = 0; i < run->n_milestones; i++) {
		const char *evidence = text_of(run->milestones[i].evidence);
		if (!is_new_reason(run, i) || (is_short && is_usual(run, &run->milestones[i])))
			continue;
		const char *before = line.len > 0 ? "; " : "not seen: ";
		for (size_t j = i; j < run->n_milestones; j++) {
			const struct milestone *other = &run->milestones[j];
			if (other->time_ns != UNKNOWN ||
			    strcmp(text_of(other->evidence), evidence) != 0)
				continue;
			(void)buf_addf(&line, "%s%s", before, text_of(other->name));
			before = ", ";
		}
		if (evidence[0] != '\0')
			(void)buf_addf(&line, " (%s)", evidence);
	}
	if (line.len > 0)
		table_note(t, "%s", buf_str(&line));
}

static void add_milestone(struct table *t, const struct run *run, const struct milestone *m,
			  int64_t step_ns, struct buf *label)
{
	if (m->time_ns == UNKNOWN)
		table_audience(t, FOR_PROGRAMS);
	table_tone(t, is_ready(run, m) ? TONE_GOOD : TONE_PLAIN);
	table_text(t, m->name);
	table_ns(t, m->time_ns);
	table_ns(t, step_ns);
	table_count(t, m->process == 0 ? UNKNOWN : m->process);
	table_text(t, process_label(run, m->process, label));
	table_text(t, m->evidence);
	table_text(t, m->source);
}

/* clang-format off */
#define COLUMNS(who_sees_processes) { \
	{ .title = "milestone", .key = "name" }, \
	{ .title = "at", .key = "time_ns", .align = ALIGN_RIGHT }, \
	{ .title = "step", .key = "step_ns", .align = ALIGN_RIGHT, .audience = FOR_PEOPLE }, \
	{ .title = "id", .key = "process", .audience = FOR_PROGRAMS }, \
	{ .title = "process", .key = "command", .audience = who_sees_processes }, \
	{ .title = "seen by", .key = "evidence", .is_elastic = true, .is_dim = true }, \
	{ .title = "source", .key = "source", .audience = FOR_PROGRAMS }, \
}
/* clang-format on */

/* People read a ladder from its foot: a socket may listen before the program that serves it is
 * executed (socket activation). Unseen rungs keep their place. */
static void sort_by_time(const struct milestone **rungs, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct milestone *m = rungs[i];
		size_t at = i;
		for (size_t j = i; j > 0 && m->time_ns != UNKNOWN; j--) {
			if (rungs[j - 1]->time_ns == UNKNOWN)
				continue;
			if (rungs[j - 1]->time_ns <= m->time_ns)
				break;
			at = j - 1;
		}
		memmove(rungs + at + 1, rungs + at, (i - at) * sizeof(rungs[0]));
		rungs[at] = m;
	}
}

static struct table *build(const struct session *s, size_t run_index, bool is_short)
{
	static const struct column one_process[] = COLUMNS(FOR_PROGRAMS);
	static const struct column processes[] = COLUMNS(FOR_ALL);
	const struct run *run = &s->runs[run_index];
	struct table *t = table_new("Readiness", run->n_processes > 1 ? processes : one_process,
				    N_OF(processes));
	_cleanup_(buf_done) struct buf label = { .limit = MAX_LABEL };
	_cleanup_free_ const struct milestone **rungs =
		calloc(run->n_milestones + 1, sizeof(*rungs));
	if (rungs == NULL) {
		table_fail(t, -ENOMEM);
		return t;
	}
	for (size_t i = 0; i < run->n_milestones; i++)
		rungs[i] = &run->milestones[i];
	sort_by_time(rungs, run->n_milestones);
	int64_t last_ns = UNKNOWN;
	for (size_t i = 0; i < run->n_milestones; i++) {
		const struct milestone *m = rungs[i];
		const bool has_step = m->time_ns != UNKNOWN && last_ns != UNKNOWN;
		add_milestone(t, run, m, has_step ? sum_known(m->time_ns, -last_ns) : UNKNOWN,
			      &label);
		if (m->time_ns != UNKNOWN)
			last_ns = m->time_ns;
	}
	note_missing(t, run, is_short);
	return t;
}

struct table *build_ladder(const struct session *s, size_t run_index)
{
	return build(s, run_index, false);
}

/* In a report, what was not seen is worth a line only where it tells something: after all, the run
 * may have become ready without it. */
struct table *build_short_ladder(const struct session *s, size_t run_index)
{
	const struct run *run = &s->runs[run_index];
	return build(s, run_index, run->has_ready || s->design.ready.n == 0);
}
