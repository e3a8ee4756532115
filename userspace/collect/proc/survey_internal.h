/* SPDX-License-Identifier: MIT */
/* What the checks of the survey share, and those that look at the moment: what would make a
 * measurement worthless now. */
#ifndef USERSPACE_COLLECT_PROC_SURVEY_INTERNAL_H
#define USERSPACE_COLLECT_PROC_SURVEY_INTERNAL_H

#include <stdbool.h>

#include "userspace/collect/proc/survey.h"

/* Sets what was found, and how that is. */
void survey_found(struct survey_row *row, enum survey_state state, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void survey_remedy(struct survey_row *row, const char *text);
/* The first line of a small file; false: it cannot be read. */
bool survey_first_line(const char *path, char line[static SURVEY_TEXT]);

void check_load(struct survey_row *row);
void check_contention(struct survey_row *row);
void check_steal(struct survey_row *row); /* watches for a fifth of a second */
void check_governor(struct survey_row *row);
void check_swap(struct survey_row *row);
void check_disk(struct survey_row *row);
void check_recordings(struct survey_row *row);

#endif
