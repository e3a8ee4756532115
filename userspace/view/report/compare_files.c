/* SPDX-License-Identifier: MIT */
/* The files behind a difference in opens and misses. */

#include "userspace/view/report/compare.h"
#include "userspace/view/report/parts.h"

#define PEOPLE_ROWS 6 /* of a metric */

static const struct column file_columns[] = {
	{ .title = "delta", .key = "delta", .align = ALIGN_RIGHT },
	{ .title = "base", .key = "base", .align = ALIGN_RIGHT },
	{ .title = "head", .key = "head", .align = ALIGN_RIGHT },
	{ .title = "metric", .key = "metric" },
	{ .title = "file", .key = "path", .is_folded = true },
};

static bool is_for_people(const struct comparison *c, const struct file_row *row)
{
	const struct change *change = comparison_find(c, row->metric);
	return change != NULL && verdict_is_change(verdict_in(c, change));
}

bool files_have_changed(const struct comparison *c)
{
	for (size_t i = 0; i < c->n_files; i++)
		if (is_for_people(c, &c->files[i]))
			return true;
	return false;
}

struct table *build_file_changes(const struct comparison *c)
{
	struct table *t = table_new("files", file_columns, N_OF(file_columns));
	size_t n_listed = 0, n_more = 0;
	for (size_t i = 0; i < c->n_files; i++) {
		const struct file_row *row = &c->files[i];
		if (i == 0 || row->order != c->files[i - 1].order)
			n_listed = 0;
		const bool is_meant = is_for_people(c, row);
		const bool is_listed = is_meant && n_listed < PEOPLE_ROWS;
		n_listed += is_listed;
		n_more += is_meant && !is_listed;
		table_tone(t, row->head > row->base ? TONE_BAD : TONE_GOOD);
		table_audience(t, is_listed ? FOR_ALL : FOR_PROGRAMS);
		table_number(t, CELL_COUNT, row->head - row->base);
		table_number(t, CELL_COUNT, row->base);
		table_number(t, CELL_COUNT, row->head);
		table_text(t, row->metric);
		table_text(t, row->path);
	}
	if (n_more > 0)
		table_note(t, "and %zu more: --format json", n_more);
	return t;
}
