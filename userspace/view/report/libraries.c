/* SPDX-License-Identifier: MIT */
/* The link phase, library by library. */

#include "userspace/view/report/parts.h"

#define MAX_LABEL ((size_t)64 << 10)

static void add_library(struct table *t, const struct run *run, const struct library *l,
			struct buf *label)
{
	const int64_t total_ns = sum_known(sum_known(l->search_ns, l->map_ns),
					   sum_known(l->relocate_ns, l->init_ns));
	table_text(t, process_label(run, l->process, label));
	table_count(t, l->process == 0 ? UNKNOWN : l->process);
	table_text(t, l->path);
	table_ns(t, l->search_ns);
	table_ns(t, l->map_ns);
	table_ns(t, l->relocate_ns);
	table_ns(t, l->init_ns);
	table_ns(t, total_ns);
}

struct table *build_libraries(const struct session *s, size_t run_index)
{
	static const struct column columns[] = {
		{ .title = "process", .key = "command" },
		{ .title = "id", .key = "process", .audience = FOR_PROGRAMS },
		{ .title = "library", .key = "path", .is_elastic = true },
		{ .title = "search", .key = "search_ns", .align = ALIGN_RIGHT },
		{ .title = "map", .key = "map_ns", .align = ALIGN_RIGHT },
		{ .title = "relocate", .key = "relocate_ns", .align = ALIGN_RIGHT },
		{ .title = "init", .key = "init_ns", .align = ALIGN_RIGHT },
		{ .title = "total", .key = "total_ns", .align = ALIGN_RIGHT },
	};
	const struct run *run = &s->runs[run_index];
	struct table *t = table_new("Libraries", columns, N_OF(columns));
	_cleanup_(buf_done) struct buf label = { .limit = MAX_LABEL };
	for (size_t i = 0; i < run->n_libraries; i++)
		add_library(t, run, &run->libraries[i], &label);
	if (!run->has_libraries)
		table_note(t, "the loading of libraries was not recorded");
	return t;
}
