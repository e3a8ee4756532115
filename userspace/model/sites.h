/* SPDX-License-Identifier: MIT */
/* Call sites by the functions that allocated, and that led to it. */
#ifndef USERSPACE_MODEL_SITES_H
#define USERSPACE_MODEL_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/vec.h"
#include "userspace/model/function_table.h"
#include "userspace/model/session.h"
#include "userspace/model/site_sums.h"

struct site_amount {
	struct site_mass mass;
	double blocks;
	int64_t samples;
	struct site_interval interval; /* of mass.bytes, at 95 % */
};

/* Itself: what it asked for (heap_place()); in all: what those that it called asked for as well. */
struct site_function {
	struct function_name name; /* frame NULL: sites without a stack */
	bool is_unsampled;	   /* what no sample stands for; name is empty */
	struct site_amount self[SITE_PARTS], total[SITE_PARTS];
	double lifetime_ns; /* mean, of what it asked for itself; NAN: nothing was freed */
};

struct site_functions {
	struct function_table names;
	struct VEC(struct site_function) list; /* in no order */
	struct site_amount whole[SITE_PARTS], unsampled[SITE_PARTS];
	bool is_known[SITE_PARTS];
	bool has_sites; /* of any process */
	int64_t cut;
};

/* Sums over @n runs of a session, of all processes or of one (@process, 0: all). -ENOMEM. Free with
 * site_functions_done(), also after a failure. */
int site_functions_of(const struct session *s, const struct run *runs, size_t n, int process,
		      struct site_functions *ret);
void site_functions_done(struct site_functions *f);
/* Sorts by @part: the largest self first, then total, then by name. */
void site_functions_sort(struct site_functions *f, enum site_part part);

/* The part that says most of a run: what is live at readiness, else at the peak. */
enum site_part site_headline(const struct run *run);
/* Whether any process of @run tells of call sites. */
bool run_has_sites(const struct run *run);
/* What no sample stands for. */
bool site_is_unsampled(const struct site *site);

#endif
