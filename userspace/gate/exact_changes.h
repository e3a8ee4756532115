/* SPDX-License-Identifier: MIT */
/* Exact metrics as witnesses: where noise leaves open whether time changed, counts that do not vary
 * can tell whether the program did the same work. */
#ifndef USERSPACE_GATE_EXACT_CHANGES_H
#define USERSPACE_GATE_EXACT_CHANGES_H

#include "userspace/base/buf.h"
#include "userspace/model/compare/compare.h"

/* "work +8.0 % (heap.allocs)": the exact metric that changed most, "work unchanged (7 counts agree)",
 * or "" when no count was captured on both sides. Appends nothing but that to @ret. */
const char *exact_changes_text(const struct comparison *c, char *ret, size_t size);

/* Appends these and the CPU time, which neighbours disturb less than they do wall time: "work +8.0 %
 * (heap.allocs), 2 of 7 counts differ; CPU time 33.1 -> 34.0 ms (+2.7 %)". Nothing where neither is known. */
void witnesses_text(const struct comparison *c, struct buf *out);
/* Behind @before, "witnesses: " and these; nothing where there are none. @c may be NULL. */
void witnesses_line(const struct comparison *c, const char *before, struct buf *out);
/* Whether a change is one of those counts. */
bool is_witness(const struct change *c);

#endif
