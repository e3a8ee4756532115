/* SPDX-License-Identifier: MIT */
/* A metric over time: chart, changes, drift, runs; and all metrics of a series in one table. */
#ifndef USERSPACE_VIEW_REPORT_TREND_H
#define USERSPACE_VIEW_REPORT_TREND_H

#include "userspace/base/buf.h"
#include "userspace/model/history/history.h"
#include "userspace/view/table/table.h"

struct series_name { /* which runs these are */
	const char *scenario, *host_class;
};

/* Text and Markdown: all of it. JSON: one object with the tables "series", "points", "changes" and
 * "drift". CSV: the points. Returns the page's error. */
int report_trend(const struct history *h, const struct series_name *of, struct page *page);

/* Appends "+9.8 %", or the difference where there is no ratio. */
void trend_add_size(struct buf *out, const struct change *c);

/* One row per metric; people get those that were not the same in all runs. @is_utf8: of the
 * sparklines. */
struct table *build_overview(const struct series_name *of);
void add_overview_row(struct table *t, const struct history *h, bool is_utf8);

#endif
