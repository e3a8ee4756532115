/* SPDX-License-Identifier: MIT */
/* What an interleaved comparison came to: the verdict, what it rests on, and where a difference comes
 * from. */
#ifndef USERSPACE_VIEW_REPORT_AB_H
#define USERSPACE_VIEW_REPORT_AB_H

#include "userspace/gate/outcome.h"
#include "userspace/view/table/table.h"

/* Of an outcome with pairs. JSON: the document of `--out json` (startline.verdict/1); CSV: all changes.
 * Returns the page's error. */
int report_ab(const struct outcome *o, struct page *page);

#endif
