/* SPDX-License-Identifier: MIT */
/* Values of metrics, as text and as cells: a metric's unit decides; and points in time, for people. */
#ifndef USERSPACE_VIEW_TABLE_VALUE_H
#define USERSPACE_VIEW_TABLE_VALUE_H

#include "userspace/base/buf.h"
#include "userspace/base/units.h"
#include "userspace/model/metrics.h"
#include "userspace/view/table/table.h"

enum cell_type value_cell(enum unit unit);
/* Appends "+68.0 to +77.1 %", of the ratios 1.68 and 1.771; nothing when one is not finite. */
void value_add_interval(struct buf *out, double low, double high);
/* A cell: target by actual, "1.28 x"; none for NAN. */
void value_headroom(struct table *t, double headroom);

#define TIMES_BYTES 24

/* "2026-11-21 14:22", UTC; "-" when it is out of range. Returns @text. */
char *format_date(char text[static TIMES_BYTES], int64_t realtime_ns);
/* "2026-11-21". */
char *format_day(char text[static TIMES_BYTES], int64_t realtime_ns);

#endif
