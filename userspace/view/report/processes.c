/* SPDX-License-Identifier: MIT */
/* The process tree, and the short list of those that mattered. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/report/label.h"
#include "userspace/view/report/parts.h"

#define MAX_ARGV   ((size_t)256 << 10) /* of one command line, as printed */
#define N_TOP	   6
#define SHORT_NAME 28 /* columns of a command in the short list */

/* clang-format off */
static const struct column columns[] = {
	{ .title = "process", .key = "command", .is_elastic = true },
	{ .title = "id", .key = "id", .audience = FOR_PROGRAMS },
	{ .title = "parent", .key = "parent", .audience = FOR_PROGRAMS },
	{ .title = "pid", .key = "pid", .align = ALIGN_RIGHT },
	{ .title = "exe", .key = "exe", .audience = FOR_PROGRAMS },
	{ .title = "start", .key = "start_ns", .audience = FOR_PROGRAMS },
	{ .title = "exit", .key = "exit_ns", .audience = FOR_PROGRAMS },
	{ .title = "wall", .key = "wall_ns", .align = ALIGN_RIGHT },
	{ .title = "cpu", .key = "cpu_ns", .align = ALIGN_RIGHT },
	{ .title = "user", .key = "user_ns", .audience = FOR_PROGRAMS },
	{ .title = "system", .key = "system_ns", .audience = FOR_PROGRAMS },
	{ .title = "peak rss", .key = "peak_rss_bytes", .align = ALIGN_RIGHT },
	{ .title = "minor faults", .key = "minor_faults", .audience = FOR_PROGRAMS },
	{ .title = "major faults", .key = "major_faults", .audience = FOR_PROGRAMS },
	{ .title = "read", .key = "read_bytes", .audience = FOR_PROGRAMS },
	{ .title = "written", .key = "write_bytes", .audience = FOR_PROGRAMS },
	{ .title = "threads", .key = "threads_peak", .audience = FOR_PROGRAMS },
	{ .title = "execs", .key = "execs", .audience = FOR_PROGRAMS },
	{ .title = "ended", .key = "ended", .audience = FOR_PEOPLE },
	{ .title = "exit code", .key = "exit_code", .audience = FOR_PROGRAMS },
	{ .title = "exit signal", .key = "exit_signal", .audience = FOR_PROGRAMS },
	{ .title = "heap", .key = "coverage_heap" },
	{ .title = "kernel", .key = "coverage_kernel", .audience = FOR_PROGRAMS },
};
/* clang-format on */

static int64_t difference(int64_t later, int64_t earlier)
{
	if (later == UNKNOWN || earlier == UNKNOWN)
		return UNKNOWN;
	return sum_known(later, earlier == INT64_MAX ? INT64_MIN + 1 : -earlier);
}

/* How long it lived: those that outlive the recording, to its end. */
static int64_t wall_of(const struct run *run, const struct process *p)
{
	return difference(p->exit_ns == UNKNOWN ? run->wall_ns : p->exit_ns, p->start_ns);
}

/* @columns_of_name: the command in about as many, 0: all of it. */
static void add_process(struct table *t, const struct run *run, const struct process *p,
			unsigned int depth, size_t columns_of_name, struct buf *scratch)
{
	const bool has_failed =
		(p->exit_code != UNKNOWN && p->exit_code != 0) || p->exit_signal != UNKNOWN;
	table_tone(t, has_failed ? TONE_WARN : TONE_PLAIN);
	table_indent(t, depth);
	if (p->argv.n == 0)
		table_text(t, process_label(run, p->id, scratch));
	else if (p->n_images == 0 && p->name != NULL)
		table_text(t, p->name);
	else if (columns_of_name > 0)
		table_text(t, label_command(p->exe, &p->argv, columns_of_name, scratch));
	else
		table_text(t, command_line(&p->argv, scratch));
	table_count(t, p->id);
	table_count(t, p->parent);
	table_count(t, p->pid);
	table_text(t, p->exe);
	table_ns(t, p->start_ns);
	table_ns(t, p->exit_ns);
	table_ns(t, wall_of(run, p));
	table_ns(t, sum_known(p->user_ns, p->system_ns));
	table_ns(t, p->user_ns);
	table_ns(t, p->system_ns);
	table_bytes(t, p->peak_rss_bytes);
	table_count(t, p->minor_faults);
	table_count(t, p->major_faults);
	table_bytes(t, p->read_bytes);
	table_bytes(t, p->write_bytes);
	table_count(t, p->threads_peak);
	table_count(t, (int64_t)p->n_images);
	table_text(t, exit_text(p, scratch));
	table_count(t, p->exit_code);
	table_count(t, p->exit_signal);
	table_text(t, p->coverage_heap);
	table_text(t, p->coverage_kernel);
}

/* --- the tree ------------------------------------------------------------------------------- */

/* By id; 0: none. A document from outside may hold any parents: what is not reachable from a
 * root is listed at the end. */
struct tree {
	int *first_child, *last_child, *next;
	bool *is_shown;
};

static void tree_init(const struct run *run, struct tree *tree, int *links, bool *is_shown)
{
	const size_t n = run->n_processes + 1;
	*tree = (struct tree){ links, links + n, links + 2 * n, is_shown };
	for (size_t i = 0; i < run->n_processes; i++) {
		const int id = (int)i + 1;
		const int parent = process_find(run, run->processes[i].parent) == NULL
					   ? 0
					   : run->processes[i].parent;
		if (tree->first_child[parent] == 0)
			tree->first_child[parent] = id;
		else
			tree->next[tree->last_child[parent]] = id;
		tree->last_child[parent] = id;
	}
}

static void show_below(struct table *t, const struct run *run, const struct tree *tree, int root,
		       struct buf *scratch)
{
	unsigned int depth = 0;
	int id = root;
	while (id != 0) {
		const struct process *p = &run->processes[id - 1];
		add_process(t, run, p, depth, 0, scratch);
		tree->is_shown[id] = true;
		if (tree->first_child[id] != 0) {
			id = tree->first_child[id];
			depth++;
			continue;
		}
		while (id != root && tree->next[id] == 0) {
			id = run->processes[id - 1].parent;
			depth--;
		}
		id = id == root ? 0 : tree->next[id];
	}
}

struct table *build_processes(const struct session *s, size_t run_index)
{
	const struct run *run = &s->runs[run_index];
	_cleanup_free_ int *links = calloc(run->n_processes + 1, 3 * sizeof(*links));
	_cleanup_free_ bool *is_shown = calloc(run->n_processes + 1, sizeof(*is_shown));
	struct table *t = table_new("Processes", columns, N_OF(columns));
	if (links == NULL || is_shown == NULL) {
		table_fail(t, -ENOMEM);
		return t;
	}
	struct tree tree;
	_cleanup_(buf_done) struct buf scratch = { .limit = MAX_ARGV };
	tree_init(run, &tree, links, is_shown);
	for (int root = tree.first_child[0]; root != 0; root = tree.next[root])
		show_below(t, run, &tree, root, &scratch);
	for (size_t i = 0; i < run->n_processes; i++) {
		if (!is_shown[i + 1])
			add_process(t, run, &run->processes[i], 0, 0, &scratch);
	}
	return t;
}

/* --- the short list ------------------------------------------------------------------------- */

struct ranked {
	const struct process *p;
	int64_t cpu_ns, wall_ns;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a;
	const struct ranked *y = b;
	if (x->cpu_ns != y->cpu_ns)
		return x->cpu_ns > y->cpu_ns ? -1 : 1;
	if (x->wall_ns != y->wall_ns)
		return x->wall_ns > y->wall_ns ? -1 : 1;
	return x->p->id - y->p->id;
}

static int compare_ids(const void *a, const void *b)
{
	return ((const struct ranked *)a)->p->id - ((const struct ranked *)b)->p->id;
}

/* The command, who became ready, and those that used most CPU time, in order of their start. */
struct table *build_top_processes(const struct session *s, size_t run_index)
{
	const struct run *run = &s->runs[run_index];
	const size_t n = run->n_processes;
	_cleanup_free_ struct ranked *ranked = calloc(n + 1, sizeof(*ranked));
	struct table *t = table_new("Processes", columns, N_OF(columns));
	if (ranked == NULL) {
		table_fail(t, -ENOMEM);
		return t;
	}
	for (size_t i = 0; i < n; i++) {
		const struct process *p = &run->processes[i];
		ranked[i] =
			(struct ranked){ p, sum_known(p->user_ns, p->system_ns), wall_of(run, p) };
		if (p->id == 1 || (run->has_ready && p->id == run->ready_process))
			ranked[i].cpu_ns = INT64_MAX;
	}
	qsort(ranked, n, sizeof(*ranked), compare_ranked);
	const size_t n_shown = n <= N_TOP + 1 ? n : N_TOP; /* "and 1 more" takes a line too */
	qsort(ranked, n_shown, sizeof(*ranked), compare_ids);
	_cleanup_(buf_done) struct buf scratch = { .limit = MAX_ARGV };
	for (size_t i = 0; i < n_shown; i++)
		add_process(t, run, ranked[i].p, 0, SHORT_NAME, &scratch);
	if (n_shown < n)
		table_note(t, "and %zu more: startline report --view processes", n - n_shown);
	return t;
}
