/* SPDX-License-Identifier: MIT */
/* The metrics over all runs, with their statistics. */

#include <math.h>
#include <string.h>

#include "userspace/base/units.h"
#include "userspace/model/metrics.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/value.h"

/* clang-format off */
#define COLUMNS(for_spread, for_mean, for_statistics) { \
	{ .title = "metric", .key = "id", .is_elastic = true }, \
	{ .title = "unit", .key = "unit", .audience = FOR_PROGRAMS }, \
	{ .title = "class", .key = "class", .audience = FOR_PROGRAMS }, \
	{ .title = "better", .key = "better", .audience = FOR_PROGRAMS }, \
	{ .title = "median", .key = "median", .align = ALIGN_RIGHT }, \
	{ .title = "+- mad", .key = "mad", .align = ALIGN_RIGHT, .audience = for_spread }, \
	{ .title = "min", .key = "min", .align = ALIGN_RIGHT, .audience = for_spread }, \
	{ .title = "max", .key = "max", .align = ALIGN_RIGHT, .audience = for_spread }, \
	{ .title = "n", .key = "n", .align = ALIGN_RIGHT }, \
	{ .title = "mean", .key = "mean", .align = ALIGN_RIGHT, .audience = for_mean }, \
	{ .title = "stddev", .key = "stddev", .align = ALIGN_RIGHT, .audience = for_statistics }, \
	{ .title = "p95", .key = "p95", .audience = FOR_PROGRAMS }, \
	{ .title = "ci95 low", .key = "ci95_low", .audience = FOR_PROGRAMS }, \
	{ .title = "ci95 high", .key = "ci95_high", .audience = FOR_PROGRAMS }, \
	{ .title = "IQR", .key = "iqr", .align = ALIGN_RIGHT, .audience = for_statistics }, \
	{ .title = "OPS", .key = "ops", .align = ALIGN_RIGHT, .audience = for_statistics }, \
}
static const struct column columns[] = COLUMNS(FOR_ALL, FOR_PROGRAMS, FOR_PROGRAMS);
/* Other tools give the mean of some metrics and nothing else. */
static const struct column columns_with_mean[] = COLUMNS(FOR_ALL, FOR_ALL, FOR_PROGRAMS);
/* Of benchmarks what those who write them look at. */
static const struct column columns_of_benchmarks[] = COLUMNS(FOR_PROGRAMS, FOR_ALL, FOR_ALL);
/* clang-format on */

/* "bench[...]", one of the metrics that other tools' readers give. */
static bool is_benchmark(const struct series *series)
{
	return series->metric->unit == UNIT_NS && strncmp(series->id, "bench", 5) == 0 &&
	       (series->id[5] == '[' || series->id[5] == '\0');
}

/* Calls a second, at the mean time of one. */
static double ops_of(const struct series *series)
{
	return is_benchmark(series) && series->summary.mean > 0
		       ? (double)NS_PER_S / series->summary.mean
		       : (double)NAN;
}

static void add_series(struct table *t, const struct series *series)
{
	const struct metric *metric = series->metric;
	const struct summary *sum = &series->summary;
	const enum cell_type type = value_cell(metric->unit);
	table_text(t, series->id);
	table_text(t, unit_name(metric->unit));
	table_text(t, metric_class_name(metric->class));
	table_text(t, better_name(metric->better));
	table_number(t, type, sum->median);
	table_number(t, type, sum->mad);
	table_number(t, type, sum->min);
	table_number(t, type, sum->max);
	/* A summary need not say how many values it is of. */
	table_count(t, series->is_summary && sum->n == 0 ? UNKNOWN : (int64_t)sum->n);
	table_number(t, type, sum->mean);
	table_number(t, type, sum->stddev);
	table_number(t, type, sum->p95);
	table_number(t, type, sum->ci95_low);
	table_number(t, type, sum->ci95_high);
	table_number(t, type, series->n_values == 1 ? (double)NAN : sum->q3 - sum->q1);
	table_number(t, CELL_COUNT, ops_of(series));
}

static bool has_lone_mean(const struct session *s)
{
	for (size_t i = 0; i < s->n_series; i++) {
		const struct summary *sum = &s->series[i].summary;
		if (isnan(sum->median) && !isnan(sum->mean))
			return true;
	}
	return false;
}

/* With something to say of how they vary. */
static bool has_benchmark_statistics(const struct session *s)
{
	for (size_t i = 0; i < s->n_series; i++) {
		const struct series *series = &s->series[i];
		if (series->metric != NULL && is_benchmark(series) &&
		    (series->summary.n > 1 || !isnan(series->summary.stddev)))
			return true;
	}
	return false;
}

struct table *build_metrics(const struct session *s, size_t run)
{
	(void)run; /* they are of all runs */
	const struct column *shown = has_benchmark_statistics(s) ? columns_of_benchmarks
				     : has_lone_mean(s)		 ? columns_with_mean
								 : columns;
	struct table *t = table_new("Metrics", shown, N_OF(columns));
	for (size_t i = 0; i < s->n_series; i++) {
		if (s->series[i].metric != NULL)
			add_series(t, &s->series[i]);
	}
	return t;
}

/* The captured ones that are not zero throughout: the rest says nothing on a first screen. */
struct table *build_main_metrics(const struct session *s, size_t run)
{
	(void)run;
	struct table *t = table_new("Over all runs", columns, N_OF(columns));
	size_t n_left_out = 0;
	for (size_t i = 0; i < s->n_series; i++) {
		const struct series *series = &s->series[i];
		if (series->metric == NULL || series->summary.n == 0 ||
		    metric_is(series->id, METRIC_DETAIL))
			continue;
		if (series->summary.min != 0 || series->summary.max != 0)
			add_series(t, series);
		else
			n_left_out++;
	}
	if (n_left_out > 0)
		table_note(t, "and %zu that were 0 in every run: startline report --view metrics",
			   n_left_out);
	return t;
}
