/* SPDX-License-Identifier: MIT */
/* Which functions the time on the CPU went to, over all runs: on the critical path, and besides it. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/model/shares.h"
#include "userspace/view/report/label.h"
#include "userspace/view/report/parts.h"

#define MAX_CRITICAL  20 /* rows for people */
#define MAX_OTHER     5
#define NAME_COLUMNS  16 /* that names have in any case */
#define MAX_LABEL     ((size_t)64 << 10)
#define NAMELESS      0.05  /* of the critical path: worth a note */
#define NAMELESS_MADE 0.1   /* … on the first screen */
#define LEAST	      0.005 /* of the section: below it a row says nothing to people */

struct section {
	const char *title;
	const char *name; /* for programs */
	size_t most_rows;
};

static double ratio_of(int64_t part, int64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : 0;
}

static void add_head(struct table *t, const struct section *section, int64_t ns, size_t n)
{
	table_audience(t, FOR_PEOPLE);
	table_tone(t, TONE_STRONG);
	table_text(t, section->title);
	table_text(t, "");
	table_ns(t, ns);
	for (int i = 0; i < 5; i++)
		table_text(t, "");
	table_count(t, (int64_t)n);
	for (int i = 0; i < 8; i++)
		table_text(t, NULL);
}

/* "31 % (24-38)" */
static void add_percents(struct table *t, double share, double low, double high)
{
	table_textf(t, "%.*f %% (%.*f-%.*f)", share < 0.0995, 100 * share, low < 0.0995, 100 * low,
		    high < 0.0995, 100 * high);
}

/* "ArrayList.indexOfRange" of "java.util.ArrayList.indexOfRange": lines are narrow, and the end tells more. */
static const char *without_package(const struct frame *f, const char *label)
{
	static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	const bool is_java = f != NULL && f->module != NULL && strcmp(f->module, "[JIT]") == 0 &&
			     strpbrk(label, " /(") == NULL;
	while (is_java && strlen(label) > NAME_COLUMNS) {
		const size_t n = strspn(label, lower);
		if (n == 0 || label[n] != '.' || label[n + 1] == '\0')
			break;
		label += n + 1;
	}
	return label;
}

static void add_share(struct table *t, const struct section *section, const struct share *share,
		      int64_t sum_ns, int64_t n_runs, struct buf *label)
{
	const struct frame *f = share->frame;
	table_indent(t, 1);
	buf_clear(label);
	label_frame(f, share->is_one_place, label);
	table_text(t, without_package(f, buf_str(label)));
	table_text(t, f != NULL && f->module != NULL ? label_base(f->module) : "");
	table_ns(t, share->self_ns / n_runs);
	table_ratio(t, ratio_of(share->self_ns, sum_ns));
	if (f != NULL)
		add_percents(t, ratio_of(share->self_ns, sum_ns), share->self_low,
			     share->self_high);
	else
		table_textf(t, "%.0f %%", 100 * ratio_of(share->self_ns, sum_ns));
	table_ns(t, share->total_ns / n_runs);
	table_ratio(t, ratio_of(share->total_ns, sum_ns));
	table_ns(t, share->open_ns / n_runs);
	table_count(t, (int64_t)share->n_self);
	table_count(t, (int64_t)share->n_total);
	table_number(t, CELL_RATIO, share->self_low);
	table_number(t, CELL_RATIO, share->self_high);
	table_number(t, CELL_RATIO, share->total_low);
	table_number(t, CELL_RATIO, share->total_high);
	table_text(t, f != NULL ? f->function : NULL);
	table_text(t, f != NULL ? f->module : NULL);
	table_text(t, section->name);
}

static int add_section(struct table *t, const struct session *s, const struct section *section,
		       bool is_critical)
{
	_cleanup_(shares_freep) struct shares *shares = NULL;
	_cleanup_vec_ struct share_list list = { 0 };
	_cleanup_(buf_done) struct buf label = { .limit = MAX_LABEL };
	char text[UNITS_BYTES];
	int64_t sum_ns = 0;
	size_t n_samples = 0, n_shown = 0;
	int rc = shares_new(s, &shares);
	for (size_t i = 0; i < s->n_runs && rc == 0; i++)
		rc = shares_add_run(shares, &s->runs[i], is_critical);
	if (rc == 0)
		rc = shares_finish(shares, &list, &sum_ns, &n_samples);
	if (rc < 0 || sum_ns <= 0)
		return rc;
	const int64_t n_runs = s->n_runs > 0 ? (int64_t)s->n_runs : 1;
	int64_t open_ns = 0;
	add_head(t, section, sum_ns / n_runs, n_samples);
	vec_foreach(share, &list) {
		const bool is_listed =
			n_shown < section->most_rows && ratio_of(share->self_ns, sum_ns) >= LEAST;
		n_shown += is_listed;
		open_ns += share->open_ns;
		if (!is_listed)
			table_audience(t, FOR_PROGRAMS);
		add_share(t, section, share, sum_ns, n_runs, &label);
	}
	if (open_ns > 0)
		table_note(t, "%s: of %s only the outer functions are known (in their totals)",
			   section->title, format_ns(text, (double)open_ns / (double)n_runs));
	return 0;
}

static void say_no_stacks(const struct session *s, const char *by, struct table *t)
{
	const bool is_off = strcmp(text_of(s->design.stacks), "off") == 0;
	const char *why = s->no_stacks != NULL ? s->no_stacks
			  : is_off	       ? "not asked for (--stacks off)"
					       : "none were recorded";
	table_note(t, "no stacks%s: %s%s%s", by, why, s->no_stacks_remedy != NULL ? "; " : "",
		   text_of(s->no_stacks_remedy));
}

void note_stacks(const struct session *s, const struct run *run, bool is_long, struct table *t)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LABEL };
	char text[UNITS_BYTES];
	const struct {
		int64_t n;
		const char *how;
	} kinds[] = { { run->samples_timer, "by the timer" },
		      { run->samples_call, "at system calls" },
		      { run->samples_fault, "at page faults" },
		      { run->samples_wait, "of waits" } };
	int64_t n_all = 0;
	if (!run->has_samples) {
		say_no_stacks(s, "", t);
		return;
	}
	for (size_t i = 0; i < N_OF(kinds); i++) {
		if (kinds[i].n == UNKNOWN || kinds[i].n == 0)
			continue;
		(void)buf_addf(&line, ", %" PRId64 " %s", kinds[i].n, kinds[i].how);
		n_all += kinds[i].n;
	}
	if (run->sample_period_ns != UNKNOWN)
		(void)buf_addf(&line, ", timer every %s",
			       format_ns_short(text, (double)run->sample_period_ns));
	if (is_long)
		table_note(t, "stacks: %" PRId64 "%s%s", n_all, s->n_runs > 1 ? " in this run" : "",
			   buf_str(&line));
	else
		table_note(t, "stacks: %" PRId64 " (--view functions, stacks)", n_all);
	if (s->no_stacks != NULL)
		say_no_stacks(s, " by a timer", t);
	note_nameless(s, run, is_long ? NAMELESS : NAMELESS_MADE, !is_long, t);
}

struct table *build_functions(const struct session *s, size_t run_index)
{
	static const struct column columns[] = {
		{ .title = "function", .key = "label", .is_elastic = true },
		{ .title = "module", .key = "", .audience = FOR_PEOPLE, .is_elastic = true },
		{ .title = "self", .key = "self_ns", .align = ALIGN_RIGHT },
		{ .title = "", .key = "self_share", .audience = FOR_PROGRAMS },
		{ .title = "share (95 %)", .key = "", .audience = FOR_PEOPLE },
		{ .title = "total", .key = "total_ns", .align = ALIGN_RIGHT },
		{ .title = "", .key = "total_share", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "open_ns", .audience = FOR_PROGRAMS },
		{ .title = "n", .key = "self_samples", .align = ALIGN_RIGHT },
		{ .title = "", .key = "total_samples", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "self_low", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "self_high", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "total_low", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "total_high", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "function", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "module", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "path", .audience = FOR_PROGRAMS },
	};
	static const struct section critical = { "critical path", "critical", MAX_CRITICAL };
	static const struct section other = { "besides it", "other", MAX_OTHER };
	static const struct section all = { "all threads", "unknown", MAX_CRITICAL };
	const struct run *run = &s->runs[run_index];
	struct table *t = table_new("Functions by time on the CPU", columns, N_OF(columns));
	if (run->has_segments)
		table_fail(t, add_section(t, s, &critical, true));
	table_fail(t, add_section(t, s, run->has_segments ? &other : &all, false));
	note_places(s, t);
	if (s->n_runs > 1 && run->has_samples)
		table_note(t, "means of %zu runs", s->n_runs);
	note_stacks(s, run, true, t);
	return t;
}
