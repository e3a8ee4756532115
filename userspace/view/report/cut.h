/* SPDX-License-Identifier: MIT */
/* Where to cut a critical path into rows. Of use to stretch.c only. */
#ifndef USERSPACE_VIEW_REPORT_CUT_H
#define USERSPACE_VIEW_REPORT_CUT_H

#include "userspace/base/vec.h"
#include "userspace/view/report/lineage.h"

struct piece {
	size_t from, to; /* segments */
	int64_t ns;
	int64_t wait_ns; /* of a wait: before anything was joined to it */
	int kin;	 /* in the lineage: what all of it, or nearly, descends from */
	int64_t own_ns;	 /* of that and its descendants */
	bool is_many;	 /* and not all of it is that one itself */
	bool is_wait;	 /* for one thing, or nearly so: not joined with what is not */
	bool is_keeper;	 /* not joined because it is short */
};

struct piece_list VEC(struct piece);

/* @kin_of: per segment its place in @lineage. At most @max_rows pieces, which hold the whole
 * path in order. The caller frees @ret's items, also after a failure (-ENOMEM). */
int cut_path(const struct run *run, const struct lineage *lineage, const int *kin_of,
	     size_t max_rows, struct piece_list *ret);

#endif
