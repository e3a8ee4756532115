/* SPDX-License-Identifier: MIT */
/* Budgets: "< 1 s", "5-15 s", "p95 < 10 ms", "<= 50 % of @pre", "improve >= 50 %", "+10 %",
 * "scaling(workers) <= 1.1", "cv < 5 %". One grammar for all; docs/man/startline.yml.5.md. */
#ifndef USERSPACE_GATE_BUDGET_H
#define USERSPACE_GATE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/gate/verdict.h"
#include "userspace/model/metrics.h"

enum budget_kind {
	BUDGET_LIMIT, /* below high, or above low */
	BUDGET_RANGE, /* between low and high */
	BUDGET_OF,    /* head / base: "<= 50 % of @pre" is high = 0.5; "improve >= 50 %" likewise */
	BUDGET_CHANGE,	/* "+10 %": at most 10 % worse than the baseline; "-10 %": 10 % less */
	BUDGET_SCALING, /* slope of log value over log parameter */
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
	bool is_low_inclusive, is_high_inclusive;
	const char *baseline;  /* without '@'; NULL: the scenario's */
	const char *parameter; /* SCALING */
};

/* @unit: of the metric; a number without a unit is in seconds for UNIT_NS. Texts are copied into
 * @arena. -EINVAL, not logged: *ret_error says what is wrong (static text or in @arena), *ret_at is
 * the offset in @text. */
int budget_parse(struct arena *arena, const char *metric, enum unit unit, const char *text,
		 struct budget *ret, const char **ret_error, size_t *ret_at);

/* What came out for one budget or one metric against a baseline: a row of the status table. */
struct finding_of_gate;

struct judgement {
	const char *scenario;
	const char *metric;
	enum unit unit;
	const char *target;		/* the budget as written, or "baseline main +10 %" */
	bool is_budget;			/* else: against a baseline */
	double actual;			/* in unit; NAN: not captured */
	double actual_low, actual_high; /* interval; NAN: none */
	double base_value;		/* NAN: no baseline took part */
	double ratio, low, high;	/* change against the baseline; NAN: none */
	double headroom;		/* target / actual for limits; NAN */
	enum verdict verdict;		/* budgets: INCONCLUSIVE, or UNCHANGED */
	enum level level;
	const char *reason; /* one line for people; "" */
	size_t more_runs;   /* INCONCLUSIVE: about how many would do; 0: not known */
};

/* Judges one budget by the values of @head. @change: against the budget's baseline, NULL when it
 * needs none. Texts live in @arena. -ENODATA: the metric was not captured, -ENOENT: needs a baseline
 * that is not there, -EDOM: so few runs cannot give that quantile; all not logged, ret->reason
 * says it. */
int budget_judge(struct arena *arena, const struct budget *b, const struct series *head,
		 const struct change *change, const struct levels *levels, struct judgement *ret);

/* BUDGET_SCALING over the cells of a matrix: x[i] the parameter, series[i] the values there. */
int budget_judge_scaling(struct arena *arena, const struct budget *b, const double *x,
			 const struct series *const *series, size_t n, struct judgement *ret);

#endif
