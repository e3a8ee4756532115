/* SPDX-License-Identifier: MIT */
/* Two sessions set against each other. This only measures; gate/ judges.
 *
 * A change is a ratio head / base with an interval, worked out on the logarithms (base/stats_shift.h).
 * The contributions say where the time went: the difference of the two startup breakdowns, of those of all
 * steps of two pipelines, or of the tests of two suites, row by row, adding up to the difference of their
 * totals to the nanosecond. */
#ifndef USERSPACE_MODEL_COMPARE_COMPARE_H
#define USERSPACE_MODEL_COMPARE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/model/metrics.h"
#include "userspace/model/session.h"

#define COMPARISON_LEVEL 0.99 /* of the intervals, where nobody asks for another */

enum basis {
	BASIS_NONE,	  /* not compared: reason says why */
	BASIS_EXACT,	  /* equality; all runs of each side agree */
	BASIS_SHIFT,	  /* ratio by shift of logarithms, with an interval */
	BASIS_DIFFERENCE, /* values that have no logarithm (0, negative): shift of the plain values;
			   * ratio, low and high are NAN */
	BASIS_SUMMARY,	  /* a side has statistics but no values: ratio of medians, no interval */
};

#define COMPARE_HOST_NOTES 3

/* The least number of runs of a side in a block: fewer find small differences less surely where the
 * machine is quiet, more where it is slow for seconds at a time. */
#define COMPARE_BLOCK 10

/* How sure a change is that was compared by processes. */
struct process_spread {
	size_t n_base, n_head; /* processes; 0: it was not compared so */
	bool is_by_rank;       /* of so many that nothing needs to be assumed */
	double sigma, df; /* from one to the next, on the logarithms, and how surely it is known */
	double own;	  /* what these processes themselves show; NAN: there is one a side */
	double before;	  /* what was expected before; df_before 0: that played no part */
	double df_before;
	bool is_known; /* … from the store, and not the default */
	double seen; /* the most that was seen: of these, of all others together, within one, or in the store */
};

struct change { /* of one metric */
	const char *id;
	const struct metric *metric;
	const struct series *base, *head; /* NULL: that side does not have the metric */
	enum basis basis;
	bool is_of_other_tier;	       /* BASIS_NONE since kernel events told of one side only */
	bool is_demoted;	       /* exact by class, but the runs of a side disagree */
	double base_value, head_value; /* medians; NAN: not captured */
	/* What is printed beside the effect, and never contradicts it: the median of head, and what that is
	 * the estimated ratio, or difference, of. The ratio of the medians is another estimate. */
	double base_estimate, head_estimate;
	double ratio, low, high;
	double difference, difference_low, difference_high; /* in the metric's unit */
	size_t n_blocks; /* that are compared each for itself; of shifts and differences */
	/* Compared at equal speed of the CPUs: logarithms of values are corrected by so much for each by which
	 * that of the run's speed exceeds log_speed. 0: as measured. */
	double speed_slope, log_speed;
	double p;     /* two-sided, of no change; exact: 0 or 1 */
	double level; /* of the interval */
	struct process_spread processes;
	/* BASIS_EXACT: a smaller share is of no interest; set by gate/verdict.h, NAN: the default. */
	double exact_share;
	/* As one of many, it takes this interval to claim a change; set by gate/family.h. claim_alpha, on a
	 * side, 0: it stands alone. */
	double claim_low, claim_high, claim_alpha;
	const char *reason; /* BASIS_NONE */
};

/* What a row of two suites is about, or that it is a step of a pipeline as a whole; 0: it is of two
 * startups. */
enum test_kind {
	TEST_NONE,
	TEST_ADDED,
	TEST_REMOVED,
	TEST_CHANGED,
	TEST_SAME,
	TEST_BESIDES, /* what the suite took besides its tests */
	STEP_WHOLE,   /* its breakdown is not known, or it is on one side only */
	TEST_KINDS
};

struct contribution {
	enum test_kind kind;
	enum phase phase; /* of a startup */
	enum cause cause;
	const char *process; /* command line, normalised; "" in sums */
	const char *detail;  /* normalised; the test; "build_index in libfoo.so" */
	bool has_object;     /* detail names something besides the code */
	const char *function,
		*module;    /* of time on the CPU, or that waited, where it is a row of its
					* own; module alone: the library that was loaded; NULL */
	const char *import; /* the module of a language that was being loaded; or NULL */
	int64_t base_ns, head_ns, delta_ns;
	double low_ns, high_ns; /* 95 % of bootstrap samples of runs; NAN below 3 runs a side */
	bool is_in_base, is_in_head;
	/* What takes as much less as this takes more, or the other way round, for the same cause: work or
	 * a wait that went from one to the other. NULL: none. */
	const struct contribution *counterpart;
	const struct step_change *step; /* of the pipeline that it belongs to, or NULL */
};

/* A step of two pipelines: the rows of its own comparison are among those of the whole. */
struct step_change {
	const char *name;
	struct comparison *comparison; /* NULL: it is on one side only */
	int64_t base_ns, head_ns, delta_ns;
};

/* What one process, or several of one name, take more or less of: memory, CPU, faults, I/O. Means
 * over the runs; UNKNOWN where it was not counted. Peaks of processes need not coincide, so theirs do
 * not add up to the peak of the tree. */
struct memory_row {
	const char *metric;
	const char *kind; /* "anonymous" "file" "shared": what of that memory; NULL: all */
	size_t order;	  /* of the metrics and kinds among these rows */
	const char *process;
	int64_t base, head, delta;
};
/* What the call sites of one function hold more or less of, mean over the runs. The rows of a metric add up to
 * its difference: in the last one is what is not proven. */
struct site_row {
	const char *metric;	       /* "heap.ready" "heap.peak" "heap.exit" */
	size_t order;		       /* of the metrics among these rows */
	const char *function, *module; /* NULL: all others; module "": the program itself */
	int64_t base, head, delta;
};
#define SITE_OTHERS "other call sites"
/* For reports of heap metrics, where a side has none. */
#define COMPARE_NO_CALL_SITES "no call sites recorded: use --heap sample"

/* What an exact count is of: files that are opened or missed, programs that are executed, processes,
 * peers that are connected to. Means over the runs, which differ. */
struct object_row {
	const char *metric;
	size_t order; /* of the metrics among these rows */
	const char *name;
	double base, head;
};

struct comparison {
	struct arena *arena;
	struct session *base, *head; /* borrowed */
	double level;		     /* of the intervals of changes */
	struct change *changes;	     /* in the order of the metric table, then by name */
	size_t n_changes;
	size_t n_compared; /* with a basis */
	bool has_contributions;
	const char *what_rows_are;    /* a line about them */
	const char *no_contributions; /* why not, or NULL */
	int64_t base_total_ns, head_total_ns;
	/* What is proven to have changed most first (the nearer end of its interval), then by |delta|. */
	struct contribution *contributions;
	size_t n_contributions;
	struct step_change *steps; /* of two pipelines; else none */
	size_t n_steps;
	struct memory_row *memory; /* metric by metric, largest |delta| first */
	size_t n_memory;
	bool has_sites;		/* both sides recorded call sites */
	struct site_row *sites; /* metric by metric, largest |delta| first, others last */
	size_t n_sites;
	struct object_row *objects; /* metric by metric, largest difference first */
	size_t n_objects;
	/* The machines: the fact that makes them different, "cpu: EPYC 7763 against EPYC 9V74", or NULL,
	 * and lines for people: what could not be compared, what else differs. */
	const char *incomparable;
	const char *host_notes[COMPARE_HOST_NOTES];
	size_t n_host_notes;
};

/* @level: 0.99. Both sessions must outlive the comparison. -ENOMEM. */
int comparison_build(struct session *base, struct session *head, double level,
		     struct comparison **ret);
struct comparison *comparison_free(struct comparison *c); /* NULL */

/* The contribution that explains the difference of the totals: the first that is proven in its
 * direction and did not only move; where none is, the first. NULL: there are none. */
const struct contribution *comparison_cause(const struct comparison *c);
bool contribution_is_proven(const struct contribution *c);
/* The largest that has a counterpart, where it takes more now; NULL: nothing moved. */
const struct contribution *comparison_moved(const struct comparison *c);
/* The names of its phase and cause; "test" and "added", ..., "suite" and "besides" of suites; "step" and
 * "whole". */
const char *contribution_phase(const struct contribution *c);
const char *contribution_cause(const struct contribution *c);

/* The change of what the contributions add up to: readiness, else the end; of two pipelines the sum of what
 * their steps took, of two suites their time. NULL: none was compared. */
const struct change *comparison_total(const struct comparison *c);
/* NULL: no such metric on either side. */
/* The captured values of one side, or their logarithms, as they are compared; the caller frees them. NULL:
 * no memory. */
double *change_values(const struct change *c, const struct series *side, bool as_logarithms,
		      size_t *ret_n);

const struct change *comparison_find(const struct comparison *c, const char *id);

/* The change of one metric alone; @base or @head may be NULL. -ENOMEM. */
int change_of(const struct series *base, const struct series *head, double level,
	      struct change *ret);

/* Of a change that was compared by processes: the ratios that it may have, all but @alpha on each side, and
 * the p of it being above 1 + @margin and below 1 - @margin, one-sided. -ENOMEM. */
int change_interval(const struct change *c, double alpha, double *ret_low, double *ret_high);
int change_beyond(const struct change *c, double margin, double *ret_above, double *ret_below);

/* @text with what differs from run to run replaced: names from mkstemp, process ids, ephemeral
 * ports, long hexadecimal and base64 digests, counters. Interned in @arena; NULL: no memory. */
const char *compare_normalise(struct arena *arena, const char *text);

#endif
