/* SPDX-License-Identifier: MIT */
/* The four units of metrics. */

#include "userspace/view/table/value.h"

#include <math.h>
#include <string.h>

enum cell_type value_cell(enum unit unit)
{
	static const enum cell_type cells[] = {
		[UNIT_NS] = CELL_NS,
		[UNIT_BYTES] = CELL_BYTES,
		[UNIT_COUNT] = CELL_COUNT,
		[UNIT_RATIO] = CELL_RATIO,
	};
	return cells[unit];
}

void value_add_interval(struct buf *out, double low, double high)
{
	char low_text[UNITS_BYTES], high_text[UNITS_BYTES];
	if (!isfinite(low) || !isfinite(high))
		return;
	(void)format_percent_signed(low_text, low - 1);
	(void)format_percent_signed(high_text, high - 1);
	/* The unit once, at the end. */
	const size_t n = strlen(low_text);
	(void)buf_addf(out, "%.*s to %s", (int)(n > 2 ? n - 2 : n), low_text, high_text);
}

void value_headroom(struct table *t, double headroom)
{
	if (isfinite(headroom))
		table_textf(t, "%.*f x", headroom < 10 ? 2 : 0, headroom);
	else
		table_text(t, NULL);
}
