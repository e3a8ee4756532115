/* SPDX-License-Identifier: MIT */
/* The last value and whether it is good news, the chart, then the changes, the drift and the runs
 * themselves. */

#include "userspace/view/report/trend.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/gate/verdict.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/chart.h"
#include "userspace/view/table/internal.h"
#include "userspace/view/table/value.h"

#define HANG	    2
#define TREND_SHORT 8 /* of an id or commit: as much of it as people need to type */
#define SPARK_WIDTH 16
#define MAX_LINE    ((size_t)16 << 10)
#define PEOPLE_ROWS 10 /* runs that are listed */

/* ---- how much and how bad ---- */

/* By the sign: that there is a change is the detector's business, not the interval's. */
static enum verdict direction(const struct change *c)
{
	const double up = isnan(c->ratio) ? c->difference : c->ratio - 1;
	if (c->metric->better == BETTER_NEITHER)
		return VERDICT_CHANGED;
	return (up > 0) == (c->metric->better == BETTER_LOWER) ? VERDICT_REGRESSED
							       : VERDICT_IMPROVED;
}

static enum tone tone_of(enum verdict verdict)
{
	return verdict == VERDICT_REGRESSED  ? TONE_BAD
	       : verdict == VERDICT_IMPROVED ? TONE_GOOD
					     : TONE_PLAIN;
}

static const char *trend_direction(const struct change *c)
{
	return verdict_name(direction(c));
}

static enum tone trend_tone(const struct history_change *c)
{
	return c->accepted != NULL ? TONE_DIM : tone_of(direction(&c->change));
}

void trend_add_size(struct buf *out, const struct change *c)
{
	char text[UNITS_BYTES];
	if (isfinite(c->ratio)) {
		(void)buf_adds(out, format_percent_signed(text, c->ratio - 1));
		return;
	}
	(void)buf_addf(out, "%s%s", c->difference > 0 ? "+" : "",
		       value_format(text, c->metric->unit, c->difference));
}

static enum tone trend_drift_tone(const struct history_drift *d)
{
	return d->reason != NULL ? TONE_PLAIN : tone_of(verdict_of(&d->change));
}

/* Two cells: the beginning of an id or commit for people, all of it for programs. */
static void trend_add_id(struct table *t, const char *text)
{
	const bool is_known = text != NULL && *text != '\0';
	if (is_known)
		table_textf(t, "%.*s", TREND_SHORT, text);
	else
		table_text(t, NULL);
	table_text(t, is_known ? text : NULL);
}

/* ---- runs ---- */

static const struct column point_columns[] = {
	{ .title = "date (UTC)", .key = "date" },
	{ .title = "", .key = "created_ns", .audience = FOR_PROGRAMS },
	{ .title = "commit", .key = "", .audience = FOR_PEOPLE },
	{ .title = "", .key = "commit", .audience = FOR_PROGRAMS },
	{ .title = "run", .key = "", .audience = FOR_PEOPLE },
	{ .title = "", .key = "id", .audience = FOR_PROGRAMS },
	{ .title = "median", .key = "median", .align = ALIGN_RIGHT },
	{ .title = "", .key = "low", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "high", .audience = FOR_PROGRAMS },
	{ .title = "95 % interval", .key = "interval", .audience = FOR_PEOPLE, .is_dim = true },
	{ .title = "n", .key = "n", .align = ALIGN_RIGHT },
	{ .title = "", .key = "mark", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "words", .audience = FOR_PEOPLE, .is_folded = true },
	{ .title = "", .key = "note", .audience = FOR_PROGRAMS },
};

/* "14.1 to 14.3 ms": the unit once where it is the same. */
static void add_interval_cell(struct table *t, enum unit unit, double low, double high)
{
	char from[UNITS_BYTES], to[UNITS_BYTES];
	if (!isfinite(low) || !isfinite(high)) {
		table_text(t, NULL);
		return;
	}
	(void)value_format(from, unit, low);
	(void)value_format(to, unit, high);
	const char *from_unit = strchr(from, ' '), *to_unit = strchr(to, ' ');
	const bool is_same =
		from_unit != NULL && to_unit != NULL && strcmp(from_unit, to_unit) == 0;
	table_textf(t, "%.*s to %s", is_same ? (int)(from_unit - from) : (int)strlen(from), from,
		    to);
}

static const struct history_change *change_at(const struct history *h, size_t i)
{
	const struct history_change *c = history_change_near(h, i);
	return c != NULL && c->at == i ? c : NULL;
}

/* "change", "accepted", "spike" for programs; for people also how much, and why. */
static void add_marks(struct table *t, const struct history *h, size_t i)
{
	_cleanup_(buf_done) struct buf words = { .limit = MAX_LINE };
	const struct history_change *c = change_at(h, i);
	const char *note = h->trend->points[i].annotation;
	const char *mark = c != NULL	    ? (c->accepted != NULL ? "accepted" : "change")
			   : h->is_spike[i] ? "spike"
					    : NULL;
	(void)buf_adds(&words, mark != NULL ? mark : "");
	if (c != NULL) {
		(void)buf_addc(&words, ' ');
		trend_add_size(&words, &c->change);
	}
	if (note != NULL && *note != '\0')
		(void)buf_addf(&words, "%s%s", words.len > 0 ? ": " : "", note);
	table_text(t, mark);
	table_text(t, buf_str(&words));
}

static void add_point(struct table *t, const struct history *h, size_t i)
{
	char date[TIMES_BYTES];
	const struct point *p = &h->trend->points[i];
	const enum cell_type cell = value_cell(h->metric.unit);
	const struct history_change *c = change_at(h, i);
	table_tone(t, c != NULL ? trend_tone(c) : h->is_spike[i] ? TONE_DIM : TONE_PLAIN);
	table_audience(t, i + PEOPLE_ROWS >= h->trend->n_points ? FOR_ALL : FOR_PROGRAMS);
	table_text(t, format_date(date, p->created_ns));
	table_count(t, p->created_ns);
	trend_add_id(t, p->commit);
	trend_add_id(t, p->id);
	table_number(t, cell, p->median);
	table_number(t, cell, p->low);
	table_number(t, cell, p->high);
	add_interval_cell(t, h->metric.unit, p->low, p->high);
	table_count(t, (int64_t)p->n);
	add_marks(t, h, i);
	table_text(t, p->annotation);
}

/* Only the rows that people get: to build all takes time where there are a hundred thousand. */
static struct table *build_last_points(const struct history *h, size_t from)
{
	const size_t n = h->trend->n_points;
	struct table *t = table_new(n > PEOPLE_ROWS ? "last runs" : "runs", point_columns,
				    N_OF(point_columns));
	for (size_t i = from; i < n; i++)
		add_point(t, h, i);
	return t;
}

/* One row per run; people get the last ones, programs all. */
static struct table *build_points(const struct history *h)
{
	return build_last_points(h, 0);
}

static struct table *build_people_points(const struct history *h)
{
	const size_t n = h->trend->n_points;
	return build_last_points(h, n > PEOPLE_ROWS ? n - PEOPLE_ROWS : 0);
}

/* ---- changes ---- */

static const struct column change_columns[] = {
	{ .title = "since", .key = "date" },
	{ .title = "", .key = "created_ns", .audience = FOR_PROGRAMS },
	{ .title = "commit", .key = "", .audience = FOR_PEOPLE },
	{ .title = "", .key = "commit", .audience = FOR_PROGRAMS },
	{ .title = "run", .key = "", .audience = FOR_PEOPLE },
	{ .title = "", .key = "id", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "before", .audience = FOR_PROGRAMS },
	{ .title = "level", .key = "after", .align = ALIGN_RIGHT },
	{ .title = "change", .key = "change", .align = ALIGN_RIGHT, .audience = FOR_PEOPLE },
	{ .title = "99 % interval", .key = "interval", .audience = FOR_PEOPLE, .is_dim = true },
	{ .title = "", .key = "ratio", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "ratio_low", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "ratio_high", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "difference", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "p", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "runs_before", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "runs_after", .audience = FOR_PROGRAMS },
	{ .title = "verdict", .key = "verdict", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "accepted", .audience = FOR_PROGRAMS },
	{ .title = "verdict", .key = "words", .audience = FOR_PEOPLE, .is_folded = true },
};

static void add_ratio_interval(struct table *t, const struct change *c)
{
	_cleanup_(buf_done) struct buf text = { .limit = MAX_LINE };
	if (c->basis == BASIS_EXACT)
		(void)buf_adds(&text, "exact");
	else
		value_add_interval(&text, c->low, c->high);
	table_text(t, text.len > 0 ? buf_str(&text) : NULL);
}

static void add_level_change(struct table *t, const struct history *h, size_t i)
{
	char date[TIMES_BYTES];
	_cleanup_(buf_done) struct buf size = { .limit = MAX_LINE };
	const struct history_change *c = &h->changes[i];
	const struct history_segment *before = &h->segments[i], *after = &h->segments[i + 1];
	const struct point *p = &h->trend->points[c->at];
	const enum cell_type cell = value_cell(h->metric.unit);
	trend_add_size(&size, &c->change);
	table_tone(t, trend_tone(c));
	table_text(t, format_day(date, p->created_ns));
	table_count(t, p->created_ns);
	trend_add_id(t, p->commit);
	trend_add_id(t, p->id);
	table_number(t, cell, before->median);
	table_number(t, cell, after->median);
	table_text(t, buf_str(&size));
	add_ratio_interval(t, &c->change);
	table_number(t, CELL_RATIO, c->change.ratio);
	table_number(t, CELL_RATIO, c->change.low);
	table_number(t, CELL_RATIO, c->change.high);
	table_number(t, cell, c->change.difference);
	table_number(t, CELL_RATIO, c->p);
	table_count(t, (int64_t)(before->to - before->from));
	table_count(t, (int64_t)(after->to - after->from));
	table_text(t, trend_direction(&c->change));
	table_text(t, c->accepted);
	if (c->accepted == NULL)
		table_text(t, trend_direction(&c->change));
	else
		table_textf(t, "accepted%s%s", *c->accepted != '\0' ? ": " : "", c->accepted);
}

/* One row per change of the level, oldest first. */
static struct table *build_level_changes(const struct history *h)
{
	struct table *t = table_new("changes", change_columns, N_OF(change_columns));
	for (size_t i = 0; i < h->n_changes; i++)
		add_level_change(t, h, i);
	return t;
}

/* ---- drift ---- */

static const struct column drift_columns[] = {
	{ .title = "anchor", .key = "anchor_date" },
	{ .title = "commit", .key = "", .audience = FOR_PEOPLE },
	{ .title = "", .key = "anchor_commit", .audience = FOR_PROGRAMS },
	{ .title = "run", .key = "", .audience = FOR_PEOPLE },
	{ .title = "", .key = "anchor_id", .audience = FOR_PROGRAMS },
	{ .title = "runs", .key = "anchor_runs", .align = ALIGN_RIGHT },
	{ .title = "today", .key = "head_runs", .align = ALIGN_RIGHT },
	{ .title = "ratio", .key = "ratio", .align = ALIGN_RIGHT },
	{ .title = "low", .key = "ratio_low", .align = ALIGN_RIGHT },
	{ .title = "high", .key = "ratio_high", .align = ALIGN_RIGHT },
	{ .title = "accepted", .key = "accepted_ratio", .align = ALIGN_RIGHT },
	{ .title = "steps", .key = "steps_ratio", .align = ALIGN_RIGHT },
	{ .title = "verdict", .key = "verdict" },
};

/* One row: today against the anchor. */
static struct table *build_drift(const struct history *h)
{
	char date[TIMES_BYTES];
	const struct history_drift *d = &h->drift;
	struct table *t = table_new("drift", drift_columns, N_OF(drift_columns));
	if (h->trend->n_points == 0)
		return t;
	const struct point *anchor = &h->trend->points[d->anchor];
	table_text(t, format_date(date, anchor->created_ns));
	trend_add_id(t, anchor->commit);
	trend_add_id(t, anchor->id);
	table_count(t, (int64_t)(d->anchor_end - d->anchor));
	table_count(t, (int64_t)(h->trend->n_points - d->head));
	table_number(t, CELL_RATIO, d->reason == NULL ? d->change.ratio : (double)NAN);
	table_number(t, CELL_RATIO, d->reason == NULL ? d->change.low : (double)NAN);
	table_number(t, CELL_RATIO, d->reason == NULL ? d->change.high : (double)NAN);
	table_number(t, CELL_RATIO, d->accepted);
	table_number(t, CELL_RATIO, d->steps);
	table_text(t, d->reason != NULL ? NULL : verdict_name(verdict_of(&d->change)));
	if (d->reason != NULL)
		table_note(t, "no verdict: %s", d->reason);
	return t;
}

/* What no single step explains. */
static void add_creep(struct buf *out, const struct history_drift *d)
{
	char text[UNITS_BYTES];
	const double creep = d->change.ratio / d->steps;
	if (d->accepted < 1 || d->accepted > 1)
		(void)buf_addf(out, "; accepted changes (%s) do not count",
			       format_percent_signed(text, d->accepted - 1));
	if (!(d->steps < 1 || d->steps > 1))
		return;
	(void)buf_addf(out, "; steps make up %s", format_percent_signed(text, d->steps - 1));
	(void)buf_addf(out, ", creep the rest, %s", format_percent_signed(text, creep - 1));
}

static void add_drift(struct buf *out, const struct history *h)
{
	char date[TIMES_BYTES];
	const struct history_drift *d = &h->drift;
	const struct point *anchor = &h->trend->points[d->anchor];
	(void)buf_addf(out, "Drift since %s", format_day(date, anchor->created_ns));
	if (anchor->commit != NULL && *anchor->commit != '\0')
		(void)buf_addf(out, " (%.*s)", TREND_SHORT, anchor->commit);
	if (d->reason != NULL) {
		(void)buf_addf(out, ": %s", d->reason);
		return;
	}
	(void)buf_adds(out, ": ");
	trend_add_size(out, &d->change);
	if (d->change.basis == BASIS_SHIFT) {
		(void)buf_adds(out, " (99 % interval ");
		value_add_interval(out, d->change.low, d->change.high);
		(void)buf_adds(out, ")");
	}
	(void)buf_addf(out, ", %s", verdict_name(verdict_of(&d->change)));
	add_creep(out, d);
}

/* ---- the whole ---- */

static const struct column series_columns[] = {
	{ .title = "metric", .key = "metric" },	     { .title = "unit", .key = "unit" },
	{ .title = "better", .key = "better" },	     { .title = "scenario", .key = "scenario" },
	{ .title = "machine", .key = "host_class" }, { .title = "runs", .key = "runs" },
};

static struct table *build_series(const struct history *h, const struct series_name *of)
{
	struct table *t = table_new("series", series_columns, N_OF(series_columns));
	table_text(t, h->metric.id);
	table_text(t, unit_name(h->metric.unit));
	table_text(t, better_name(h->metric.better));
	table_text(t, of->scenario);
	table_text(t, of->host_class);
	table_count(t, (int64_t)h->trend->n_points);
	return t;
}

/* "startup.ready of 'memory mode': 412 ms, 1203 runs since 2026-01-02". */
static void add_headline(struct buf *out, const struct history *h, const struct series_name *of)
{
	char value[UNITS_BYTES], date[TIMES_BYTES];
	const struct trend *t = h->trend;
	(void)buf_addf(out, "%s of '%s': %s, %zu run%s since %s", h->metric.id, of->scenario,
		       value_format(value, h->metric.unit, h->segments[h->n_segments - 1].median),
		       t->n_points, t->n_points == 1 ? "" : "s",
		       format_day(date, t->points[0].created_ns));
}

static int show(const struct history *h, struct page *page,
		struct table *(*build)(const struct history *))
{
	if (page->format == TABLE_TEXT)
		(void)fputc('\n', page->f);
	return table_show(build(h), page);
}

static void draw(const struct history *h, struct page *page)
{
	char first[TIMES_BYTES], last[TIMES_BYTES];
	const struct trend *t = h->trend;
	_cleanup_free_ struct chart_point *points = calloc(t->n_points + 1, sizeof(*points));
	if (points == NULL) {
		page->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < h->n_segments; i++) {
		for (size_t j = h->segments[i].from; j < h->segments[i].to; j++)
			points[j] = (struct chart_point){ .value = t->points[j].median,
							  .level = h->segments[i].median,
							  .is_spike = h->is_spike[j] };
	}
	for (size_t i = 0; i < h->n_changes; i++)
		points[h->changes[i].at].mark =
			h->changes[i].accepted != NULL ? MARK_ACCEPTED : MARK_CHANGE;
	const struct chart chart = {
		.points = points,
		.n = t->n_points,
		.unit = h->metric.unit,
		.first = format_day(first, t->points[0].created_ns),
		.last = format_day(last, t->points[t->n_points - 1].created_ns),
	};
	const bool is_markdown = page->format == TABLE_MARKDOWN;
	(void)fputs(is_markdown ? "\n```\n" : "\n", page->f);
	(void)chart_print(&chart, page);
	(void)fputs(is_markdown ? "```\n\n" : "", page->f);
}

static int print_document(const struct history *h, const struct series_name *of, struct page *page)
{
	(void)fputs("{ \"schema\": \"startline.history/1\",\n\"series\": ", page->f);
	(void)table_show(build_series(h, of), page);
	(void)fputs(", \"points\": ", page->f);
	(void)show(h, page, build_points);
	(void)fputs(", \"changes\": ", page->f);
	(void)show(h, page, build_level_changes);
	(void)fputs(", \"drift\": ", page->f);
	(void)show(h, page, build_drift);
	(void)fputs("}\n", page->f);
	return page_flush(page);
}

int report_trend(const struct history *h, const struct series_name *of, struct page *page)
{
	_cleanup_(buf_done) struct buf text = { .limit = MAX_LINE };
	if (page->format == TABLE_JSON)
		return print_document(h, of, page);
	if (page->format == TABLE_CSV || h->trend->n_points == 0)
		return show(h, page, build_points);
	add_headline(&text, h, of);
	page_say(page, TONE_STRONG, HANG, buf_str(&text));
	draw(h, page);
	(void)show(h, page, build_level_changes);
	buf_clear(&text);
	add_drift(&text, h);
	(void)fputc('\n', page->f);
	page_say(page, trend_drift_tone(&h->drift), HANG, buf_str(&text));
	if (page->format == TABLE_MARKDOWN)
		(void)fputc('\n', page->f);
	return show(h, page, build_people_points);
}

/* ---- all metrics of a series ---- */

static const struct column overview_columns[] = {
	{ .title = "metric", .key = "metric", .is_elastic = true },
	{ .title = "", .key = "unit", .audience = FOR_PROGRAMS },
	{ .title = "last", .key = "last", .align = ALIGN_RIGHT },
	{ .title = "change", .key = "change", .align = ALIGN_RIGHT, .audience = FOR_PEOPLE },
	{ .title = "", .key = "ratio", .audience = FOR_PROGRAMS },
	{ .title = "trend", .key = "trend", .audience = FOR_PEOPLE },
	{ .title = "runs", .key = "runs", .align = ALIGN_RIGHT },
	{ .title = "", .key = "changes", .audience = FOR_PROGRAMS },
	{ .title = "last step", .key = "last_change", .audience = FOR_PEOPLE },
	{ .title = "", .key = "last_change_date", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "last_change_commit", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "last_change_ratio", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "drift", .audience = FOR_PROGRAMS },
};

struct table *build_overview(const struct series_name *of)
{
	struct table *t = table_new("", overview_columns, N_OF(overview_columns));
	table_lead(t, "'%s'", of->scenario);
	return t;
}

static void add_sparkline(struct table *t, const struct history *h, bool is_utf8)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	const size_t n = h->trend->n_points;
	_cleanup_free_ double *values = malloc((n + 1) * sizeof(*values));
	for (size_t i = 0; values != NULL && i < n; i++)
		values[i] = h->trend->points[i].median;
	if (values != NULL)
		sparkline_add(&line, values, n, SPARK_WIDTH, is_utf8);
	table_text(t, buf_str(&line));
}

static void add_last_step(struct table *t, const struct history_change *c, const struct point *p)
{
	char date[TIMES_BYTES];
	_cleanup_(buf_done) struct buf size = { .limit = MAX_LINE };
	if (c == NULL || p == NULL) {
		for (int i = 0; i < 4; i++)
			table_text(t, NULL);
		return;
	}
	trend_add_size(&size, &c->change);
	const char *day = format_day(date, p->created_ns);
	table_textf(t, "%s %s", day, buf_str(&size));
	table_text(t, day);
	table_text(t, p->commit);
	table_number(t, CELL_RATIO, c->change.ratio);
}

/* The same in all runs: nothing to see. */
static bool is_constant(const struct history *h)
{
	const struct point *points = h->trend->points;
	bool is_same = h->n_changes == 0;
	for (size_t i = 1; is_same && i < h->trend->n_points; i++)
		is_same = !(points[i].median < points[0].median ||
			    points[i].median > points[0].median);
	return is_same && h->trend->n_points > 1;
}

void add_overview_row(struct table *t, const struct history *h, bool is_utf8)
{
	char text[UNITS_BYTES];
	const struct history_segment *first = &h->segments[0],
				     *last = &h->segments[h->n_segments - 1];
	const struct history_change *c = h->n_changes > 0 ? &h->changes[h->n_changes - 1] : NULL;
	const double ratio = h->drift.reason == NULL ? h->drift.change.ratio * h->drift.accepted
			     : first->median > 0     ? last->median / first->median
						     : (double)NAN;
	table_tone(t, c != NULL ? trend_tone(c) : trend_drift_tone(&h->drift));
	table_audience(t, is_constant(h) ? FOR_PROGRAMS : FOR_ALL);
	table_text(t, h->metric.id);
	table_text(t, unit_name(h->metric.unit));
	table_number(t, value_cell(h->metric.unit), last->median);
	table_text(t, isfinite(ratio) ? format_percent_signed(text, ratio - 1) : NULL);
	table_number(t, CELL_RATIO, ratio);
	add_sparkline(t, h, is_utf8);
	table_count(t, (int64_t)h->trend->n_points);
	table_count(t, (int64_t)h->n_changes);
	add_last_step(t, c, c != NULL ? &h->trend->points[c->at] : NULL);
	table_text(t, h->drift.reason != NULL ? NULL : verdict_name(verdict_of(&h->drift.change)));
}
