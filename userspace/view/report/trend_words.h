/* SPDX-License-Identifier: MIT */
/* How the reports over time say how much and how bad. */
#ifndef USERSPACE_VIEW_REPORT_TREND_WORDS_H
#define USERSPACE_VIEW_REPORT_TREND_WORDS_H

#include "userspace/base/buf.h"
#include "userspace/model/history/history.h"
#include "userspace/view/table/table.h"

/* People get as much of an id or commit as they need to type. */
#define TREND_SHORT 8

/* "regressed", "improved" or "changed": that there is a change has been proven already. */
const char *trend_direction(const struct change *c);
enum tone trend_tone(const struct history_change *c);
enum tone trend_drift_tone(const struct history_drift *d);

/* Appends "+9.8 %", or the difference where there is no ratio. */
void trend_add_size(struct buf *out, const struct change *c);

/* Two cells: the beginning of an id or commit for people, all of it for programs. NULL and "" are
 * missing. */
void trend_add_id(struct table *t, const char *text);

#endif
