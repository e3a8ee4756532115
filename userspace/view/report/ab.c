/* SPDX-License-Identifier: MIT */
/* A line for the verdict, one for its cause, one for the control, one for the design; then the same
 * tables as `compare` prints. */

#include "userspace/view/report/compare.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/gate/exact_changes.h"
#include "userspace/gate/sequence.h"
#include "userspace/gate/undisturbed.h"
#include "userspace/view/ci/ci.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/internal.h"
#include "userspace/view/table/value.h"

#define MAX_LINE ((size_t)16 << 10)
#define HANG	 2

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
	page_say(page, verdict_tone(j->verdict, TONE_STRONG), HANG, buf_str(&line));
}

static void say_why(struct page *page, const struct outcome *o, const struct judgement *j)
{
	const struct comparison *c = o->comparison;
	const struct change *main = c != NULL ? main_change(c) : NULL;
	if (main != NULL && strcmp(main->id, j->metric) == 0) {
		if (undisturbed_is_explained(j, main->id))
			say_cause(c, j->verdict, page);
	} else if (text_of(j->cause)[0] != '\0') {
		_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
		(void)buf_addf(&line, "cause: %s", j->cause);
		page_say(page, TONE_PLAIN, HANG, buf_str(&line));
	}
}

/* Noise leaves it open: perhaps what does not vary can tell. */
static void say_more(struct page *page, const struct outcome *o, const struct judgement *j)
{
	char witness[128];
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	if (j->is_of_rows)
		page_say(page, TONE_PLAIN, HANG, j->reason);
	if (j->verdict != VERDICT_INCONCLUSIVE)
		return;
	/* What something else settled passes. */
	if (o->comparison != NULL && j->level != LEVEL_GREEN &&
	    exact_changes_text(o->comparison, witness, sizeof(witness))[0] != '\0')
		(void)buf_addf(&line, "time inconclusive, %s", witness);
	if (!o->control_differs)
		(void)buf_addf(&line, "%s%s%s", line.len > 0 ? "; " : "", j->reason,
			       j->more_runs > 0 ? " (--pairs)" : "");
	if (line.len > 0)
		page_say(page, TONE_PLAIN, HANG, buf_str(&line));
}

static void say_control(struct page *page, const struct outcome *o, const struct judgement *j)
{
	struct change change;
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	const struct series *base = o->base != NULL ? metrics_find(o->base, j->metric) : NULL;
	const struct series *control =
		o->control != NULL ? metrics_find(o->control, j->metric) : NULL;
	if (base == NULL || control == NULL)
		return;
	const int r = change_of(base, control, SEQUENCE_LEVEL, &change);
	if (r < 0) {
		page->error = r;
		return;
	}
	const bool differs = sequence_control_differs(&change);
	(void)buf_addf(&line, "control: base against itself, %zu run%s:", control->summary.n,
		       control->summary.n == 1 ? "" : "s");
	add_ratio(&line, change.ratio, change.low, change.high);
	(void)buf_adds(&line, differs ? "; a difference where there is none: the verdict is "
					"withheld (startline doctor says what disturbs)"
				      : "; no difference is proven");
	page_say(page, differs ? TONE_BAD : TONE_DIM, HANG, buf_str(&line));
}

static void say_witnesses(struct page *page, const struct outcome *o)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	witnesses_line(o->comparison, "", &line);
	if (line.len > 0)
		page_say(page, TONE_PLAIN, HANG, buf_str(&line));
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
	page_say(page, TONE_DIM, HANG, buf_str(&line));
}

int report_ab(const struct outcome *o, struct page *page)
{
	if (page->format == TABLE_JSON)
		return ci_output_find("json")->print(o, 1, page->f);
	if (page->format == TABLE_CSV)
		return o->comparison != NULL ? report_compare(o->comparison, page) : 0;
	for (size_t i = 0; i < o->n_judgements; i++) {
		say_verdict(page, &o->judgements[i]);
		say_why(page, o, &o->judgements[i]);
		say_more(page, o, &o->judgements[i]);
	}
	for (size_t i = 0; i < o->n_judgements; i++)
		say_control(page, o, &o->judgements[i]);
	say_witnesses(page, o);
	say_design(page, o);
	return o->comparison != NULL ? print_changes(o->comparison, page) : page->error;
}
