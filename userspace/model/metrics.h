/* SPDX-License-Identifier: MIT */
/* THE table of metrics. A row is all it takes: it then appears in reports, comparisons, the
 * session document and the gate. tools/check-docs asks for its section in docs/metrics.md. */
#ifndef USERSPACE_MODEL_METRICS_H
#define USERSPACE_MODEL_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/base/units.h"
#include "userspace/model/session.h"

enum unit { UNIT_NS, UNIT_BYTES, UNIT_COUNT, UNIT_RATIO };
enum better { BETTER_LOWER, BETTER_HIGHER, BETTER_NEITHER };
enum metric_class { CLASS_TIME, CLASS_SIZE, CLASS_EXACT, CLASS_RATIO };
extern const struct name_table unit_names, better_names, metric_class_names;

/* What else is asked of a metric, besides its class. */
enum metric_trait {
	METRIC_ADDS_UP = 1u << 0,  /* the sum over steps that follow each other means something */
	METRIC_AT_READY = 1u << 1, /* there is none without a --ready */
	METRIC_GATED = 1u << 2,	   /* judged unless told otherwise, beside the main metric */
	METRIC_OF_PEER = 1u << 3,  /* its parameter is who was connected to */
	METRIC_TOTAL = 1u << 4,	   /* the time that a breakdown adds up to */
	METRIC_ANY_TIER = 1u << 5, /* measured in the same way with and without kernel events */
	METRIC_DETAIL = 1u << 6,   /* of many: says what the work was, not how much of it */
	METRIC_AT_SPEED = 1u << 7, /* runs are compared at equal speed of the CPUs */
};

/* What told of a session's metrics. Of different tiers they are not compared: the one counts what the
 * other samples or does not see, and what the one costs the other does not. */
enum tier { TIER_UNKNOWN, TIER_KERNEL_EVENTS, TIER_NO_KERNEL_EVENTS };

struct series;

struct metric {
	const char *id; /* stable: "startup.ready"; rows that take a parameter end in "[]" */
	const char *label;
	enum unit unit;
	enum better better;
	enum metric_class class;
	unsigned int traits; /* of enum metric_trait */
	/* NAN: not captured; NULL for rows with a parameter. */
	double (*get)(const struct metric *metric, const struct run *run);
	/* Rows with a parameter: appends each value of @run that @parameter selects. */
	int (*collect)(const struct run *run, const char *parameter, struct series *ret);
	size_t of; /* what get() reads: an offset in its struct, a phase */
};

extern const struct metric metrics[]; /* ends with a NULL id */
size_t metrics_count(void);

/* Statistics of the values that were captured; NAN where n does not suffice. */
struct summary {
	size_t n;
	double min, max, mean, stddev, median, mad, q1, q3, p95, p99, ci95_low, ci95_high;
	size_t n_outliers;
};

/* Of @values[0..@n), which may hold NANs and is left as it is. When memory is short it is as if
 * there were no values. */
void summary_of(const double *values, size_t n, struct summary *ret);

/* What the store knows about how a metric differs from one process to the next, as a standard deviation
 * of logarithms, and how surely; n 0: nothing. */
struct known_noise {
	double sigma;
	size_t n; /* sessions that it was seen in */
};

/* The values of one metric over the runs of a session, with their statistics. */
struct series {
	const char *id; /* "net.connect[tcp 127.0.0.1:5432]" */
	const struct metric *metric;
	double *values; /* NAN: not captured in that run */
	size_t n_values;
	bool is_summary; /* the statistics were given without the values */
	struct summary summary;
	/* A value per run, and these runs were interleaved with those they are compared with. */
	bool is_interleaved;
	const double
		*speeds; /* of METRIC_AT_SPEED: METRIC_SPEED of the same runs; NULL: not known */
	enum tier tier;	 /* TIER_UNKNOWN: it does not matter, too */
	/* Of another tool: how many of the values each of its processes gave, in their order. Values of
	 * one process are alike in what differs from process to process, so processes are what is
	 * compared. None: not known, or values of our own runs. */
	double *processes;
	size_t n_processes;
	struct known_noise noise;
};

/* The captured values of @series, or their logarithms; the caller frees them. NULL: no memory. */
double *series_values(const struct series *series, bool as_logarithms, size_t *ret_n);

/* Fills session->series from runs[].values and the peers that occur (at most 32, most used
 * first), and time.child[NAME*] for each program that ran as a child (at most 16). */
int metrics_collect(struct session *session);
/* What told of @metric in @session; NULL: of one that the table does not know. */
enum tier metrics_tier(const struct session *session, const struct metric *metric);
/* The runs of @session were interleaved with those of the session that it will be compared with. */
void metrics_mark_interleaved(struct session *session);

/* The series of @id, built on demand when it takes a parameter ("time.child[make *]", a shell
 * glob over the command line). NULL when there is no such metric. */
const struct series *metrics_find(struct session *session, const char *id);

#define METRIC_SPEED "cpu.speed"

/* The row of the table that @id belongs to ("net.connect[…]" to "net.connect[]"), or NULL. */
const struct metric *metrics_row(const char *id);
/* The id that was meant by one that the table does not have, as it is written ("net.connect[PATTERN]"), in
 * @text; NULL: none is near. */
#define METRIC_WORD_BYTES 64
const char *metrics_nearest(const char *id, char text[static METRIC_WORD_BYTES]);

/* Whether the metric of that id has the trait; ids that the table does not know have none, but that
 * "suite.time", which other tools' test suites come with, is a total. */
bool metric_is(const char *id, enum metric_trait trait);

/* A session without runs, to be filled with metrics: another tool's results, or numbers typed by
 * hand. -ENOMEM, logged. */
int session_new(struct session **ret);
/* Adds a metric to a session of session_new(). An id that the table knows keeps its unit, direction and
 * class, any other one gets @like's; texts and values are copied. -ENOMEM. */
int session_add_values(struct session *s, const char *id, const struct metric *like,
		       const double *values, size_t n);
/* The same where only the statistics are known; what is not known is NAN. */
int session_add_summary(struct session *s, const char *id, const struct metric *like,
			const struct summary *summary);
/* Says of the series added last which process its values are of: the first processes[0] of them of one,
 * and so on; of a summary it is one. Copied. -ENOMEM. */
int session_set_processes(struct session *s, const double *processes, size_t n);
/* A metric of the session's own: for ids that the table does not know. NULL: no memory. */
const struct metric *session_own_metric(struct session *s, const char *id,
					const struct metric *like);

/* What proc.execs and net.connects count. */
bool image_is_executed(const struct image *image);
bool connection_is_made(const struct connection *c);

const char *unit_name(enum unit unit);			       /* "ns" "bytes" "count" "ratio" */
const char *better_name(enum better better);		       /* "lower" "higher" "neither" */
const char *metric_class_name(enum metric_class metric_class); /* "time" "size" "exact" "ratio" */
/* A value in its unit, for people; NAN is "-". Returns @text. */
char *value_format(char text[static UNITS_BYTES], enum unit unit, double value);
/* Reads what somebody typed as a value in @unit: "1.5 s", "2 GiB", "23", "80 %" or "0.8". Fails as
 * parse_double() does. */
int value_parse(const char *s, enum unit unit, double *ret);

/* -1: no such name. */
int unit_of(const char *name);
int better_of(const char *name);
int metric_class_of(const char *name);

#endif
