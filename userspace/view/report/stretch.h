/* SPDX-License-Identifier: MIT */
/* The critical path in as many rows as a person reads. */
#ifndef USERSPACE_VIEW_REPORT_STRETCH_H
#define USERSPACE_VIEW_REPORT_STRETCH_H

#include "userspace/base/vec.h"
#include "userspace/model/session.h"
#include "userspace/view/report/lineage.h"

/* Of the total: a wait that keeps a row of its own, however little room there is. */
#define STRETCH_BIG_WAIT 0.05
/* Of a row, by one program and its descendants: the row goes by its name. */
#define STRETCH_NEARLY_ALL 0.9

/* Neighbouring segments that people see as one row. */
struct stretch {
	size_t from, to; /* run->segments[from..to) */
	int64_t start_ns, duration_ns;
	const struct segment *longest;
	bool is_one_detail; /* all have the same cause and detail */
	int64_t causes_ns[CAUSE_COUNT];
	int64_t phases_ns[PHASE_COUNT];
	/* Whose it is: the one that ran nearly all of it, it and those that descend from it. */
	int process;		   /* id; 0: not known */
	const struct image *image; /* NULL: it has none of its own, being forked */
	size_t n_others;	   /* other processes that had a part in it */
};

struct stretch_list VEC(struct stretch);

/* The path of the run in at most @max_rows stretches, in order, without those of no length. The
 * caller frees @ret's items, also after a failure (-ENOMEM). The time it takes grows with the
 * number of segments, not faster. */
int stretches_of(const struct run *run, size_t max_rows, struct stretch_list *ret);

/* What most of its time belongs to. */
int stretch_phase(const struct stretch *s);
int stretch_cause(const struct stretch *s);

#endif
