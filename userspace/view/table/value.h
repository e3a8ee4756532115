/* SPDX-License-Identifier: MIT */
/* Values of metrics, as text and as cells: a metric's unit decides. */
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

#endif
