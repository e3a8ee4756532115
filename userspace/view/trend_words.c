/* SPDX-License-Identifier: MIT */
/* Verdicts by the sign of a change: its existence is the detector's business, not the interval's. */

#include "userspace/view/trend_words.h"

#include <math.h>

#include "userspace/base/units.h"
#include "userspace/gate/verdict.h"
#include "userspace/view/value.h"

static bool is_worse(const struct change *c)
{
	if (c->metric->better == BETTER_NEITHER)
		return true;
	const double up = isnan(c->ratio) ? c->difference : c->ratio - 1;
	return (up > 0) == (c->metric->better == BETTER_LOWER);
}

const char *trend_direction(const struct change *c)
{
	return verdict_name(is_worse(c) ? VERDICT_REGRESSED : VERDICT_IMPROVED);
}

enum tone trend_tone(const struct history_change *c)
{
	if (c->accepted != NULL)
		return TONE_DIM;
	return is_worse(&c->change) ? TONE_BAD : TONE_GOOD;
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
	const enum verdict verdict =
		d->reason != NULL ? VERDICT_INCONCLUSIVE : verdict_of(&d->change);
	return verdict == VERDICT_REGRESSED  ? TONE_BAD
	       : verdict == VERDICT_IMPROVED ? TONE_GOOD
					     : TONE_PLAIN;
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
