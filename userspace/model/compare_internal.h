/* SPDX-License-Identifier: MIT */
/* The parts of a comparison. 0 or -ENOMEM. */
#ifndef USERSPACE_MODEL_COMPARE_INTERNAL_H
#define USERSPACE_MODEL_COMPARE_INTERNAL_H

#include "userspace/model/compare.h"

/* Sets incomparable: the first fact about the two machines that differs. */
int compare_hosts(struct comparison *c);
/* Sets the contributions. */
int compare_startups(struct comparison *c);

/* Which process is which. Texts live in @arena; the rest is freed by alignment_done(), also when
 * alignment_new() failed. */
struct alignment;
int alignment_new(struct arena *arena, const struct session *base, const struct session *head,
		  struct alignment **ret);
void alignment_done(struct alignment *a); /* NULL is fine */
/* The name of process @id of @run, the same for what is the same on both sides; interned. NULL: no
 * memory. */
const char *aligned_process(const struct alignment *a, const struct run *run, int id);
/* An object's name, which may be a command line; likewise. */
const char *aligned_text(const struct alignment *a, const char *text);

#endif
