/* SPDX-License-Identifier: MIT */
/* Stored sessions, for people. */
#ifndef USERSPACE_VIEW_REPORT_KNOWN_H
#define USERSPACE_VIEW_REPORT_KNOWN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "userspace/view/table/table.h"

struct known { /* a stored session; texts are "" when not known */
	const char *name, *id;
	int64_t created_ns; /* CLOCK_REALTIME */
	const char *scenario, *commit, *branch, *note;
	bool is_dirty;
};

/* One row per stored session. The table owns copies of the texts. */
int build_known(struct table **ret);
void add_known(struct table *t, const struct known *known);
/* One session as lines above its report; nothing for JSON and CSV. */
int print_known(const struct known *known, enum table_format format,
		const struct print_style *style, FILE *f);

#endif
