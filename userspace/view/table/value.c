/* SPDX-License-Identifier: MIT */
/* Cells and words that several reports have. Times are UTC, because machines that share a store need
 * not share a time zone. */

#include "userspace/view/table/value.h"

#include <math.h>
#include <string.h>
#include <time.h>

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

char *format_date(char text[static TIMES_BYTES], int64_t realtime_ns)
{
	const time_t seconds = (time_t)(realtime_ns / 1000000000);
	struct tm utc;
	if (realtime_ns < 0 || gmtime_r(&seconds, &utc) == NULL ||
	    strftime(text, TIMES_BYTES, "%Y-%m-%d %H:%M", &utc) == 0)
		memcpy(text, "-", 2);
	return text;
}

char *format_day(char text[static TIMES_BYTES], int64_t realtime_ns)
{
	text[strcspn(format_date(text, realtime_ns), " ")] = '\0';
	return text;
}
