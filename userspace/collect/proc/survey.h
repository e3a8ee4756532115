/* SPDX-License-Identifier: MIT */
/* What this machine allows startline to do, found out by trying, and what would make a measurement
 * worthless now: one row each. */
#ifndef USERSPACE_COLLECT_PROC_SURVEY_H
#define USERSPACE_COLLECT_PROC_SURVEY_H

#include <stdbool.h>
#include <stddef.h>

enum survey_state {
	SURVEY_OK,
	SURVEY_LIMITED, /* works, with less */
	SURVEY_MISSING,
};

#define SURVEY_TEXT 200

struct survey_row {
	const char *name;
	bool is_probe; /* one of the kernel's, each of which has a row of its own */
	enum survey_state state;
	char found[SURVEY_TEXT];      /* what is there, or why it is not */
	const char *cost;	      /* what goes without it; NULL when it is ok */
	const char *metrics, *causes; /* … in a report: see struct probe_report; NULL: none */
	char remedy[SURVEY_TEXT];     /* what to type or do; "" when it is ok or nothing helps */
};

#define SURVEY_ROWS_MAX 48

/* Fills @ret and returns the number of rows. Takes about a third of a second: probes are loaded
 * and removed again, the CPUs are watched. Changes nothing. */
size_t survey_machine(struct survey_row ret[static SURVEY_ROWS_MAX]);

#endif
