/* SPDX-License-Identifier: MIT */
/* How bad something is that came out, and what each reader is told of it: the one table of words, icons,
 * alarms, results of test cases and exit statuses. Whoever shows or sums up results reads it here. */
#ifndef USERSPACE_GATE_SEVERITY_H
#define USERSPACE_GATE_SEVERITY_H

#include "userspace/gate/verdict.h"

/* Worst first. Of several the first that occurred is the severity of all, and gives the exit status. */
enum severity {
	SEVERITY_MISCONFIGURED,
	SEVERITY_TROUBLE,
	SEVERITY_TARGET_FAILED,
	SEVERITY_FAILED,
	SEVERITY_CANNOT_JUDGE,
	SEVERITY_INCONCLUSIVE,
	SEVERITY_WARNED,
	SEVERITY_TOLERATED,
	SEVERITY_SKIPPED,
	SEVERITY_PASSED,
	SEVERITY_COUNT
};

/* How loudly it is told: annotations of a forge, colours of a terminal. */
enum alarm { ALARM_NONE, ALARM_NOTICE, ALARM_WARNING, ALARM_ERROR };

/* Of a test case, as JUnit has them. */
enum case_result { CASE_PASSED, CASE_FAILURE, CASE_ERROR, CASE_SKIPPED, CASE_RESULTS };

struct severity_row {
	const char *name;  /* "failed": in sums, documents, and of a scenario as a whole */
	const char *level; /* "red": of one judgement */
	const char *icon;  /* a coloured disc, for Markdown */
	enum alarm alarm;
	enum case_result result;
	int status; /* exit status of `check` */
};
extern const struct severity_row severities[SEVERITY_COUNT];

enum severity severity_of_level(enum level level);

#endif
