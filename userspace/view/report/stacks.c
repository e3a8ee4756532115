/* SPDX-License-Identifier: MIT */
/* The calls on the critical path as a tree, from the outermost function inwards, over all runs. */

#include "userspace/view/report/call_tree.h"
#include "userspace/view/report/parts.h"

static int add_samples(struct call_tree *tree)
{
	const struct session *s = tree->s;
	int rc = 0;
	for (size_t i = 0; i < s->n_runs && rc == 0; i++) {
		const struct run *run = &s->runs[i];
		for (size_t k = 0; k < run->n_samples && rc == 0; k++) {
			const struct cpu_sample *row = &run->samples[k];
			const bool is_moment = session_stack(s, row->stack) != NULL &&
					       !row->is_open &&
					       session_stack(s, row->stack)->n_frames > 0;
			if ((row->is_critical || !run->has_segments) && row->weight_ns > 0)
				rc = call_tree_add(tree, row->stack, row->weight_ns, is_moment,
						   row->is_open);
		}
	}
	return rc;
}

static void add_cells(struct table *t, const struct call_node *n, const char *label, size_t level,
		      double share, const void *data)
{
	const int64_t n_runs = *(const int64_t *)data;
	table_text(t, label);
	table_count(t, (int64_t)level);
	table_ns(t, n->total / n_runs);
	table_ratio(t, share);
	table_ns(t, n->self / n_runs);
	table_ns(t, n->open / n_runs);
	table_count(t, n->n);
	table_text(t, n->frame->function);
	table_text(t, n->frame->module);
	table_text(t, n->frame->file);
}

struct table *build_stacks(const struct session *s, size_t run_index)
{
	static const struct column columns[] = {
		{ .title = "calls", .key = "label", .is_elastic = true },
		{ .title = "", .key = "depth", .audience = FOR_PROGRAMS },
		{ .title = "total", .key = "total_ns", .align = ALIGN_RIGHT },
		{ .title = "share", .key = "share", .align = ALIGN_RIGHT },
		{ .title = "self", .key = "self_ns", .align = ALIGN_RIGHT },
		{ .title = "", .key = "open_ns", .audience = FOR_PROGRAMS },
		{ .title = "n", .key = "samples", .align = ALIGN_RIGHT },
		{ .title = "", .key = "function", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "module", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "file", .audience = FOR_PROGRAMS },
	};
	const struct run *run = &s->runs[run_index];
	struct call_tree tree;
	const int64_t n_runs = (int64_t)s->n_runs;
	struct table *t = table_new(run->has_segments ? "Calls on the critical path" : "Calls",
				    columns, N_OF(columns));
	int rc = call_tree_init(&tree, s);
	if (rc == 0)
		rc = add_samples(&tree);
	if (rc == 0)
		rc = call_tree_show(&tree, t,
				    &(struct call_rows){ .add = add_cells, .data = &n_runs });
	table_fail(t, rc);
	if (s->n_runs > 1 && run->has_samples)
		table_note(t, "means of %zu runs", s->n_runs);
	note_stacks(s, run, true, t);
	call_tree_done(&tree);
	return t;
}
