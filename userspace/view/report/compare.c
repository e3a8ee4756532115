/* SPDX-License-Identifier: MIT */
/* First whether it changed, then what, then where the difference comes from. */

#include "userspace/view/report/compare.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/gate/cause.h"
#include "userspace/gate/exact_changes.h"
#include "userspace/gate/family.h"
#include "userspace/gate/proven.h"
#include "userspace/gate/verdict.h"
#include "userspace/view/report/label.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/internal.h"
#include "userspace/view/table/value.h"

#define MAX_LINE      ((size_t)16 << 10)
#define HANG	      2
#define PEOPLE_ROWS   12	  /* contributions, or metrics, that are listed one by one */
#define DETAIL_ROWS   6		  /* of metrics that come in great number */
#define METRICS_NAMED ((size_t)3) /* of a side that has none in common with the other */
#define SMALL_SHARE   0.01	  /* of the larger total: not worth a line */

const struct change *main_change(const struct comparison *c)
{
	const struct change *total = comparison_total(c);
	if (total != NULL)
		return total;
	/* Of another tool's benchmarks a time, if there is one. */
	const struct change *first = NULL;
	for (size_t i = 0; i < c->n_changes; i++) {
		const struct change *change = &c->changes[i];
		if (change->basis != BASIS_NONE && change->metric->class == CLASS_TIME)
			return change;
		if (change->basis != BASIS_NONE && first == NULL)
			first = change;
	}
	return first;
}

/* --- changes -------------------------------------------------------------------------------- */

enum tone verdict_tone(enum verdict verdict, enum tone unchanged)
{
	static const enum tone tones[VERDICT_COUNT] = {
		[VERDICT_REGRESSED] = TONE_BAD,
		[VERDICT_IMPROVED] = TONE_GOOD,
		[VERDICT_INCONCLUSIVE] = TONE_WARN,
		[VERDICT_INCOMPARABLE] = TONE_WARN,
	};
	return tones[verdict] != TONE_PLAIN ? tones[verdict] : unchanged;
}

enum tone severity_tone(enum severity severity)
{
	static const enum tone tones[] = {
		[ALARM_NONE] = TONE_PLAIN,
		[ALARM_NOTICE] = TONE_PLAIN,
		[ALARM_WARNING] = TONE_WARN,
		[ALARM_ERROR] = TONE_BAD,
	};
	return tones[severities[severity].alarm];
}

/* "+68.0 to +77.1 %"; "" where there is no interval. */
static void add_interval(struct buf *out, const struct change *c)
{
	if (c->basis == BASIS_EXACT)
		(void)buf_adds(out, "exact");
	else
		value_add_interval(out, c->low, c->high);
}

static void add_change_row(struct table *t, const struct change *c, enum verdict verdict,
			   bool is_for_people)
{
	_cleanup_(buf_done) struct buf interval = { .limit = MAX_LINE };
	char text[UNITS_BYTES];
	const enum cell_type cell = value_cell(c->metric->unit);
	add_interval(&interval, c);
	table_tone(t, verdict_tone(verdict, TONE_PLAIN));
	table_audience(t, is_for_people ? FOR_ALL : FOR_PROGRAMS);
	table_text(t, c->id);
	table_text(t, unit_name(c->metric->unit));
	table_number(t, cell, c->base_estimate);
	table_number(t, cell, c->head_estimate);
	table_text(t, isfinite(c->ratio) ? format_percent_signed(text, c->ratio - 1) : NULL);
	table_text(t, interval.len > 0 ? buf_str(&interval) : NULL);
	table_number(t, CELL_RATIO, c->ratio);
	table_number(t, CELL_RATIO, c->low);
	table_number(t, CELL_RATIO, c->high);
	table_number(t, cell, c->difference);
	table_number(t, CELL_RATIO, c->p);
	table_count(t, c->base != NULL ? (int64_t)c->base->summary.n : UNKNOWN);
	table_count(t, c->head != NULL ? (int64_t)c->head->summary.n : UNKNOWN);
	table_text(t, c->basis == BASIS_NONE && !c->is_of_other_tier ? c->reason
		      : verdict_is_of_one_run_each(c) && verdict == VERDICT_INCONCLUSIVE
			      ? "one run each"
			      : verdict_name(verdict));
}

static const struct column change_columns[] = {
	{ .title = "metric", .key = "id", .is_folded = true },
	{ .title = "", .key = "unit", .audience = FOR_PROGRAMS },
	{ .title = "base", .key = "base", .align = ALIGN_RIGHT },
	{ .title = "head", .key = "head", .align = ALIGN_RIGHT },
	{ .title = "change", .key = "change", .align = ALIGN_RIGHT, .audience = FOR_PEOPLE },
	{ .title = "interval", .key = "interval", .audience = FOR_PEOPLE, .is_dim = true },
	{ .title = "", .key = "ratio", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "ratio_low", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "ratio_high", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "difference", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "p", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "base_n", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "head_n", .audience = FOR_PROGRAMS },
	{ .title = "verdict", .key = "verdict" },
};

static bool is_changed_detail(const struct change *change)
{
	return metric_is(change->id, METRIC_DETAIL) && change->basis != BASIS_NONE &&
	       verdict_is_change(verdict_of(change));
}

/* Among those of its family that changed, is it one that changed most? */
static bool is_main_detail(const struct comparison *c, const struct change *change)
{
	size_t n_larger = 0;
	for (size_t i = 0; i < c->n_changes; i++)
		n_larger += metrics_row(c->changes[i].id) == metrics_row(change->id) &&
			    is_changed_detail(&c->changes[i]) &&
			    fabs(c->changes[i].difference) > fabs(change->difference);
	return is_changed_detail(change) && n_larger < DETAIL_ROWS;
}

/* What people want to see of a metric that did not change: that it was looked at. */
static bool is_of_interest(const struct comparison *c, const struct change *main,
			   const struct change *change)
{
	if (change->basis == BASIS_NONE)
		return change->is_of_other_tier &&
		       (metric_is(change->id, METRIC_GATED) || metric_is(change->id, METRIC_TOTAL));
	/* Of few there is no need to choose. */
	if (c->n_compared <= PEOPLE_ROWS)
		return true;
	if (metric_is(change->id, METRIC_DETAIL))
		return is_main_detail(c, change);
	return change == main || metric_is(change->id, METRIC_GATED) ||
	       verdict_is_change(verdict_of(change));
}

/* How early it is listed: what got worse first, the most of it first. */
static double badness_of(const struct comparison *c, const struct change *change)
{
	static const double order[VERDICT_COUNT] = {
		[VERDICT_REGRESSED] = 3,
		[VERDICT_CHANGED] = 2,
		[VERDICT_IMPROVED] = 1,
	};
	const double rank = order[verdict_in(c, change)];
	const double size = fabs(log(ratios_of(change).value));
	/* A share of 1, whatever the size. */
	return rank > 0 ? rank + (isfinite(size) ? size / (1 + size) : 1) : 0;
}

struct listed {
	const struct change *change;
	double badness;
	size_t place;
};

static int worse_first(const void *left, const void *right)
{
	const struct listed *a = left, *b = right;
	if (a->badness != b->badness)
		return a->badness > b->badness ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

static struct listed *list_changes(const struct comparison *c)
{
	struct listed *list = calloc(c->n_changes + 1, sizeof(*list));
	for (size_t i = 0; list != NULL && i < c->n_changes; i++)
		list[i] = (struct listed){ &c->changes[i], badness_of(c, &c->changes[i]), i };
	if (list != NULL)
		qsort(list, c->n_changes, sizeof(*list), worse_first);
	return list;
}

/* One row per metric, the worst first. People get what changed and what mattered, programs get all. */
static struct table *build_changes(const struct comparison *c)
{
	size_t n_unchanged = 0, n_open = 0;
	const struct change *main = main_change(c);
	_cleanup_free_ struct listed *list = list_changes(c);
	struct table *t =
		list != NULL ? table_new("changes", change_columns, N_OF(change_columns)) : NULL;
	for (size_t i = 0; list != NULL && i < c->n_changes; i++) {
		const struct change *change = list[i].change;
		const bool is_listed = is_of_interest(c, main, change);
		add_change_row(t, change, verdict_in(c, change), is_listed);
		if (change->is_demoted && change->basis != BASIS_NONE)
			table_note(t,
				   "%s: compared by statistics, since the runs of one side differ",
				   change->id);
		if (is_listed || change->basis == BASIS_NONE)
			continue;
		if (verdict_of(change) == VERDICT_UNCHANGED)
			n_unchanged++;
		else
			n_open++;
	}
	if (family_size(c) > FAMILY_HOLDS_TO)
		table_note(
			t,
			"%zu benchmarks: at most 0.5 %% of those called regressed are expected to be "
			"so by chance (false discovery rate)",
			family_size(c));
	if (n_unchanged + n_open > 0)
		table_note(t, "not listed: %zu unchanged, %zu inconclusive (--format csv has all)",
			   n_unchanged, n_open);
	return t;
}

/* "startup.ready 812 ms -> 1.40 s, +72.4 % (98.4 % interval +68.0 to +77.1 %): regressed". */
static int print_change(const struct change *c, double level, enum verdict verdict, char *line,
			size_t size)
{
	char base[UNITS_BYTES], head[UNITS_BYTES], change[UNITS_BYTES];
	_cleanup_(buf_done) struct buf interval = { .limit = MAX_LINE };
	add_interval(&interval, c);
	(void)value_format(base, c->metric->unit, c->base_estimate);
	(void)value_format(head, c->metric->unit, c->head_estimate);
	(void)format_percent_signed(change, c->ratio - 1);
	if (c->basis == BASIS_SHIFT && interval.len > 0)
		return snprintf(line, size, "%s %s -> %s, %s (%.3g %% interval %s): %s", c->id,
				base, head, change, (c->level > 0 ? c->level : level) * 100,
				buf_str(&interval), verdict_name(verdict));
	return snprintf(line, size, "%s %s -> %s, %s: %s", c->id, base, head, change,
			verdict_name(verdict));
}

/* --- contributions -------------------------------------------------------------------------- */

/* The first one only of pipelines. */
static const struct column contribution_columns[] = {
	{ .title = "step", .key = "", .audience = FOR_PEOPLE, .is_folded = true },
	{ .title = "delta", .key = "delta_ns", .align = ALIGN_RIGHT },
	{ .title = "interval", .key = "interval", .audience = FOR_PEOPLE, .is_dim = true },
	{ .title = "", .key = "delta_low_ns", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "delta_high_ns", .audience = FOR_PROGRAMS },
	{ .title = "base", .key = "base_ns", .align = ALIGN_RIGHT },
	{ .title = "", .key = "head_ns", .audience = FOR_PROGRAMS },
	{ .title = "phase", .key = "phase" },
	{ .title = "cause", .key = "cause" },
	{ .title = "what", .key = "", .audience = FOR_PEOPLE, .is_folded = true },
	{ .title = "", .key = "detail", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "process", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "function", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "module", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "import", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "step", .audience = FOR_PROGRAMS },
};

static void add_signed(struct buf *out, double ns)
{
	char text[UNITS_BYTES];
	(void)buf_addf(out, "%s%s", ns > 0 ? "+" : "", format_ns(text, ns));
}

/* "+14.4 to +15.1 ms"; "-904 us to +2.22 ms". */
static void add_span(struct buf *out, double low_ns, double high_ns)
{
	char low[UNITS_BYTES], high[UNITS_BYTES];
	(void)format_ns(low, low_ns);
	(void)format_ns(high, high_ns);
	char *low_unit = strchr(low, ' ');
	const char *high_unit = strchr(high, ' ');
	if (low_unit != NULL && high_unit != NULL && strcmp(low_unit, high_unit) == 0)
		*low_unit = '\0';
	(void)buf_addf(out, "%s%s to %s%s", low_ns > 0 ? "+" : "", low, high_ns > 0 ? "+" : "",
		       high);
}

static void add_contribution(struct table *t, const struct contribution *c, bool is_for_people)
{
	_cleanup_(buf_done) struct buf interval = { .limit = MAX_LINE };
	_cleanup_(buf_done) struct buf what = { .limit = MAX_LINE };
	if (!isnan(c->low_ns))
		add_span(&interval, c->low_ns, c->high_ns);
	contribution_what(c, &what);
	const bool is_proven = contribution_is_proven(c);
	table_tone(t, !is_proven ? TONE_PLAIN : c->delta_ns > 0 ? TONE_BAD : TONE_GOOD);
	table_audience(t, is_for_people ? FOR_ALL : FOR_PROGRAMS);
	if (c->step != NULL)
		table_text(t, c->step->name);
	table_ns(t, c->delta_ns);
	table_text(t, interval.len > 0 ? buf_str(&interval) : NULL);
	table_number(t, CELL_NS, c->low_ns);
	table_number(t, CELL_NS, c->high_ns);
	table_ns(t, c->base_ns);
	table_ns(t, c->head_ns);
	table_text(t, contribution_phase(c));
	table_text(t, contribution_cause(c));
	table_text(t, buf_str(&what));
	table_text(t, c->detail[0] != '\0' ? c->detail : c->process);
	table_text(t, c->process);
	table_text(t, c->function);
	table_text(t, c->module);
	table_text(t, c->import);
	table_text(t, c->step != NULL ? c->step->name : NULL);
}

/* What is not listed one by one. */
struct rest {
	int64_t delta_ns, base_ns;
	size_t n;
};

static void add_to_rest(struct rest *rest, const struct contribution *c)
{
	rest->n++;
	rest->delta_ns += c->delta_ns;
	rest->base_ns += c->base_ns;
}

static void add_rest(struct table *t, const struct rest *rest, const char *cause, bool has_steps)
{
	if (rest->n == 0)
		return;
	table_tone(t, TONE_DIM);
	table_audience(t, FOR_PEOPLE);
	if (has_steps)
		table_text(t, "");
	table_ns(t, rest->delta_ns);
	table_text(t, "");
	table_ns(t, UNKNOWN);
	table_ns(t, UNKNOWN);
	table_ns(t, rest->base_ns);
	table_ns(t, UNKNOWN);
	table_text(t, "");
	table_text(t, cause);
	table_textf(t, "%zu more", rest->n);
	for (int i = 0; i < 6; i++)
		table_text(t, "");
}

/* The larger of both sides' totals but for the waits for CPUs, which others make as long as they like. */
static double total_but_waits(const struct comparison *c)
{
	double base_ns = 0, head_ns = 0;
	for (size_t i = 0; i < c->n_contributions; i++) {
		const struct contribution *row = &c->contributions[i];
		base_ns += cause_is_cpu_wait(row->cause) ? 0 : (double)row->base_ns;
		head_ns += cause_is_cpu_wait(row->cause) ? 0 : (double)row->head_ns;
	}
	return fmax(base_ns, head_ns);
}

/* Who has to wait for a CPU, and when, is chance: such rows are worth a line only when they are proven. */
static bool is_worth_a_line(const struct contribution *row, double total_ns)
{
	const bool is_proven = contribution_is_proven(row);
	return fabs((double)row->delta_ns) >= SMALL_SHARE * total_ns &&
	       (is_proven || isnan(row->low_ns) || !cause_is_cpu_wait(row->cause));
}

struct table *build_contributions(const struct comparison *c)
{
	const bool has_steps = c->n_steps > 0;
	struct table *t = table_new("where it comes from", contribution_columns + !has_steps,
				    N_OF(contribution_columns) - !has_steps);
	if (!c->has_contributions) {
		table_note(t, "no breakdown: %s", c->no_contributions);
		return t;
	}
	struct rest rest = { 0 }, waits = { 0 };
	size_t n_listed = 0;
	const double total_ns = total_but_waits(c);
	for (size_t i = 0; i < c->n_contributions; i++) {
		const struct contribution *row = &c->contributions[i];
		const bool is_listed = n_listed < PEOPLE_ROWS && is_worth_a_line(row, total_ns);
		n_listed += is_listed;
		add_contribution(t, row, is_listed);
		if (!is_listed)
			add_to_rest(row->cause == CAUSE_RUNQUEUE ? &waits : &rest, row);
	}
	add_rest(t, &waits, cause_name(CAUSE_RUNQUEUE), has_steps);
	add_rest(t, &rest, "", has_steps);
	_cleanup_(buf_done) struct buf sum = { .limit = MAX_LINE };
	char text[UNITS_BYTES];
	add_signed(&sum, (double)(c->head_total_ns - c->base_total_ns));
	table_note(t, "together %s of %s: %s", buf_str(&sum),
		   format_ns(text, (double)c->base_total_ns), c->what_rows_are);
	return t;
}

/* --- the whole ------------------------------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static void sayf(struct page *page, enum tone tone,
						       const char *format, ...)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	va_list args;
	va_start(args, format);
	(void)buf_addv(&line, format, args);
	va_end(args);
	page_say(page, tone, HANG, buf_str(&line));
}

/* The first metrics of a side. */
static void name_metrics(struct buf *line, const char *side, const struct session *s)
{
	(void)buf_addf(line, " %s has", side);
	for (size_t i = 0; i < s->n_series && i < METRICS_NAMED; i++)
		(void)buf_addf(line, "%s %s", i > 0 ? "," : "", s->series[i].id);
	(void)buf_addf(line, "%s.",
		       s->n_series == 0		     ? " none"
		       : s->n_series > METRICS_NAMED ? " …"
						     : "");
}

static void say_nothing_in_common(const struct comparison *c, struct page *page)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	(void)buf_adds(&line, "The two have no metric in common.");
	name_metrics(&line, "Base", c->base);
	name_metrics(&line, "Head", c->head);
	page_say(page, TONE_BAD, HANG, buf_str(&line));
}

static void tell_moved(struct buf *line, const struct comparison *c)
{
	const struct contribution *to = comparison_moved(c);
	char delta[UNITS_BYTES];
	if (to == NULL || !is_worth_a_line(to, total_but_waits(c)))
		return;
	(void)buf_addf(line, "moved: %s %s in %s: ", format_ns(delta, (double)to->delta_ns),
		       contribution_cause(to), contribution_phase(to));
	contribution_what(to->counterpart, line);
	(void)buf_adds(line, " -> ");
	contribution_what(to, line);
}

void tell_cause(const struct comparison *c, enum verdict verdict, struct buf *ret_cause,
		struct buf *ret_moved)
{
	const struct contribution *most = comparison_cause(c);
	if (most == NULL)
		return;
	/* Of code, or of much, a change may be proven where the noise of waits leaves the whole open. */
	const bool is_named = most->module != NULL || most->import != NULL;
	if (verdict_is_change(verdict)) {
		_cleanup_(buf_done) struct buf cause = { .limit = MAX_LINE };
		cause_of_change(c, main_change(c)->id, verdict, &cause);
		if (cause.len > 0)
			(void)buf_addf(ret_cause, "cause: %s", buf_str(&cause));
	} else if (verdict == VERDICT_INCONCLUSIVE && (is_named || proven_row(c, most)) &&
		   contribution_is_proven(most) && most->counterpart == NULL &&
		   is_worth_a_line(most, total_but_waits(c))) {
		(void)buf_adds(ret_cause, "proven part: ");
		cause_of_row(most, ret_cause);
	}
	tell_moved(ret_moved, c);
}

void say_cause(const struct comparison *c, enum verdict verdict, struct page *page)
{
	_cleanup_(buf_done) struct buf cause = { .limit = MAX_LINE }, moved = { .limit = MAX_LINE };
	tell_cause(c, verdict, &cause, &moved);
	if (cause.len > 0)
		page_say(page, TONE_PLAIN, HANG, buf_str(&cause));
	if (moved.len > 0)
		page_say(page, TONE_PLAIN, HANG, buf_str(&moved));
}

/* Of benchmarks by another tool: how few processes it rests on. False: it is none. */
static bool say_processes(const struct change *c, enum verdict verdict, struct page *page)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	if (c->processes.n_base == 0 || arena == NULL)
		return false;
	const char *words = verdict == VERDICT_INCONCLUSIVE ? family_more_words(arena, c)
			    : verdict_is_change(verdict)    ? family_certain_words(arena, c)
							    : "";
	sayf(page, TONE_PLAIN, "compared by processes, %zu and %zu of them%s", c->processes.n_base,
	     c->processes.n_head, words);
	return true;
}

static void say_headline(const struct comparison *c, struct page *page)
{
	char line[512], witness[128];
	const struct change *change = main_change(c);
	if (change == NULL) {
		say_nothing_in_common(c, page);
		return;
	}
	const enum verdict verdict = verdict_in(c, change);
	(void)print_change(change, c->level, verdict, line, sizeof(line));
	page_say(page, TONE_STRONG, HANG, line);
	if (c->has_contributions)
		say_cause(c, verdict, page);
	if (say_processes(change, verdict, page) || verdict != VERDICT_INCONCLUSIVE)
		return;
	/* Noise leaves it open: perhaps what does not vary can tell. */
	if (exact_changes_text(c, witness, sizeof(witness))[0] != '\0')
		sayf(page, TONE_WARN, "time inconclusive, %s", witness);
	const size_t more = verdict_more_runs(change);
	if (more > 0)
		sayf(page, TONE_PLAIN, "about %zu more runs of each would decide it", more);
	else if (change->basis == BASIS_SHIFT && !isfinite(change->high))
		sayf(page, TONE_PLAIN, "%zu and %zu %s", change->base->summary.n,
		     change->head->summary.n,
		     c->base->n_runs > 0 && c->head->n_runs > 0
			     ? "runs prove nothing about time: use run -n 10 for both"
			     : "values prove nothing about time: it takes more of them, "
			       "or a range (baseline save --value)");
	else if (change->basis == BASIS_SUMMARY && isnan(change->high))
		sayf(page, TONE_PLAIN,
		     "statistics without an interval prove nothing: let the tool keep its "
		     "samples");
}

/* … and what a reader of another tool's results had to say. */
static void say_machines(const struct comparison *c, struct page *page)
{
	const struct session *const sides[] = { c->base, c->head };
	if (c->incomparable != NULL)
		sayf(page, TONE_BAD, "incomparable machines: %s", c->incomparable);
	for (size_t i = 0; i < c->n_host_notes; i++)
		page_say(page, TONE_PLAIN, HANG, c->host_notes[i]);
	for (size_t side = 0; side < N_OF(sides); side++)
		for (size_t i = 0; i < sides[side]->n_notes; i++)
			sayf(page, TONE_PLAIN, "%s: %s", side == 0 ? "base" : "head",
			     sides[side]->notes[i]);
}

static int show(const struct comparison *c, struct page *page,
		struct table *(*build)(const struct comparison *))
{
	if (page->format == TABLE_TEXT)
		(void)fputc('\n', page->f);
	return table_show(build(c), page);
}

static int print_document(const struct comparison *c, struct page *page)
{
	static const struct {
		const char *before;
		struct table *(*build)(const struct comparison *);
	} parts[] = {
		{ "{ \"schema\": \"startline.comparison/1\",\n\"changes\": ", build_changes },
		{ ", \"contributions\": ", build_contributions },
		{ ", \"memory\": ", build_memory_changes },
		{ ", \"sites\": ", build_site_changes },
		{ ", \"files\": ", build_file_changes },
		{ ", \"objects\": ", build_object_changes },
		{ ", \"machines\": ", build_machines },
	};
	for (size_t i = 0; i < N_OF(parts); i++) {
		(void)fputs(parts[i].before, page->f);
		(void)show(c, page, parts[i].build);
	}
	(void)fputs("}\n", page->f);
	return page_flush(page);
}

int print_changes(const struct comparison *c, struct page *page)
{
	(void)show(c, page, build_changes);
	(void)show(c, page, build_contributions);
	if (memory_has_changed(c))
		(void)show(c, page, build_memory_changes);
	if (sites_have_changed(c))
		(void)show(c, page, build_site_changes);
	if (objects_have_changed(c, true))
		(void)show(c, page, build_file_changes);
	if (objects_have_changed(c, false))
		(void)show(c, page, build_object_changes);
	return page->error;
}

int report_compare(const struct comparison *c, struct page *page)
{
	if (page->format == TABLE_JSON)
		return print_document(c, page);
	if (page->format == TABLE_CSV)
		return show(c, page, build_changes);
	say_headline(c, page);
	say_machines(c, page);
	return print_changes(c, page);
}
