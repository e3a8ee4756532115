/* SPDX-License-Identifier: MIT */
/* The rows of two startup breakdowns: what all of their time was spent on, per run. Each nanosecond of the
 * critical path is in one row, whatever is told apart. */
#ifndef USERSPACE_MODEL_COMPARE_ROWS_H
#define USERSPACE_MODEL_COMPARE_ROWS_H

#include "userspace/base/id_map.h"
#include "userspace/base/vec.h"
#include "userspace/model/compare/internal.h"

enum side { BASE, HEAD, SIDES };

struct row {
	enum phase phase;
	enum cause cause;
	const char *process, *detail; /* interned */
	struct code_function code;    /* name NULL: no row of a function */
	bool is_library;	      /* detail is the label of one: what was done to load it */
	int import;		      /* of import_names, while that was loaded; NO_IMPORT */
	int64_t *runs_ns[SIDES];      /* per run */
	bool is_in[SIDES];
};

struct row_list VEC(struct row);

struct breakdowns {
	struct comparison *comparison;
	struct alignment *alignment;
	const struct session *sessions[SIDES];
	size_t *order[SIDES]; /* indices of runs with a breakdown, by total */
	size_t n[SIDES];
	double *cpu_factors
		[SIDES]; /* per run, by which its times on the CPU count; NULL: as measured */
	struct row_list rows;
	struct id_map index;	      /* key -> place in rows; of rows of one key the first */
	struct code_names *code;      /* NULL: a side has no stacks */
	struct import_names *imports; /* NULL: a side does not know of modules */
};

/* A time of run @i of @side on the CPU, as it counts. */
int64_t breakdowns_cpu_ns(const struct breakdowns *b, enum side side, size_t i, int64_t ns);

/* Fills the rows, of functions and modules only those whose change the runs prove. All else must have been
 * set. -ENOMEM. */
int rows_collect(struct breakdowns *b);
void rows_done(struct breakdowns *b);

#endif
