/* SPDX-License-Identifier: MIT */
/* What changed between two sessions, and where that came from. */
#ifndef USERSPACE_VIEW_REPORT_COMPARE_H
#define USERSPACE_VIEW_REPORT_COMPARE_H

#include <stdbool.h>

#include "userspace/base/buf.h"
#include "userspace/gate/outcome.h"
#include "userspace/gate/verdict.h"
#include "userspace/model/compare/compare.h"
#include "userspace/view/table/table.h"

/* One row per phase, cause and object; a last one sums up what is too small to list. */
struct table *build_contributions(const struct comparison *c);

/* Which process takes more or less memory. People get the metrics that changed. */
struct table *build_memory_changes(const struct comparison *c);
bool memory_has_changed(const struct comparison *c); /* whether there is a row for people */
/* The code that holds more or less of the heap; likewise. */
struct table *build_site_changes(const struct comparison *c);
bool sites_have_changed(const struct comparison *c);
/* Which files are opened, or missed, more or less often; likewise. */
struct table *build_file_changes(const struct comparison *c);
/* Which programs are executed, processes made and peers connected to more or less often; likewise. */
struct table *build_object_changes(const struct comparison *c);
bool objects_have_changed(const struct comparison *c, bool are_files);
/* Each fact about the two machines. For programs; people get it in words. */
struct table *build_machines(const struct comparison *c);

/* The metric that the comparison is about: startup.ready, else time.wall, else suite.time,
 * else the first compared. NULL: nothing was. */
const struct change *main_change(const struct comparison *c);

/* How a verdict is told; @unchanged: where nothing is to be told. */
enum tone verdict_tone(enum verdict verdict, enum tone unchanged);
enum tone severity_tone(enum severity severity);

/* Where the difference of the totals comes from ("cause: …", or "proven part: …" where the whole is open), and what is
 * done elsewhere now ("moved: …"), as far as the rows prove it. Appended; nothing where there is nothing. */
void tell_cause(const struct comparison *c, enum verdict verdict, struct buf *ret_cause,
		struct buf *ret_moved);
/* The same, a line each. */
void say_cause(const struct comparison *c, enum verdict verdict, struct page *page);

/* The comparison as a whole. JSON: one object with the tables "changes", "contributions", "memory", "sites", "files",
 * "objects" and "machines"; CSV: the changes. Returns the page's error. */
int report_compare(const struct comparison *c, struct page *page);
/* Its tables alone, for people. */
int print_changes(const struct comparison *c, struct page *page);

/* What an interleaved comparison came to: the verdict, what it rests on, where a difference comes from.
 * JSON: the document of `--out json` (startline.verdict/1); CSV: all changes. Returns the page's error. */
int report_ab(const struct outcome *o, struct page *page);

#endif
