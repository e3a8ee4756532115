/* SPDX-License-Identifier: MIT */
/* Where the difference in heap comes from: by the functions that asked for it. */

#include <math.h>

#include "userspace/view/report/compare.h"
#include "userspace/view/report/parts.h"

#define PEOPLE_ROWS 5	 /* of a metric, besides the rest */
#define SMALL_SHARE 0.01 /* of the metric: not worth a line */

static const struct column site_columns[] = {
	{ .title = "delta", .key = "delta", .align = ALIGN_RIGHT },
	{ .title = "base", .key = "base", .align = ALIGN_RIGHT },
	{ .title = "head", .key = "head", .align = ALIGN_RIGHT },
	{ .title = "metric", .key = "metric" },
	{ .title = "function", .key = "function", .is_folded = true },
	{ .title = "module", .key = "module" },
};

/* Rows of a metric that is known to have changed. */
static bool is_for_people(const struct comparison *c, const struct site_row *row)
{
	const struct change *change = comparison_find(c, row->metric);
	if (change == NULL || row->delta == 0)
		return false;
	const double share = SMALL_SHARE * fmax(change->base_value, change->head_value);
	return verdict_is_change(verdict_in(c, change)) && !(fabs((double)row->delta) < share);
}

bool sites_have_changed(const struct comparison *c)
{
	for (size_t i = 0; i < c->n_sites; i++)
		if (is_for_people(c, &c->sites[i]))
			return true;
	return false;
}

struct table *build_site_changes(const struct comparison *c)
{
	struct table *t = table_new("by call site", site_columns, N_OF(site_columns));
	size_t n_listed = 0;
	for (size_t i = 0; i < c->n_sites; i++) {
		const struct site_row *row = &c->sites[i];
		if (i == 0 || row->order != c->sites[i - 1].order)
			n_listed = 0;
		const bool is_listed =
			is_for_people(c, row) && (n_listed < PEOPLE_ROWS || row->function == NULL);
		n_listed += is_listed;
		table_tone(t, row->delta > 0 ? TONE_BAD : TONE_GOOD);
		table_audience(t, is_listed ? FOR_ALL : FOR_PROGRAMS);
		table_bytes(t, row->delta);
		table_bytes(t, row->base);
		table_bytes(t, row->head);
		table_text(t, row->metric);
		table_text(t, row->function != NULL ? row->function : SITE_OTHERS);
		table_text(t, row->module != NULL ? row->module : "");
	}
	if (c->n_sites > 0)
		table_note(t, "the rows of a metric add up to its difference, mean over the runs; "
			      "other call sites: those whose change is not proven");
	return t;
}
