/* SPDX-License-Identifier: MIT */
/* OpenMetrics text (specification 1.0) for artifacts:reports:metrics. GitLab compares values with
 * those of the target branch as strings: so they are rounded, and where nothing changed it is the
 * baseline's value that is written. No sort order but the one given: a line that moves is no change.
 * The names and types are such that `promtool check metrics` takes it, too: it knows no state sets, so
 * the states are gauges, 1 for the one that holds, and "_count" is a part of histograms. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/ci/internal.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/internal.h"

/* Most that is written, in bytes: what GitLab takes as one artefact is for its administrators to say,
 * and nobody reads more than that in a merge request. */
#define MAX_BYTES (((size_t)8 << 20) - FRAME)
#define FRAME	  1024 /* what stands around the lines, and counts those left out */
/* Of one judgement. */
#define MAX_LINES ((size_t)1 << 20)
#define VERDICTS  "startline_verdict"

struct family {
	enum unit unit;
	const char *name, *unit_name, *help;
	double scale; /* of the unit to that of OpenMetrics */
};

static const struct family families[] = {
	{ UNIT_NS, "startline_seconds", "seconds", "Times, to two digits.", 1e-9 },
	{ UNIT_BYTES, "startline_bytes", "bytes", "Sizes, to two digits.", 1 },
	{ UNIT_COUNT, "startline_counts", NULL, "Counts, to two digits.", 1 },
	{ UNIT_RATIO, "startline_ratio", "ratio", "Ratios, to two digits.", 1 },
};

/* The lines of a family stay together. */
struct metrics {
	struct buf values[N_OF(families)], verdicts;
	size_t n_bytes, n_left_out;
};

static void metrics_init(struct metrics *m)
{
	*m = (struct metrics){ 0 };
	for (size_t i = 0; i < N_OF(families); i++)
		buf_init(&m->values[i], MAX_BYTES);
	buf_init(&m->verdicts, MAX_BYTES);
}

static void metrics_done(struct metrics *m)
{
	for (size_t i = 0; i < N_OF(families); i++)
		buf_done(&m->values[i]);
	buf_done(&m->verdicts);
}

/* Adds @lines to @to whole, or counts them as left out. -ENOMEM. */
static int add_lines(struct metrics *m, struct buf *to, const struct buf *lines)
{
	if (lines->error == -EFBIG || (lines->error == 0 && m->n_bytes + lines->len > MAX_BYTES)) {
		m->n_left_out++;
		return 0;
	}
	if (lines->error < 0)
		return lines->error;
	m->n_bytes += lines->len;
	return buf_adds(to, buf_str(lines));
}

static void add_label(struct buf *out, const char *name, const char *text, const char *separator)
{
	(void)buf_addf(out, "%s=\"", name);
	escape_label(out, text_of(text));
	(void)buf_addf(out, "\"%s", separator);
}

/* --- values --------------------------------------------------------------------------------- */

static double steady_value(const struct judgement *j)
{
	const bool is_unchanged = !j->is_budget && j->verdict == VERDICT_UNCHANGED;
	return is_unchanged && isfinite(j->base_value) ? j->base_value : j->actual;
}

static int add_value(struct metrics *m, const struct outcome *o, const struct judgement *j)
{
	const double value = steady_value(j);
	for (size_t i = 0; i < N_OF(families); i++) {
		if (families[i].unit != j->unit || !isfinite(value))
			continue;
		_cleanup_(buf_done) struct buf line = { .limit = MAX_LINES };
		(void)buf_addf(&line, "%s{", families[i].name);
		add_label(&line, "scenario", o->scenario, ",");
		add_label(&line, "metric", j->metric, "");
		(void)buf_addf(&line, "} %.2g\n", value * families[i].scale);
		return add_lines(m, &m->values[i], &line);
	}
	return 0;
}

/* --- verdicts ------------------------------------------------------------------------------- */

static void add_state(struct buf *out, const struct outcome *o, const struct judgement *j,
		      const char *state, bool holds)
{
	(void)buf_adds(out, VERDICTS "{");
	add_label(out, "scenario", o->scenario, ",");
	if (j != NULL) {
		add_label(out, "metric", j->metric, ",");
		add_label(out, "target", j->target, ",");
	}
	add_label(out, VERDICTS, state, "");
	(void)buf_addf(out, "} %d\n", holds);
}

/* @j NULL: of the scenario as a whole, which has no label of a metric. */
static int add_states(struct metrics *m, const struct outcome *o, const struct judgement *j,
		      enum severity severity)
{
	_cleanup_(buf_done) struct buf lines = { .limit = MAX_LINES };
	for (int i = 0; i < SEVERITY_COUNT; i++)
		add_state(&lines, o, j, severities[i].name, (enum severity)i == severity);
	return add_lines(m, &m->verdicts, &lines);
}

/* --- the whole ------------------------------------------------------------------------------ */

static int by_metric(const struct judgement *a, const struct judgement *b)
{
	return strcmp(a->metric, b->metric);
}

static int by_target(const struct judgement *a, const struct judgement *b)
{
	const int order = by_metric(a, b);
	return order != 0 ? order : strcmp(a->target, b->target);
}

/* A series may come once only: of several judgements of a metric the first one gives its value. */
static int add_outcome(struct metrics *m, const struct outcome *o)
{
	_cleanup_free_ size_t *of_metric = ci_ordinals(o, by_metric);
	_cleanup_free_ size_t *of_target = ci_ordinals(o, by_target);
	if (of_metric == NULL || of_target == NULL)
		return -ENOMEM;
	int r = add_states(m, o, NULL, outcome_severity(o));
	for (size_t i = 0; r == 0 && i < o->n_judgements; i++) {
		const struct judgement *j = &o->judgements[i];
		if (of_metric[i] == 1)
			r = add_value(m, o, j);
		if (r == 0 && of_target[i] == 1)
			r = add_states(m, o, j, severity_of_level(j->level));
	}
	return r;
}

static void print_metrics(const struct metrics *m, FILE *f)
{
	for (size_t i = 0; i < N_OF(families); i++) {
		const struct family *family = &families[i];
		(void)fprintf(f, "# TYPE %s gauge\n", family->name);
		if (family->unit_name != NULL)
			(void)fprintf(f, "# UNIT %s %s\n", family->name, family->unit_name);
		(void)fprintf(f, "# HELP %s %s\n%s", family->name, family->help,
			      buf_str(&m->values[i]));
	}
	(void)fprintf(f,
		      "# TYPE " VERDICTS " gauge\n# HELP " VERDICTS
		      " The result of each budget and each comparison.\n%s"
		      "# TYPE startline_left_out gauge\n# HELP startline_left_out Entries that did "
		      "not fit.\nstartline_left_out %zu\n# EOF\n",
		      buf_str(&m->verdicts), m->n_left_out);
}

int ci_gitlab(const struct outcome *outcomes, size_t n, FILE *f)
{
	_cleanup_(metrics_done) struct metrics m;
	int r = 0;
	metrics_init(&m);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_outcome(&m, &outcomes[i]);
	if (r == 0)
		print_metrics(&m, f);
	return r < 0 ? r : ferror(f) ? -EIO : 0;
}
