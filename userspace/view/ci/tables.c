/* SPDX-License-Identifier: MIT */
/* The tables of a verdict: what was judged, and the counts that bear witness. */

#include <math.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/ci/internal.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/value.h"

#define MAX_TEXT ((size_t)64 << 10)

/* --- status --------------------------------------------------------------------------------- */

static const struct column status_columns[] = {
	{ .title = "status", .key = "status" },
	{ .title = "scenario", .key = "scenario", .is_elastic = true },
	{ .title = "metric", .key = "metric" },
	{ .title = "target", .key = "target" },
	{ .title = "actual", .key = "actual", .align = ALIGN_RIGHT },
	{ .title = "base", .key = "base", .align = ALIGN_RIGHT },
	{ .title = "change", .key = "change", .align = ALIGN_RIGHT },
	{ .title = "headroom", .key = "headroom", .align = ALIGN_RIGHT },
	{ .title = "note", .key = "note" },
};

static void add_cut(struct table *t, const char *text, size_t columns)
{
	_cleanup_(buf_done) struct buf cut = { .limit = MAX_TEXT };
	ci_cut(&cut, text, columns);
	table_text(t, cut.len > 0 ? buf_str(&cut) : "");
}

static void add_change(struct table *t, const struct judgement *j)
{
	char text[UNITS_BYTES];
	table_text(t, isfinite(j->ratio) ? format_percent_signed(text, j->ratio - 1) : NULL);
}

static void add_judgement(struct table *t, const struct judgement *j, size_t columns)
{
	char text[UNITS_BYTES];
	add_cut(t, j->metric, columns);
	add_cut(t, j->target, columns);
	table_text(t, isnan(j->actual) ? NULL : judgement_format(text, j, j->actual));
	table_text(t, isnan(j->base_value) ? NULL : judgement_format(text, j, j->base_value));
	add_change(t, j);
	value_headroom(t, j->headroom);
}

static enum tone tone_of(enum ci_mark mark)
{
	if (mark <= MARK_FAILED)
		return TONE_BAD;
	return mark <= MARK_WARNED ? TONE_WARN : TONE_PLAIN;
}

static void add_row(struct table *t, const struct ci_row *row, size_t columns)
{
	const struct judgement *j = row->judgement;
	table_tone(t, tone_of(row->mark));
	table_textf(t, "%s %s", ci_mark_icon(row->mark), ci_status(row));
	add_cut(t, row->outcome->scenario, columns);
	if (j != NULL) {
		add_judgement(t, j, columns);
	} else {
		for (int i = 0; i < 6; i++)
			table_text(t, NULL);
	}
	add_cut(t, j != NULL ? j->reason : row->outcome->reason, 2 * columns);
}

int ci_build_status(const struct ci_row *rows, size_t n, size_t columns, struct table **ret)
{
	const int r = table_new("", status_columns, N_OF(status_columns), ret);
	for (size_t i = 0; r == 0 && i < n; i++)
		add_row(*ret, &rows[i], columns);
	return r;
}

/* --- witnesses ------------------------------------------------------------------------------ */

static const struct column witness_columns[] = {
	{ .title = "count", .key = "id" },
	{ .title = "base", .key = "base", .align = ALIGN_RIGHT },
	{ .title = "head", .key = "head", .align = ALIGN_RIGHT },
	{ .title = "change", .key = "change", .align = ALIGN_RIGHT },
};

/* Counts that are the same say that the same work was done: one line for all of them. */
int ci_build_witnesses(const struct comparison *c, struct table **ret)
{
	size_t n_same = 0;
	char text[UNITS_BYTES];
	const int r = table_new("Witnesses", witness_columns, N_OF(witness_columns), ret);
	for (size_t i = 0; r == 0 && i < c->n_changes; i++) {
		const struct change *change = &c->changes[i];
		if (change->basis != BASIS_EXACT)
			continue;
		if (change->base_value == change->head_value) {
			n_same++;
			continue;
		}
		const enum cell_type cell = value_cell(change->metric->unit);
		add_cut(*ret, change->id, 120);
		table_number(*ret, cell, change->base_value);
		table_number(*ret, cell, change->head_value);
		table_text(*ret, isfinite(change->ratio)
					 ? format_percent_signed(text, change->ratio - 1)
					 : NULL);
	}
	if (r == 0 && n_same > 0)
		table_note(*ret, "%zu exact counts are the same on both sides", n_same);
	return r;
}
