/* SPDX-License-Identifier: MIT */
/* The table of severities. */

#include "userspace/gate/severity.h"

/* clang-format off */
const struct severity_row severities[SEVERITY_COUNT] = {
	[SEVERITY_MISCONFIGURED] = { "misconfigured", "misconfigured",   "⛔", ALARM_ERROR,   CASE_ERROR,   2 },
	[SEVERITY_TROUBLE]       = { "trouble",       "trouble",         "⛔", ALARM_ERROR,   CASE_ERROR,   6 },
	[SEVERITY_TARGET_FAILED] = { "target failed", "target failed",   "⛔", ALARM_ERROR,   CASE_ERROR,   3 },
	[SEVERITY_FAILED]        = { "failed",        "red",             "🔴", ALARM_ERROR,   CASE_FAILURE, 1 },
	[SEVERITY_CANNOT_JUDGE]  = { "cannot judge",  "cannot judge",    "⛔", ALARM_ERROR,   CASE_ERROR,   4 },
	[SEVERITY_INCONCLUSIVE]  = { "inconclusive",  "inconclusive",    "⚪", ALARM_WARNING, CASE_SKIPPED, 5 },
	[SEVERITY_WARNED]        = { "warning",       "yellow",          "🟡", ALARM_WARNING, CASE_PASSED,  0 },
	[SEVERITY_TOLERATED]     = { "tolerated",     "over, tolerated", "🟢", ALARM_NOTICE,  CASE_PASSED,  0 },
	[SEVERITY_SKIPPED]       = { "skipped",       "skipped",         "⚪", ALARM_NOTICE,  CASE_SKIPPED, 0 },
	[SEVERITY_PASSED]        = { "passed",        "green",           "🟢", ALARM_NONE,    CASE_PASSED,  0 },
};
/* clang-format on */

enum severity severity_of_level(enum level level)
{
	static const enum severity of_level[LEVEL_COUNT] = {
		[LEVEL_GREEN] = SEVERITY_PASSED,
		[LEVEL_TOLERATED] = SEVERITY_TOLERATED,
		[LEVEL_YELLOW] = SEVERITY_WARNED,
		[LEVEL_RED] = SEVERITY_FAILED,
		[LEVEL_INCONCLUSIVE] = SEVERITY_INCONCLUSIVE,
	};
	return of_level[level];
}

const char *level_name(enum level level)
{
	return level < LEVEL_COUNT ? severities[severity_of_level(level)].level : "";
}
