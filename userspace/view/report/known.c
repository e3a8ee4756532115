/* SPDX-License-Identifier: MIT */
/* Stored sessions: what is known about them besides what they measured. */

#include "userspace/view/report/known.h"

#include <stdio.h>

#include "userspace/view/report/parts.h"
#include "userspace/view/table/internal.h"
#include "userspace/view/table/times.h"

/* clang-format off */
static const struct column columns[] = {
	{ .title = "baseline", .key = "name", .is_elastic = true },
	{ .title = "id", .key = "id", .audience = FOR_PROGRAMS },
	{ .title = "saved (UTC)", .key = "saved" },
	{ .title = "saved_ns", .key = "saved_ns", .audience = FOR_PROGRAMS },
	{ .title = "commit", .key = "commit" },
	{ .title = "dirty", .key = "dirty", .audience = FOR_PROGRAMS },
	{ .title = "branch", .key = "branch", .is_elastic = true },
	{ .title = "of", .key = "scenario", .is_elastic = true },
	{ .title = "note", .key = "note", .is_elastic = true, .is_dim = true },
};
/* clang-format on */

/* Of people's commits; programs get all digits. */
#define SHORT_COMMIT 12

static void add_row(struct table *t, const struct known *known, enum audience audience)
{
	char date[TIMES_BYTES];
	const bool is_short = audience == FOR_PEOPLE;
	table_audience(t, audience);
	table_text(t, known->name);
	table_text(t, known->id);
	table_text(t, format_date(date, known->created_ns));
	table_count(t, known->created_ns);
	if (is_short)
		table_textf(t, "%.*s%s", SHORT_COMMIT, known->commit, known->is_dirty ? "+" : "");
	else
		table_text(t, known->commit);
	table_text(t, known->is_dirty ? "yes" : "no");
	table_text(t, known->branch);
	table_text(t, known->scenario);
	table_text(t, known->note);
}

int build_known(struct table **ret)
{
	return table_new("Baselines", columns, N_OF(columns), ret);
}

void add_known(struct table *t, const struct known *known)
{
	add_row(t, known, FOR_PEOPLE);
	add_row(t, known, FOR_PROGRAMS);
}

int print_known(const struct known *known, enum table_format format,
		const struct print_style *style, FILE *f)
{
	char line[2048], date[TIMES_BYTES];
	if (format == TABLE_JSON || format == TABLE_CSV)
		return 0;
	(void)snprintf(line, sizeof(line), "%s, saved %s UTC%s%.*s%s%s%s%s%s", known->name,
		       format_date(date, known->created_ns), *known->commit ? ", commit " : "",
		       SHORT_COMMIT, known->commit, known->is_dirty ? " with changes" : "",
		       *known->branch ? " on " : "", known->branch, *known->note ? ": " : "",
		       known->note);
	const struct print_style given = style_or_default(style);
	const int r = print_paragraph(format, &given, f, TONE_STRONG, 2, line);
	(void)fputc('\n', f);
	return r;
}
