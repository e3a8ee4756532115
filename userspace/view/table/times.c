/* SPDX-License-Identifier: MIT */
/* UTC, because machines that share a store need not share a time zone. */

#include "userspace/view/table/times.h"

#include <string.h>
#include <time.h>

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
