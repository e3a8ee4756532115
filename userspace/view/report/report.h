/* SPDX-License-Identifier: MIT */
/* THE table of reports, and the report as a whole.
 * To add one: a row in report.c and a report_<name>.c that builds a table. */
#ifndef USERSPACE_VIEW_REPORT_REPORT_H
#define USERSPACE_VIEW_REPORT_REPORT_H

#include "userspace/model/session.h"
#include "userspace/view/table/table.h"

struct report {
	const char *name; /* --view NAME */
	const char *help;
	/* Builds the table of run @run (index). */
	struct table *(*build)(const struct session *s, size_t run);
	/* What people get below it, in text and Markdown; NULL: nothing. Returns the page's error. */
	int (*below)(const struct session *s, size_t run, struct page *page);
};

extern const struct report reports[];		    /* ends with a NULL name */
const struct report *report_find(const char *name); /* NULL: none */

/* The run that stands for the session: of those that ended as most did, the one with the median
 * total. 0 when there is none. */
size_t report_run(const struct session *s);

/* "ready in 456 ms = exec 1 + link 23 + …", one line: the terms printed add up to the total
 * printed. The result lives in the session's arena and may hold any bytes of the target. */
const char *report_equation(const struct session *s, size_t run);

/* The whole report as `run` prints it: equation, ladder, waterfall, costs, processes (short),
 * findings, coverage, losses, overhead, notes; statistics over runs when there are several. Text and
 * Markdown; for JSON it writes the session document, for CSV the metrics. Returns the page's error. */
int report_print(struct session *s, struct page *page);

/* Makes @page of @f, in its format: what the terminal behind it allows, width, colour (never with
 * NO_COLOR or TERM unset or dumb), UTF-8 by locale. */
void page_open(struct page *page, FILE *f);

#endif
