/* SPDX-License-Identifier: MIT */
/* Points in time, for people. */
#ifndef USERSPACE_VIEW_TABLE_TIMES_H
#define USERSPACE_VIEW_TABLE_TIMES_H

#include <stdint.h>

#define TIMES_BYTES 24

/* "2026-11-21 14:22", UTC; "-" when it is out of range. Returns @text. */
char *format_date(char text[static TIMES_BYTES], int64_t realtime_ns);
/* "2026-11-21". */
char *format_day(char text[static TIMES_BYTES], int64_t realtime_ns);

#endif
