/* SPDX-License-Identifier: MIT */
/* What the verdict outputs share: all that was judged as rows, worst first, in plain words. Texts
 * are as the target and the configuration gave them: each output escapes them for itself. */
#ifndef USERSPACE_VIEW_CI_INTERNAL_H
#define USERSPACE_VIEW_CI_INTERNAL_H

#include "userspace/base/buf.h"
#include "userspace/base/vec.h"
#include "userspace/gate/outcome.h"
#include "userspace/view/table/table.h"

struct ci_row {
	const struct outcome *outcome;
	const struct judgement *judgement; /* NULL: the row is about the scenario as a whole */
	enum severity severity;
	size_t place; /* among what was given */
};
struct ci_rows VEC(struct ci_row);

/* One row per judgement, and one per outcome that has none; worst first, then by how far over, then
 * as given. The caller frees it with vec_done(). -ENOMEM. */
int ci_rows_collect(const struct outcome *outcomes, size_t n, struct ci_rows *ret);
/* "over budget", "regressed", "ok" … */
const char *ci_status(const struct ci_row *row);
/* Of each judgement, the how-manieth of those it is alike: 1, 2 … @alike: -1, 0 or 1, as for qsort.
 * The caller frees it. NULL: no memory. */
typedef int ci_alike(const struct judgement *a, const struct judgement *b);
size_t *ci_ordinals(const struct outcome *o, ci_alike *alike);

/* "startup.ready 812 ms -> 1.40 s, +72.4 % (+68.0 to +77.1 %), target < 1 s: over budget". Appended to
 * @out, one line unless a text in it is not. */
void ci_row_words(struct buf *out, const struct ci_row *row);
/* "2 failed, 1 inconclusive, 41 passed": how many rows of each kind there are. */
void ci_summary(struct buf *out, const struct ci_rows *rows);

/* "" for NULL; beyond @columns it is cut in the middle, which a "…" shows. Appended to @out. */
void ci_cut(struct buf *out, const char *text, size_t columns);

/* The status table: one line for each of rows[0..n). @columns: texts are cut to it. */
struct table *ci_build_status(const struct ci_row *rows, size_t n, size_t columns);
/* Counts that are compared by equality, and CPU time. No row: none there. */
struct table *ci_build_witnesses(const struct comparison *c);
/* "A CPU, 2 CPUs, Linux 6.1.0, glibc 2.36": appended to @out; "" when nothing is known. */
void ci_host_words(struct buf *out, const struct session *s);

/* The Markdown comment in at most @limit bytes. */
int ci_markdown_within(const struct outcome *outcomes, size_t n, size_t limit, FILE *f);

int ci_json(const struct outcome *outcomes, size_t n, FILE *f);
int ci_markdown(const struct outcome *outcomes, size_t n, FILE *f);
int ci_github(const struct outcome *outcomes, size_t n, FILE *f);
int ci_gitlab(const struct outcome *outcomes, size_t n, FILE *f);
int ci_junit(const struct outcome *outcomes, size_t n, FILE *f);

#endif
