/* SPDX-License-Identifier: MIT */
/* Benchmarks of another tool are judged as one family: of many that did not change some would look
 * as if they had. For each change that was compared by processes this sets the interval that it takes to claim a
 * change, so that verdict_of() says the same wherever it is asked, in `check` and in `compare`.
 *
 * Up to FAMILY_HOLDS_TO benchmarks no false claim is made in 99.5 % of comparisons, on a side (Bonferroni). Of
 * thousands nothing could be proven so: beyond, at most 0.5 % of what is claimed is expected to be false, on
 * a side (Benjamini and Hochberg 1995, their intervals after Benjamini and Yekutieli 2005). */
#ifndef USERSPACE_GATE_FAMILY_H
#define USERSPACE_GATE_FAMILY_H

#include "userspace/gate/verdict.h"

#define FAMILY_ALPHA	0.005
#define FAMILY_HOLDS_TO 50

/* A benchmark that was compared by processes, and may be worse. */
bool family_has(const struct change *c);
/* To be called once a comparison is built. -ENOMEM. */
int family_set_claims(struct comparison *c);
/* Benchmarks in the family; beyond FAMILY_HOLDS_TO the report says which rate is held. */
size_t family_size(const struct comparison *c);

/* Of a change that was compared by processes: how many more processes a side would probably decide it; 0: cannot
 * be said, or more than anybody makes. */
size_t family_more_processes(const struct change *c);
/* Of one that is claimed by what was known before: how many processes a side would prove it by
 * themselves; 0: these do. */
size_t family_certain_processes(const struct change *c);

/* "; about 3 more runs a side would decide it", "; judged by the 10 % that processes may differ by; 3 runs a side
 * make it certain"; "" where there is nothing to say. In @arena. */
const char *family_more_words(struct arena *arena, const struct change *c);
const char *family_certain_words(struct arena *arena, const struct change *c);

#endif
