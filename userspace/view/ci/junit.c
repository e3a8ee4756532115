/* SPDX-License-Identifier: MIT */
/* JUnit XML, in the subset that GitLab, Jenkins and GitHub's actions agree on. A suite per scenario,
 * a case per judgement. Names hold no measured numbers, so that a case that fails can be told from
 * one that failed before. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/view/ci/internal.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/internal.h"

#define MAX_LINE ((size_t)1 << 20)
#define CAUSES	 5 /* of a regression, in the text of the failure */

enum result { RESULT_PASSED, RESULT_FAILURE, RESULT_ERROR, RESULT_SKIPPED, RESULT_COUNT };

static enum result result_of(enum ci_mark mark)
{
	switch (mark) {
	case MARK_TROUBLE:
	case MARK_TARGET_FAILED:
		return RESULT_ERROR;
	case MARK_FAILED:
		return RESULT_FAILURE;
	case MARK_CANNOT_JUDGE:
	case MARK_INCONCLUSIVE:
	case MARK_SKIPPED:
		return RESULT_SKIPPED;
	case MARK_WARNED:
	case MARK_TOLERATED:
	case MARK_PASSED:
	case MARK_COUNT:
		break;
	}
	return RESULT_PASSED;
}

/* --- counts --------------------------------------------------------------------------------- */

struct counts {
	size_t cases, of[RESULT_COUNT];
	double seconds;
};

static bool has_own_case(const struct outcome *o)
{
	return o->kind != OUTCOME_JUDGED || o->n_judgements == 0;
}

static double seconds_of(const struct judgement *j)
{
	return j->unit == UNIT_NS && isfinite(j->actual) && j->actual > 0 ? j->actual / 1e9 : 0;
}

static void count(const struct outcome *o, struct counts *sum)
{
	if (has_own_case(o)) {
		sum->cases++;
		sum->of[result_of(ci_outcome_mark(o))]++;
	}
	for (size_t i = 0; i < o->n_judgements; i++) {
		sum->cases++;
		sum->of[result_of(ci_mark_of(&o->judgements[i]))]++;
		sum->seconds += seconds_of(&o->judgements[i]);
	}
}

static void print_counts(const struct counts *c, FILE *f)
{
	(void)fprintf(
		f, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.9f\"",
		c->cases, c->of[RESULT_FAILURE], c->of[RESULT_ERROR], c->of[RESULT_SKIPPED],
		c->seconds);
}

/* --- cases ---------------------------------------------------------------------------------- */

static int print_escaped(FILE *f, const char *before, const char *text, const char *after)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	(void)buf_adds(&line, before);
	escape_xml(&line, text_of(text));
	(void)buf_adds(&line, after);
	(void)fputs(buf_str(&line), f);
	return line.error;
}

/* Where a regression comes from. */
static int print_causes(const struct ci_row *row, FILE *f)
{
	const struct comparison *c = row->outcome->comparison;
	int r = 0;
	if (row->judgement == NULL || row->judgement->is_budget || c == NULL ||
	    !c->has_contributions)
		return 0;
	for (size_t i = 0; r == 0 && i < c->n_contributions && i < CAUSES; i++) {
		const struct contribution *k = &c->contributions[i];
		if (k->delta_ns == 0)
			continue;
		_cleanup_(buf_done) struct buf words = { .limit = MAX_LINE };
		char delta[UNITS_BYTES];
		(void)buf_addf(&words, "%s%s %s %s ", k->delta_ns > 0 ? "+" : "",
			       format_ns(delta, (double)k->delta_ns), contribution_phase(k),
			       contribution_cause(k));
		ci_cut(&words, text_of(k->detail)[0] != '\0' ? k->detail : k->process, 200);
		r = print_escaped(f, "\n", buf_str(&words), "");
	}
	return r;
}

static const char *failure_type(const struct ci_row *row)
{
	return row->judgement == NULL || !row->judgement->is_budget ? "regression" : "budget";
}

static int print_result(const struct ci_row *row, FILE *f)
{
	_cleanup_(buf_done) struct buf words = { .limit = MAX_LINE };
	ci_row_words(&words, row);
	int r = words.error;
	switch (result_of(row->mark)) {
	case RESULT_FAILURE:
		(void)fprintf(f, "<failure type=\"%s\"", failure_type(row));
		r = r < 0 ? r : print_escaped(f, " message=\"", buf_str(&words), "\">");
		r = r < 0 ? r : print_escaped(f, "", buf_str(&words), "");
		r = r < 0 ? r : print_causes(row, f);
		(void)fputs("</failure>", f);
		break;
	case RESULT_ERROR:
		(void)fprintf(f, "<error type=\"%s\"",
			      row->mark == MARK_TROUBLE ? "trouble" : "target");
		r = r < 0 ? r : print_escaped(f, " message=\"", buf_str(&words), "\"/>");
		break;
	case RESULT_SKIPPED:
		r = r < 0 ? r : print_escaped(f, "<skipped message=\"", buf_str(&words), "\"/>");
		break;
	case RESULT_PASSED:
	case RESULT_COUNT:
		break;
	}
	return r;
}

/* Cases are named after these: names are to be unique. */
static int by_name(const struct judgement *a, const struct judgement *b)
{
	return a->is_budget != b->is_budget ? a->is_budget - b->is_budget
					    : strcmp(a->metric, b->metric);
}

static int print_case(const struct ci_row *row, size_t number, FILE *f)
{
	const struct judgement *j = row->judgement;
	char after[64] = "\"";
	if (j != NULL && number > 1)
		(void)snprintf(after, sizeof(after), " %s %zu\"",
			       j->is_budget ? "budget" : "against baseline", number);
	else if (j != NULL)
		(void)snprintf(after, sizeof(after), " %s\"",
			       j->is_budget ? "budget" : "against baseline");
	int r = print_escaped(f, "<testcase classname=\"startline.", row->outcome->scenario, "\"");
	if (r == 0)
		r = print_escaped(f, " name=\"", j != NULL ? j->metric : "scenario", after);
	if (r == 0 && row->outcome->file != NULL)
		r = print_escaped(f, " file=\"", row->outcome->file, "\"");
	(void)fprintf(f, " time=\"%.9f\">", j != NULL ? seconds_of(j) : 0.0);
	if (r == 0)
		r = print_result(row, f);
	(void)fputs("</testcase>\n", f);
	return r;
}

static int print_properties(const struct outcome *o, FILE *f)
{
	(void)fputs("<properties>", f);
	int r = print_escaped(f, "<property name=\"command\" value=\"", o->command, "\"/>");
	if (r == 0 && o->base_name != NULL)
		r = print_escaped(f, "<property name=\"base\" value=\"", o->base_name, "\"/>");
	if (o->pairs > 0)
		(void)fprintf(f,
			      "<property name=\"pairs\" value=\"%zu\"/>"
			      "<property name=\"seed\" value=\"%llu\"/>",
			      o->pairs, (unsigned long long)o->seed);
	(void)fputs("</properties>\n", f);
	return r;
}

static int print_suite(const struct outcome *o, FILE *f)
{
	struct counts counts = { 0 };
	_cleanup_free_ size_t *ordinals = ci_ordinals(o, by_name);
	if (ordinals == NULL)
		return -ENOMEM;
	count(o, &counts);
	int r = print_escaped(f, "<testsuite name=\"startline.", o->scenario, "\"");
	print_counts(&counts, f);
	(void)fputs(">\n", f);
	if (r == 0)
		r = print_properties(o, f);
	const struct ci_row whole = { .outcome = o, .mark = ci_outcome_mark(o) };
	if (r == 0 && has_own_case(o))
		r = print_case(&whole, 1, f);
	for (size_t i = 0; r == 0 && i < o->n_judgements; i++) {
		const struct judgement *j = &o->judgements[i];
		const struct ci_row row = { o, j, ci_mark_of(j), i };
		r = print_case(&row, ordinals[i], f);
	}
	(void)fputs("</testsuite>\n", f);
	return r;
}

int ci_junit(const struct outcome *outcomes, size_t n, FILE *f)
{
	struct counts counts = { 0 };
	int r = 0;
	for (size_t i = 0; i < n; i++)
		count(&outcomes[i], &counts);
	(void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"startline\"",
		    f);
	print_counts(&counts, f);
	(void)fputs(">\n", f);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = print_suite(&outcomes[i], f);
	(void)fputs("</testsuites>\n", f);
	return r < 0 ? r : ferror(f) ? -EIO : 0;
}
