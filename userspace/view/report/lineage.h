/* SPDX-License-Identifier: MIT */
/* Which program was whose: the images of a run as one tree. An image hangs below the image that
 * forked its process; those that follow each other in one process by exec are siblings. */
#ifndef USERSPACE_VIEW_REPORT_LINEAGE_H
#define USERSPACE_VIEW_REPORT_LINEAGE_H

#include "userspace/base/vec.h"
#include "userspace/model/session.h"

/* Of the tree: what is deeper counts as at this depth, so that going up has a bounded cost. */
#define LINEAGE_DEPTH 40

/* A program that runs in a process. Where a process ran several, they hang below a node that
 * stands for the process as a whole. */
struct kin {
	int parent; /* index; that of the root, index 0, is 0 */
	int depth;
	int process;		   /* id; 0: the root, which is nobody */
	const struct image *image; /* NULL: the root, a whole process, or between fork and exec */
	bool is_leaf;
};

struct lineage {
	struct VEC(struct kin) kin;
	int *first; /* by process id: its first leaf, the others follow; and how many */
	int *count;
	size_t n_processes;
};

/* Fills @ret, to be freed by lineage_done(), also after a failure (-ENOMEM). */
int lineage_of(const struct run *run, struct lineage *ret);
void lineage_done(struct lineage *lineage);

/* Which program ran in process @id at that time; 0 when there is no such process. */
int lineage_at(const struct lineage *lineage, int id, int64_t time_ns);

/* The nearest that both descend from, or are. */
int lineage_common(const struct lineage *lineage, int a, int b);

/* The child of @above that @below, not @above itself, descends from or is. */
int lineage_towards(const struct lineage *lineage, int above, int below);

#endif
