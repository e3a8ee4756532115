/* SPDX-License-Identifier: MIT */
/* All metrics of a series at a glance. */

#include <math.h>
#include <stdlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/gate/verdict.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/report/trend.h"
#include "userspace/view/report/trend_words.h"
#include "userspace/view/table/chart.h"
#include "userspace/view/table/internal.h"
#include "userspace/view/table/times.h"
#include "userspace/view/table/value.h"

#define MAX_LINE    ((size_t)16 << 10)
#define SPARK_WIDTH 16

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

int build_overview(const struct series_name *of, struct table **ret)
{
	const int r = table_new("", overview_columns, N_OF(overview_columns), ret);
	if (r == 0)
		table_lead(*ret, "'%s'", of->scenario);
	return r;
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
