/* SPDX-License-Identifier: MIT */
/* Values over time as text: a chart of some lines, and a sparkline that fits into a cell. Both in
 * block characters, or in ASCII where the style says so. */
#ifndef USERSPACE_VIEW_TABLE_CHART_H
#define USERSPACE_VIEW_TABLE_CHART_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/base/buf.h"
#include "userspace/model/metrics.h"
#include "userspace/view/table/table.h"

enum chart_mark { MARK_NONE, MARK_CHANGE, MARK_ACCEPTED };

struct chart_point {
	double value;  /* NAN: none */
	double level;  /* a line behind the values; NAN: none */
	bool is_spike; /* does not widen the scale: is shown at its edge */
	enum chart_mark mark;
};

struct chart {
	const struct chart_point *points; /* evenly spaced */
	size_t n;
	enum unit unit;
	const char *first, *last; /* below the ends of the axis */
	bool is_from_zero;	  /* the scale begins there */
};

/* Where many points share a column it shows the middle half of them. Nothing when no point
 * has a value. Returns the page's error. */
int chart_print(const struct chart *c, struct page *page);

/* Appends at most @width characters for v[0..n), NAN: a gap. More values than characters: the median
 * of each share. */
void sparkline_add(struct buf *out, const double *v, size_t n, size_t width, bool is_utf8);

#endif
