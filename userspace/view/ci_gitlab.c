/* SPDX-License-Identifier: MIT */
/* OpenMetrics text (specification 1.0) for artifacts:reports:metrics. GitLab compares values with
 * those of the target branch as strings: so they are rounded, and where nothing changed it is the
 * baseline's value that is written. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/ci_internal.h"
#include "userspace/view/internal.h"

#define MAX_LINE ((size_t)1 << 20)

struct family {
	enum unit unit;
	const char *name, *unit_name, *help;
	double scale; /* of the unit to that of OpenMetrics */
};

static const struct family families[] = {
	{ UNIT_NS, "startline_seconds", "seconds", "Times, to two digits.", 1e-9 },
	{ UNIT_BYTES, "startline_bytes", "bytes", "Sizes, to two digits.", 1 },
	{ UNIT_COUNT, "startline_count", NULL, "Counts, to two digits.", 1 },
	{ UNIT_RATIO, "startline_ratio", "ratio", "Ratios, to two digits.", 1 },
};

static void add_label(struct buf *out, const char *name, const char *text, const char *separator)
{
	(void)buf_addf(out, "%s=\"", name);
	escape_label(out, text == NULL ? "" : text);
	(void)buf_addf(out, "\"%s", separator);
}

/* A series may come once only: of several judgements of a metric the first one gives its value. */
static bool is_first(const struct outcome *o, size_t index, bool by_target)
{
	const struct judgement *j = &o->judgements[index];
	for (size_t i = 0; i < index; i++) {
		if (strcmp(o->judgements[i].metric, j->metric) == 0 &&
		    (!by_target || strcmp(o->judgements[i].target, j->target) == 0))
			return false;
	}
	return true;
}

static double steady_value(const struct judgement *j)
{
	const bool is_unchanged = !j->is_budget && j->verdict == VERDICT_UNCHANGED;
	return is_unchanged && isfinite(j->base_value) ? j->base_value : j->actual;
}

static int print_value(const struct family *family, const struct outcome *o,
		       const struct judgement *j, FILE *f)
{
	_cleanup_(buf_done) struct buf line;
	const double value = steady_value(j);
	if (!isfinite(value))
		return 0;
	buf_init(&line, MAX_LINE);
	(void)buf_addf(&line, "%s{", family->name);
	add_label(&line, "scenario", o->scenario, ",");
	add_label(&line, "metric", j->metric, "");
	(void)buf_addf(&line, "} %.2g\n", value * family->scale);
	(void)fputs(buf_str(&line), f);
	return line.error;
}

static int print_family(const struct family *family, const struct outcome *outcomes, size_t n,
			FILE *f)
{
	int r = 0;
	(void)fprintf(f, "# TYPE %s gauge\n", family->name);
	if (family->unit_name != NULL)
		(void)fprintf(f, "# UNIT %s %s\n", family->name, family->unit_name);
	(void)fprintf(f, "# HELP %s %s\n", family->name, family->help);
	for (size_t i = 0; i < n; i++) {
		const struct outcome *o = &outcomes[i];
		for (size_t k = 0; r == 0 && k < o->n_judgements; k++) {
			if (o->judgements[k].unit == family->unit && is_first(o, k, false))
				r = print_value(family, o, &o->judgements[k], f);
		}
	}
	return r;
}

/* --- verdicts ------------------------------------------------------------------------------- */

#define VERDICTS "startline_verdict"

static int print_state(const struct outcome *o, const struct judgement *j, const char *state,
		       bool holds, FILE *f)
{
	_cleanup_(buf_done) struct buf line;
	buf_init(&line, MAX_LINE);
	(void)buf_adds(&line, VERDICTS "{");
	add_label(&line, "scenario", o->scenario, ",");
	if (j != NULL) {
		add_label(&line, "metric", j->metric, ",");
		add_label(&line, "target", j->target, ",");
	}
	add_label(&line, VERDICTS, state, "");
	(void)buf_addf(&line, "} %d\n", holds);
	(void)fputs(buf_str(&line), f);
	return line.error;
}

static int print_states(const struct outcome *o, const struct judgement *j, enum ci_mark mark,
			FILE *f)
{
	int r = 0;
	for (int i = 0; r == 0 && i < MARK_COUNT; i++)
		r = print_state(o, j, ci_mark_name((enum ci_mark)i), (enum ci_mark)i == mark, f);
	return r;
}

/* Of a metric, and without the label of a metric of the scenario as a whole. */
static int print_verdicts(const struct outcome *o, FILE *f)
{
	int r = print_states(o, NULL, ci_outcome_mark(o), f);
	for (size_t i = 0; r == 0 && i < o->n_judgements; i++) {
		const struct judgement *j = &o->judgements[i];
		if (is_first(o, i, true))
			r = print_states(o, j, ci_mark_of(j), f);
	}
	return r;
}

int ci_gitlab(const struct outcome *outcomes, size_t n, FILE *f)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < sizeof(families) / sizeof(families[0]); i++)
		r = print_family(&families[i], outcomes, n, f);
	(void)fputs("# TYPE " VERDICTS " stateset\n# HELP " VERDICTS
		    " What came of each budget and each comparison.\n",
		    f);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = print_verdicts(&outcomes[i], f);
	(void)fputs("# EOF\n", f);
	return r < 0 ? r : ferror(f) ? -EIO : 0;
}
