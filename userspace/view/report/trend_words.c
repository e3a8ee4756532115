/* SPDX-License-Identifier: MIT */
/* Verdicts by the sign of a change: its existence is the detector's business, not the interval's. */

#include "userspace/view/report/trend_words.h"

#include <math.h>

#include "userspace/base/units.h"
#include "userspace/gate/verdict.h"
#include "userspace/view/table/value.h"

static enum verdict direction(const struct change *c)
{
	const double up = isnan(c->ratio) ? c->difference : c->ratio - 1;
	if (c->metric->better == BETTER_NEITHER)
		return VERDICT_CHANGED;
	return (up > 0) == (c->metric->better == BETTER_LOWER) ? VERDICT_REGRESSED
							       : VERDICT_IMPROVED;
}

static enum tone tone_of(enum verdict verdict)
{
	return verdict == VERDICT_REGRESSED  ? TONE_BAD
	       : verdict == VERDICT_IMPROVED ? TONE_GOOD
					     : TONE_PLAIN;
}

const char *trend_direction(const struct change *c)
{
	return verdict_name(direction(c));
}

enum tone trend_tone(const struct history_change *c)
{
	return c->accepted != NULL ? TONE_DIM : tone_of(direction(&c->change));
}

void trend_add_size(struct buf *out, const struct change *c)
{
	char text[UNITS_BYTES];
	if (isfinite(c->ratio)) {
		(void)buf_adds(out, format_percent_signed(text, c->ratio - 1));
		return;
	}
	(void)buf_addf(out, "%s%s", c->difference > 0 ? "+" : "",
		       value_format(text, c->metric->unit, c->difference));
}

enum tone trend_drift_tone(const struct history_drift *d)
{
	return d->reason != NULL ? TONE_PLAIN : tone_of(verdict_of(&d->change));
}

void trend_add_id(struct table *t, const char *text)
{
	const bool is_known = text != NULL && *text != '\0';
	if (is_known)
		table_textf(t, "%.*s", TREND_SHORT, text);
	else
		table_text(t, NULL);
	table_text(t, is_known ? text : NULL);
}
