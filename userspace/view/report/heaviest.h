/* SPDX-License-Identifier: MIT */
/* The code that a row of the critical path spent its time on the CPU in, in words. */
#ifndef USERSPACE_VIEW_REPORT_HEAVIEST_H
#define USERSPACE_VIEW_REPORT_HEAVIEST_H

#include "userspace/base/buf.h"
#include "userspace/model/path_samples.h"
#include "userspace/view/report/stretch.h"

struct heaviest {
	const struct session *s;
	const struct run *run;
	struct sample_index index;
};

/* Free with heaviest_done(), also after a failure (-ENOMEM). */
int heaviest_new(const struct session *s, const struct run *run, struct heaviest *ret);
void heaviest_done(struct heaviest *h);

/* Appends "62 % in build_index, 25 % in parse": what has a fifth or more of the row, as far as the samples
 * bear it out; "38 % in import numpy" where such an import is not nearly all one function; where there is neither,
 * a library or program, or of how many libraries it is; else nothing. What does not fit into @columns is
 * left out, but for the first name. -ENOMEM. */
int heaviest_name(const struct heaviest *h, const struct stretch *stretch, size_t columns,
		  struct buf *out);

/* The function that the critical path ran longest in during @phase, what it called included, where that is
 * @least_ns or more and, with 97.5 % certainty, half of it: its name, in @columns, is appended. Not main(), which says
 * nothing. Returns its time, 0 where there is none; -ENOMEM. */
int64_t heaviest_in_phase(const struct heaviest *h, enum phase phase, int64_t least_ns,
			  size_t columns, struct buf *out);

#endif
