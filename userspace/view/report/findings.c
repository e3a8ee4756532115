/* SPDX-License-Identifier: MIT */
/* What is remarkable about the run, and what to do about it. */

#include "userspace/view/report/parts.h"

int build_findings(const struct session *s, size_t run_index, struct table **ret)
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
	const int rc = table_new("Findings", columns, N_OF(columns), ret);
	for (size_t i = 0; rc == 0 && i < run->n_findings; i++) {
		const struct finding *f = &run->findings[i];
		table_tone(*ret, TONE_WARN);
		table_text(*ret, f->id);
		table_ns(*ret, f->cost_ns);
		const char *remedy = text_of(f->remedy);
		table_textf(*ret, "%s%s%s", text_of(f->evidence), remedy[0] == '\0' ? "" : "; ",
			    remedy);
		table_text(*ret, f->evidence);
		table_text(*ret, f->remedy);
	}
	return rc;
}
