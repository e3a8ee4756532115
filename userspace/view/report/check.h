/* SPDX-License-Identifier: MIT */
/* What `check` prints for people: the scenarios of a configuration, and what came out of them. */
#ifndef USERSPACE_VIEW_REPORT_CHECK_H
#define USERSPACE_VIEW_REPORT_CHECK_H

#include "userspace/base/buf.h"
#include "userspace/gate/config.h"
#include "userspace/gate/outcome.h"
#include "userspace/view/table/table.h"

/* One row per budget of scenarios[chosen[0..@n)], and one for a scenario that has none. */
struct table *build_scenarios(const struct config *c, const size_t *chosen, size_t n);

/* "ready in 1.4 s = …" of a run in the middle where a budget of time is over, else NULL. Lives as long
 * as the session. */
const char *check_where_time_goes(const struct outcome *o);
/* As tell_cause(), of what was compared: without the cause of a change, which its judgement has. */
void check_tell_cause(const struct outcome *o, struct buf *ret_cause, struct buf *ret_moved);

/* Text: each outcome with its headline, its judgements and, where something regressed, where that
 * came from; at the end the sum of it. CSV: all judgements as one table of values; else as --out writes
 * it. Returns the page's error. */
int report_check(const struct outcome *outcomes, size_t n, struct page *page);

#endif
