/* SPDX-License-Identifier: MIT */
/* Where the difference in memory, CPU, faults and I/O comes from: by process. */

#include <math.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/model/place.h"
#include "userspace/view/report/compare.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/value.h"

#define MAX_LINE    ((size_t)16 << 10)
#define PEOPLE_ROWS 3	 /* of a metric */
#define SMALL_SHARE 0.01 /* of the metric: not worth a line */

static const struct column memory_columns[] = {
	{ .title = "delta", .key = "delta", .align = ALIGN_RIGHT },
	{ .title = "base", .key = "base", .align = ALIGN_RIGHT },
	{ .title = "head", .key = "head", .align = ALIGN_RIGHT },
	{ .title = "metric", .key = "metric" },
	{ .title = "kind", .key = "kind" },
	{ .title = "", .key = "unit", .audience = FOR_PROGRAMS },
	{ .title = "process", .key = "", .audience = FOR_PEOPLE, .is_folded = true },
	{ .title = "", .key = "process", .audience = FOR_PROGRAMS },
};

/* Rows of a metric that is known to have changed, and what it changed by matters. */
static bool is_for_people(const struct comparison *c, const struct memory_row *row)
{
	const struct change *change = comparison_find(c, row->metric);
	if (change == NULL || row->delta == UNKNOWN || row->delta == 0)
		return false;
	const double share = SMALL_SHARE * fmax(change->base_value, change->head_value);
	return verdict_is_change(verdict_in(c, change)) && !(fabs((double)row->delta) < share);
}

bool memory_has_changed(const struct comparison *c)
{
	for (size_t i = 0; i < c->n_memory; i++) {
		if (is_for_people(c, &c->memory[i]))
			return true;
	}
	return false;
}

static void add_memory(struct table *t, const struct memory_row *row, bool is_listed)
{
	const struct metric *metric = metrics_row(row->metric);
	const enum unit unit = metric != NULL ? metric->unit : UNIT_COUNT;
	const enum cell_type cell = value_cell(unit);
	const int64_t numbers[] = { row->delta, row->base, row->head };
	table_tone(t, row->delta == UNKNOWN ? TONE_PLAIN : row->delta > 0 ? TONE_BAD : TONE_GOOD);
	table_audience(t, is_listed ? FOR_ALL : FOR_PROGRAMS);
	for (size_t i = 0; i < N_OF(numbers); i++)
		table_number(t, cell, numbers[i] == UNKNOWN ? (double)NAN : (double)numbers[i]);
	table_text(t, row->metric);
	table_text(t, row->kind != NULL ? row->kind : "");
	table_text(t, unit_name(unit));
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	program_label(row->process, &line);
	table_text(t, buf_str(&line));
	table_text(t, row->process);
}

struct table *build_memory_changes(const struct comparison *c)
{
	struct table *t = table_new("by process", memory_columns, N_OF(memory_columns));
	bool has_heap = false;
	size_t n_listed = 0;
	for (size_t i = 0; i < c->n_memory; i++) {
		const struct memory_row *row = &c->memory[i];
		if (i == 0 || row->order != c->memory[i - 1].order)
			n_listed = 0;
		const bool is_listed = n_listed < PEOPLE_ROWS && is_for_people(c, row);
		n_listed += is_listed;
		has_heap |= strncmp(row->metric, "heap.", 5) == 0;
		add_memory(t, row, is_listed);
	}
	if (has_heap && !c->has_sites)
		table_note(t, COMPARE_NO_CALL_SITES);
	return t;
}
