/* SPDX-License-Identifier: MIT */
/* Budgets: "< 1 s", "5-15 s", "p95 < 10 ms", "<= 50 % of @pre", "improve >= 50 %", "+10 %",
 * "scaling(workers) <= 1.1", "cv < 5 %". One grammar for all; docs/man/startline.yml.5.md.
 *
 * A budget has a border between passing and failing: its limit, moved by the level `fail`. Where the
 * interval of the statistic (95 %; of a ratio that of the comparison) lies across that border, the
 * budget is inconclusive; wholly beyond it is red; else the value says how good that is. Without an
 * interval (fewer than 6 values, a minimum, a maximum) the value alone decides. A "+10 %" asks two
 * questions, as a gate against a baseline does: is there a change, and does it reach 10 %?
 */
#ifndef USERSPACE_GATE_BUDGET_H
#define USERSPACE_GATE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/base/units.h"
#include "userspace/gate/verdict.h"
#include "userspace/model/metrics.h"

enum budget_kind {
	BUDGET_LIMIT, /* below high, or above low */
	BUDGET_RANGE, /* between low and high */
	BUDGET_OF,    /* head / base: "<= 50 % of @pre" is high = 0.5; "improve >= 50 %" likewise */
	/* "+10 %": at most 10 % worse than the baseline, "-10 %": at least 10 % better. For what
	 * should be low high = 1.1 and 0.9, for what should be high low = 0.9 and 1.1. */
	BUDGET_CHANGE,
	BUDGET_SCALING, /* slope of log value over log parameter */
	/* of parallel work: first parameter x value there, over parameter x value; the worst cell */
	BUDGET_EFFICIENCY,
};
enum statistic {
	STATISTIC_MEDIAN,
	STATISTIC_MEAN,
	STATISTIC_MIN,
	STATISTIC_MAX,
	STATISTIC_STDDEV,
	STATISTIC_CV,
	STATISTIC_QUANTILE,
};

struct budget {
	const char *metric; /* id */
	const char *text;   /* as written */
	enum budget_kind kind;
	enum statistic statistic;
	double quantile;  /* 0.95 */
	double low, high; /* -INFINITY, INFINITY: open. In the metric's unit, or a ratio */
	enum unit unit;	  /* that limits and ranges were read in */
	bool is_low_inclusive, is_high_inclusive;
	const char *baseline;  /* without '@'; NULL: the scenario's */
	const char *parameter; /* SCALING, EFFICIENCY */
	int line;	       /* in the file, for annotations; 0: not from a file */
};

/* @unit: of the metric; a number without a unit is in seconds for UNIT_NS. Texts are copied into
 * @arena. -EINVAL, not logged: *ret_error says what is wrong (static text or in @arena), *ret_at is
 * the offset in @text. */
int budget_parse(struct arena *arena, const char *metric, enum unit unit, const char *text,
		 struct budget *ret, const char **ret_error, size_t *ret_at);

bool budget_needs_baseline(const struct budget *b);
/* SCALING and EFFICIENCY: judged over the cells of a matrix. */
bool budget_spans_matrix(const struct budget *b);
/* How many values its statistic needs at least. */
size_t budget_min_n(const struct budget *b);

/* What came out for one budget or one metric against a baseline: a row of the status table. */
struct judgement {
	const char *scenario;
	const char *metric;
	enum unit unit;	    /* of actual; UNIT_RATIO for a cv, an efficiency */
	const char *target; /* the budget as written, or "baseline main +10 %" */
	bool is_budget;	    /* else: against a baseline */
	bool is_slope;	    /* actual is an exponent */
	bool is_below;	    /* below a range: yellow, did it do all of its work? */
	bool is_floor;	    /* the target is a lower limit */
	bool excludes_fail; /* against a baseline: certainly not as much worse as `fail` */
	bool is_of_rows; /* against a baseline: rows of the breakdown decide, the whole leaves it open */
	double actual;			/* in unit; NAN: not captured */
	double actual_low, actual_high; /* interval; NAN: none */
	double base_value;		/* NAN: no baseline took part */
	double ratio, low, high;	/* change against the baseline; NAN: none */
	double headroom;		/* target / actual for limits; NAN */
	enum verdict verdict;		/* budgets: INCONCLUSIVE, or UNCHANGED */
	enum level level;
	const char *reason;		     /* one line for people; "" */
	const struct comparison *comparison; /* that it was judged by, borrowed; NULL: by itself */
	const char *cause; /* the object behind it, gate/cause.h; NULL or "": none is known */
	size_t more_runs;  /* INCONCLUSIVE: about how many would do; 0: not known, or too many */
	int line;	   /* of the budget in the file; 0: none */
};

/* Judges one budget by the values of @head. @change: against the budget's baseline, NULL when it
 * needs none. Texts live in @arena. -ENODATA: the metric was not captured, -ENOENT: needs a baseline
 * that is not there, -EDOM: so few runs cannot give that quantile, or the limit is in another unit. None
 * is logged: ret->reason says it. */
int budget_judge(struct arena *arena, const struct budget *b, const struct series *head,
		 const struct change *change, const struct levels *levels, struct judgement *ret);

/* SCALING and EFFICIENCY over the cells of a matrix: x[i] the parameter, series[i] the values there
 * (NULL: not captured). The same failures; -EDOM: fewer than two different parameters. */
int budget_judge_scaling(struct arena *arena, const struct budget *b, const double *x,
			 const struct series *const *series, size_t n, const struct levels *levels,
			 struct judgement *ret);

/* A metric against the baseline with the levels of baselines: @verdict is what
 * verdict_of() or an interleaved sequence says. -ENOMEM. */
int judge_change(struct arena *arena, const char *base_name, const struct change *change,
		 enum verdict verdict, const struct levels *levels, struct judgement *ret);

/* Nothing is concluded, for that reason. */
void judgement_withhold(struct judgement *j, const char *reason);

/* A value of @j->actual's kind for people: "812 ms", "8.5 MB", "80.0 %", "1.04". */
char *judgement_format(char text[static UNITS_BYTES], const struct judgement *j, double value);

#endif
