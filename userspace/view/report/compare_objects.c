/* SPDX-License-Identifier: MIT */
/* What is behind a difference in exact counts: files of opens and misses; programs, processes, peers. */

#include <string.h>

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

static const struct column object_columns[] = {
	{ .title = "delta", .key = "delta", .align = ALIGN_RIGHT },
	{ .title = "base", .key = "base", .align = ALIGN_RIGHT },
	{ .title = "head", .key = "head", .align = ALIGN_RIGHT },
	{ .title = "metric", .key = "metric" },
	{ .title = "what", .key = "object", .is_folded = true },
};

static bool is_of_file(const struct object_row *row)
{
	return strncmp(row->metric, "files.", strlen("files.")) == 0;
}

static bool is_for_people(const struct comparison *c, const struct object_row *row)
{
	const struct change *change = comparison_find(c, row->metric);
	return change != NULL && verdict_is_change(verdict_in(c, change));
}

bool objects_have_changed(const struct comparison *c, bool are_files)
{
	for (size_t i = 0; i < c->n_objects; i++)
		if (is_of_file(&c->objects[i]) == are_files && is_for_people(c, &c->objects[i]))
			return true;
	return false;
}

static struct table *add_rows(struct table *t, const struct comparison *c, bool are_files)
{
	size_t n_listed = 0, n_more = 0;
	for (size_t i = 0; i < c->n_objects; i++) {
		const struct object_row *row = &c->objects[i];
		if (is_of_file(row) != are_files)
			continue;
		if (i == 0 || row->order != c->objects[i - 1].order)
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
		table_text(t, row->name);
	}
	if (n_more > 0)
		table_note(t, "and %zu more: --format json", n_more);
	return t;
}

struct table *build_file_changes(const struct comparison *c)
{
	return add_rows(table_new("files", file_columns, N_OF(file_columns)), c, true);
}

struct table *build_object_changes(const struct comparison *c)
{
	return add_rows(table_new("objects", object_columns, N_OF(object_columns)), c, false);
}
