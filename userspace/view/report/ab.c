/* SPDX-License-Identifier: MIT */
/* A line for the verdict, one for its cause, one for the control, one for the design; then the same
 * tables as `compare` prints. */

#include "userspace/view/report/ab.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/gate/exact_changes.h"
#include "userspace/gate/sequence.h"
#include "userspace/view/ci/ci.h"
#include "userspace/view/report/compare.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/internal.h"
#include "userspace/view/table/value.h"

#define MAX_LINE ((size_t)16 << 10)
#define HANG	 2

struct page {
	enum table_format format;
	const struct print_style *style;
	FILE *f;
	int error;
};

static void say(struct page *page, enum tone tone, const struct buf *line)
{
	const int r =
		print_paragraph(page->format, page->style, page->f, tone, HANG, buf_str(line));
	if (page->error == 0 && r < 0)
		page->error = r;
}

/* " +72.4 % (98.5 % interval +68.0 to +77.1 %)": as much of it as there is. */
static void add_ratio(struct buf *line, double ratio, double low, double high)
{
	char change[UNITS_BYTES];
	if (!isfinite(ratio))
		return;
	(void)buf_addf(line, " %s", format_percent_signed(change, ratio - 1));
	if (!isfinite(low) || !isfinite(high) || low == high)
		return;
	(void)buf_addf(line, " (%.3g %% interval ", SEQUENCE_LEVEL * 100);
	value_add_interval(line, low, high);
	(void)buf_addc(line, ')');
}

static void say_verdict(struct page *page, const struct judgement *j)
{
	char base[UNITS_BYTES], head[UNITS_BYTES];
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	(void)buf_addf(&line, "%s %s -> %s", j->metric, value_format(base, j->unit, j->base_value),
		       value_format(head, j->unit, j->actual));
	if (isfinite(j->ratio))
		(void)buf_addc(&line, ',');
	add_ratio(&line, j->ratio, j->low, j->high);
	(void)buf_addf(&line, ": %s", verdict_name(j->verdict));
	say(page, verdict_tone(j->verdict, TONE_STRONG), &line);
}

static void say_cause(struct page *page, const struct outcome *o, const struct judgement *j)
{
	const struct comparison *c = o->comparison;
	const struct change *main = c != NULL ? main_change(c) : NULL;
	char delta[UNITS_BYTES];
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	if (!verdict_is_change(j->verdict))
		return;
	if (strncmp(j->metric, "heap.", strlen("heap.")) == 0) {
		(void)buf_adds(&line, "cause: " COMPARE_NO_CALL_SITES);
		say(page, TONE_PLAIN, &line);
		return;
	}
	const struct contribution *most =
		main != NULL && strcmp(main->id, j->metric) == 0 ? comparison_cause(c) : NULL;
	if (most == NULL)
		return;
	(void)buf_addf(&line, "cause: %s%s %s in %s", most->delta_ns > 0 ? "+" : "",
		       format_ns(delta, (double)most->delta_ns), contribution_cause(most),
		       contribution_phase(most));
	const size_t n = line.len;
	(void)buf_adds(&line, ": ");
	contribution_what(most, &line);
	if (line.len == n + strlen(": "))
		buf_truncate(&line, n);
	say(page, TONE_PLAIN, &line);
}

/* Noise leaves it open: perhaps what does not vary can tell. */
static void say_more(struct page *page, const struct outcome *o, const struct judgement *j)
{
	char witness[128];
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	if (j->verdict != VERDICT_INCONCLUSIVE)
		return;
	if (o->comparison != NULL &&
	    exact_changes_text(o->comparison, witness, sizeof(witness))[0] != '\0')
		(void)buf_addf(&line, "time inconclusive, %s", witness);
	if (!o->control_differs)
		(void)buf_addf(&line, "%s%s%s", line.len > 0 ? "; " : "", j->reason,
			       j->more_runs > 0 ? " (--pairs)" : "");
	if (line.len > 0)
		say(page, TONE_PLAIN, &line);
}

static int say_control(struct page *page, const struct outcome *o, const struct judgement *j)
{
	struct change change;
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	const struct series *base = o->base != NULL ? metrics_find(o->base, j->metric) : NULL;
	const struct series *control =
		o->control != NULL ? metrics_find(o->control, j->metric) : NULL;
	if (base == NULL || control == NULL)
		return 0;
	const int r = change_of(base, control, SEQUENCE_LEVEL, &change);
	if (r < 0)
		return r;
	const bool differs = sequence_control_differs(&change);
	(void)buf_addf(&line, "control: base against itself, %zu run%s:", control->summary.n,
		       control->summary.n == 1 ? "" : "s");
	add_ratio(&line, change.ratio, change.low, change.high);
	(void)buf_adds(&line, differs ? "; a difference where there is none: the verdict is "
					"withheld (startline doctor says what disturbs)"
				      : "; no difference is proven");
	say(page, differs ? TONE_BAD : TONE_DIM, &line);
	return 0;
}

static void say_design(struct page *page, const struct outcome *o)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	if (o->pairs == 0)
		(void)buf_addf(&line, "no pair was complete, seed %" PRIu64, o->seed);
	else if (o->control == NULL)
		(void)buf_addf(&line, "%zu runs of head, base was measured before", o->pairs);
	else
		(void)buf_addf(&line, "%zu pair%s in random order, seed %" PRIu64, o->pairs,
			       o->pairs == 1 ? "" : "s", o->seed);
	if (o->repeats > 0)
		(void)buf_addf(&line, "; %zu repeated because the machine was busy", o->repeats);
	if (o->reason != NULL && o->reason[0] != '\0')
		(void)buf_addf(&line, "; %s", o->reason);
	say(page, TONE_DIM, &line);
}

static int print_for_people(struct page *page, const struct outcome *o)
{
	int r = 0;
	for (size_t i = 0; i < o->n_judgements; i++) {
		say_verdict(page, &o->judgements[i]);
		say_cause(page, o, &o->judgements[i]);
		say_more(page, o, &o->judgements[i]);
	}
	for (size_t i = 0; i < o->n_judgements && r >= 0; i++)
		r = say_control(page, o, &o->judgements[i]);
	say_design(page, o);
	if (r >= 0 && o->comparison != NULL)
		r = print_changes(o->comparison, page->format, page->style, page->f);
	return r < 0 ? r : page->error;
}

int report_ab(const struct outcome *o, enum table_format format, const struct print_style *style,
	      FILE *f)
{
	struct page page = { .format = format, .style = style, .f = f };
	if (format == TABLE_JSON)
		return ci_output_find("json")->print(o, 1, f);
	if (format != TABLE_CSV)
		return print_for_people(&page, o);
	return o->comparison != NULL ? report_compare(o->comparison, format, style, f) : 0;
}
