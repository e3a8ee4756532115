/* SPDX-License-Identifier: MIT */
/* The critical path in as many rows as a person reads. */
#ifndef USERSPACE_VIEW_STRETCH_H
#define USERSPACE_VIEW_STRETCH_H

#include "userspace/base/vec.h"
#include "userspace/model/session.h"

/* Neighbouring segments that people see as one row. */
struct stretch {
	int64_t start_ns, duration_ns;
	const struct segment *longest;
	size_t n_segments;
	int process; /* who ran most of it, and for how long */
	int64_t process_ns;
	bool is_one_detail; /* all have the same cause and detail */
	int64_t causes_ns[CAUSE_COUNT];
	int64_t phases_ns[PHASE_COUNT];
};

struct stretch_list VEC(struct stretch);

/* The path of the run in at most @max_rows stretches, in order, without those of no length. The
 * caller frees @ret's items, also after a failure (-ENOMEM). */
int stretches_of(const struct run *run, size_t max_rows, struct stretch_list *ret);

/* What most of its time belongs to. */
int stretch_phase(const struct stretch *s);
int stretch_cause(const struct stretch *s);

#endif
