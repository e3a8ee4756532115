/* SPDX-License-Identifier: MIT */
/* The calls that led to what holds the heap, as a tree, from the outermost function inwards, over all runs. */

#include <math.h>

#include "userspace/model/sites.h"
#include "userspace/view/report/call_tree.h"
#include "userspace/view/report/parts.h"

static const struct column columns[] = {
	{ .title = "calls", .key = "label", .is_elastic = true },
	{ .title = "", .key = "depth", .audience = FOR_PROGRAMS },
	{ .title = "total", .key = "total_bytes", .align = ALIGN_RIGHT },
	{ .title = "share", .key = "share", .align = ALIGN_RIGHT },
	{ .title = "self", .key = "self_bytes", .align = ALIGN_RIGHT },
	{ .title = "n", .key = "samples", .align = ALIGN_RIGHT },
	{ .title = "", .key = "function", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "module", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "file", .audience = FOR_PROGRAMS },
};

static void add_cells(struct table *t, const struct call_node *n, const char *label, size_t level,
		      double share, const void *data)
{
	const int64_t n_runs = *(const int64_t *)data;
	table_text(t, label);
	table_count(t, (int64_t)level);
	table_bytes(t, n->total / n_runs);
	table_ratio(t, share);
	table_bytes(t, n->self / n_runs);
	table_count(t, n->n);
	table_text(t, n->frame->function);
	table_text(t, n->frame->module);
	table_text(t, n->frame->file);
}

static int add_process(struct call_tree *tree, const struct process *p, enum site_part part)
{
	int rc = 0;
	for (size_t i = 0; p->heap.is_known && i < p->heap.n_sites && rc == 0; i++) {
		const struct site *site = &p->heap.sites[i];
		const struct site_sum *sum = &site->sums[part];
		if (sum->is_known && sum->bytes > 0 && !site_is_unsampled(site))
			rc = call_tree_add(tree, site->stack, sum->bytes, sum->samples, false);
	}
	return rc;
}

struct table *build_site_calls(const struct session *s, size_t run_index)
{
	const struct run *run = &s->runs[run_index];
	const enum site_part part = site_headline(run);
	const int64_t n_runs = (int64_t)s->n_runs;
	struct table *t = table_new(part == SITE_READY ? "Calls that led to the heap when ready"
						       : "Calls that led to the heap at its peak",
				    columns, N_OF(columns));
	struct site_functions f;
	struct call_tree tree;
	int rc = call_tree_init(&tree, s);
	for (size_t r = 0; r < s->n_runs; r++)
		for (size_t i = 0; i < s->runs[r].n_processes && rc == 0; i++)
			rc = add_process(&tree, &s->runs[r].processes[i], part);
	if (rc == 0)
		rc = call_tree_show(&tree, t,
				    &(struct call_rows){ .add = add_cells, .data = &n_runs });
	const int rc_notes = site_functions_of(s, s->runs, s->n_runs, 0, &f);
	if (rc == 0 && rc_notes == 0)
		note_sites(s, run, &f, part, t);
	table_fail(t, rc < 0 ? rc : rc_notes);
	site_functions_done(&f);
	call_tree_done(&tree);
	return t;
}
