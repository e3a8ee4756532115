/* SPDX-License-Identifier: MIT */
/* Call sites while a session is built, and how they become few enough for a document. */
#ifndef USERSPACE_MODEL_BUILD_SITE_ROWS_H
#define USERSPACE_MODEL_BUILD_SITE_ROWS_H

#include "userspace/model/build/internal.h"
#include "userspace/model/site_sums.h"

struct amount {
	double blocks, samples;
	struct site_mass mass;
};

struct raw_site {
	int proc, node;		   /* -1: no stack */
	bool is_unsampled;	   /* what no sample stands for */
	double weight;		   /* the largest part that it has of anything */
	double told_peak;	   /* of its process, by its counters; 0: unknown */
	double lifetime_ns, freed; /* their sum, of so many blocks */
	struct amount parts[SITE_PARTS];
};

struct raw_list VEC(struct raw_site);

/* Leaves no more than a document has room for (and one for each process), in order of their processes, the heaviest
 * of each first. The others are part of a row that has only their innermost frames, or in the end none, and are
 * counted in heap.sites_cut. Sums stay as they are. Failures go into @b. */
void site_rows_cut(struct builder *b, struct raw_list *list);

#endif
