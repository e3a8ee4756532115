/* SPDX-License-Identifier: MIT */
/* JUnit XML, in the subset that GitLab, Jenkins and GitHub's actions agree on. A suite per scenario,
 * a case per judgement. Names are the metric and its target, and hold no measured numbers, so that a
 * case that fails can be told from one that failed before. What was measured is the output of those that
 * pass. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/gate/exact_changes.h"
#include "userspace/view/ci/internal.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/internal.h"

#define MAX_WORDS ((size_t)1 << 20) /* of one case */
#define MAX_SUITE ((size_t)256 << 20)
#define CAUSES	  5 /* of a regression, in the text of the failure */

/* --- counts --------------------------------------------------------------------------------- */

struct counts {
	size_t cases, of[CASE_RESULTS];
	double seconds;
};

static double seconds_of(const struct judgement *j)
{
	return j->unit == UNIT_NS && isfinite(j->actual) && j->actual > 0 ? j->actual / 1e9 : 0;
}

static void count(const struct outcome *o, struct counts *sum)
{
	if (outcome_is_whole(o)) {
		sum->cases++;
		sum->of[severities[outcome_whole_severity(o)].result]++;
	}
	for (size_t i = 0; i < o->n_judgements; i++) {
		sum->cases++;
		sum->of[severities[severity_of_level(o->judgements[i].level)].result]++;
		sum->seconds += seconds_of(&o->judgements[i]);
	}
}

static void add_counts(struct buf *out, const struct counts *c)
{
	(void)buf_addf(
		out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.9f\"",
		c->cases, c->of[CASE_FAILURE], c->of[CASE_ERROR], c->of[CASE_SKIPPED], c->seconds);
}

/* --- cases ---------------------------------------------------------------------------------- */

static void add_escaped(struct buf *out, const char *before, const char *text, const char *after)
{
	(void)buf_adds(out, before);
	escape_xml(out, text_of(text));
	(void)buf_adds(out, after);
}

/* Where a regression comes from. */
static void add_causes(struct buf *out, const struct ci_row *row)
{
	const struct comparison *c = row->outcome->comparison;
	if (row->judgement == NULL || row->judgement->is_budget || c == NULL ||
	    !c->has_contributions)
		return;
	for (size_t i = 0; i < c->n_contributions && i < CAUSES; i++) {
		const struct contribution *k = &c->contributions[i];
		if (k->delta_ns == 0)
			continue;
		_cleanup_(buf_done) struct buf words = { .limit = MAX_WORDS };
		char delta[UNITS_BYTES];
		if (k->step != NULL)
			ci_cut(&words, k->step->name, 80);
		(void)buf_addf(&words, "%s%s%s %s %s ", k->step != NULL ? ": " : "",
			       k->delta_ns > 0 ? "+" : "", format_ns(delta, (double)k->delta_ns),
			       contribution_phase(k), contribution_cause(k));
		ci_cut(&words, text_of(k->detail)[0] != '\0' ? k->detail : k->process, 200);
		add_escaped(out, "\n", buf_str(&words), "");
	}
}

static void add_result(struct buf *out, const struct ci_row *row)
{
	_cleanup_(buf_done) struct buf words = { .limit = MAX_WORDS },
				       witnesses = { .limit = MAX_WORDS };
	ci_row_words(&words, row);
	if (row->judgement != NULL && !row->judgement->is_budget)
		witnesses_line(row->outcome->comparison, "; ", &witnesses);
	switch (severities[row->severity].result) {
	case CASE_FAILURE:
		(void)buf_addf(out, "<failure type=\"%s\"",
			       row->judgement == NULL || !row->judgement->is_budget ? "regression"
										    : "budget");
		add_escaped(out, " message=\"", buf_str(&words), "\">");
		add_escaped(out, "", buf_str(&words), "");
		add_escaped(out, "", buf_str(&witnesses), "");
		add_causes(out, row);
		(void)buf_adds(out, "</failure>");
		break;
	case CASE_ERROR:
		(void)buf_addf(out, "<error type=\"%s\"", severities[row->severity].name);
		add_escaped(out, " message=\"", buf_str(&words), "\"/>");
		break;
	case CASE_SKIPPED:
		(void)buf_adds(&words, buf_str(&witnesses));
		add_escaped(out, "<skipped message=\"", buf_str(&words), "\"/>");
		break;
	case CASE_PASSED:
		/* What it came to, where readers show the output of a test. */
		(void)buf_adds(&words, buf_str(&witnesses));
		add_escaped(out, "<system-out>", buf_str(&words), "</system-out>");
		break;
	case CASE_RESULTS:
		break;
	}
	if (words.error < 0 || witnesses.error < 0)
		out->error = words.error < 0 ? words.error : witnesses.error;
}

/* Cases are named after these: names are to be unique. */
static int by_name(const struct judgement *a, const struct judgement *b)
{
	if (a->is_budget != b->is_budget)
		return a->is_budget - b->is_budget;
	const int order = strcmp(a->metric, b->metric);
	return order != 0 ? order : strcmp(text_of(a->target), text_of(b->target));
}

static void add_case(struct buf *out, const struct ci_row *row, size_t number)
{
	const struct judgement *j = row->judgement;
	const struct outcome *o = row->outcome;
	add_escaped(out, "<testcase classname=\"startline.", o->scenario, "\"");
	add_escaped(out, " name=\"", j != NULL ? j->metric : "scenario", "");
	if (j != NULL)
		add_escaped(out, j->is_budget ? " " : " against ", j->target, "");
	if (j != NULL && number > 1)
		(void)buf_addf(out, " %zu", number);
	(void)buf_addc(out, '"');
	if (o->file != NULL)
		add_escaped(out, " file=\"", o->file, "\"");
	(void)buf_addf(out, " time=\"%.9f\">", j != NULL ? seconds_of(j) : 0.0);
	add_result(out, row);
	(void)buf_adds(out, "</testcase>\n");
}

static void add_properties(struct buf *out, const struct outcome *o)
{
	add_escaped(out, "<properties><property name=\"command\" value=\"", o->command, "\"/>");
	if (o->base_name != NULL)
		add_escaped(out, "<property name=\"base\" value=\"", o->base_name, "\"/>");
	if (o->pairs > 0)
		(void)buf_addf(out,
			       "<property name=\"pairs\" value=\"%zu\"/>"
			       "<property name=\"seed\" value=\"%llu\"/>",
			       o->pairs, (unsigned long long)o->seed);
	(void)buf_adds(out, "</properties>\n");
}

static int print_suite(const struct outcome *o, FILE *f)
{
	struct counts counts = { 0 };
	_cleanup_(buf_done) struct buf out = { .limit = MAX_SUITE };
	_cleanup_free_ size_t *ordinals = ci_ordinals(o, by_name);
	if (ordinals == NULL)
		return -ENOMEM;
	count(o, &counts);
	add_escaped(&out, "<testsuite name=\"startline.", o->scenario, "\"");
	add_counts(&out, &counts);
	(void)buf_adds(&out, ">\n");
	add_properties(&out, o);
	if (outcome_is_whole(o))
		add_case(&out,
			 &(struct ci_row){ .outcome = o, .severity = outcome_whole_severity(o) },
			 1);
	for (size_t i = 0; i < o->n_judgements; i++) {
		const struct judgement *j = &o->judgements[i];
		add_case(&out, &(struct ci_row){ o, j, severity_of_level(j->level), i },
			 ordinals[i]);
	}
	(void)buf_adds(&out, "</testsuite>\n");
	(void)fputs(buf_str(&out), f);
	return out.error;
}

int ci_junit(const struct outcome *outcomes, size_t n, FILE *f)
{
	struct counts counts = { 0 };
	_cleanup_(buf_done) struct buf head = { .limit = MAX_WORDS };
	for (size_t i = 0; i < n; i++)
		count(&outcomes[i], &counts);
	add_counts(&head, &counts);
	(void)fprintf(
		f,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"startline\"%s>\n",
		buf_str(&head));
	int r = head.error;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = print_suite(&outcomes[i], f);
	(void)fputs("</testsuites>\n", f);
	return r < 0 ? r : ferror(f) ? -EIO : 0;
}
