/* SPDX-License-Identifier: MIT */
/* What is remarkable about the run, and what to do about it. */

#include "userspace/view/report/parts.h"

struct table *build_findings(const struct session *s, size_t run_index)
{
	static const struct column columns[] = {
		{ .title = "finding", .key = "id" },
		{ .title = "costs", .key = "cost_ns", .align = ALIGN_RIGHT },
		{ .title = "what, and what to do",
		  .key = "",
		  .audience = FOR_PEOPLE,
		  .is_folded = true },
		{ .title = "evidence", .key = "evidence", .audience = FOR_PROGRAMS },
		{ .title = "remedy", .key = "remedy", .audience = FOR_PROGRAMS },
	};
	const struct run *run = &s->runs[run_index];
	struct table *t = table_new("Findings", columns, N_OF(columns));
	for (size_t i = 0; i < run->n_findings; i++) {
		const struct finding *f = &run->findings[i];
		table_tone(t, TONE_WARN);
		table_text(t, f->id);
		table_ns(t, f->cost_ns);
		const char *remedy = text_of(f->remedy);
		table_textf(t, "%s%s%s", text_of(f->evidence), remedy[0] == '\0' ? "" : "; ",
			    remedy);
		table_text(t, f->evidence);
		table_text(t, f->remedy);
	}
	return t;
}
