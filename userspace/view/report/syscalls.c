/* SPDX-License-Identifier: MIT */
/* System calls by name: of the whole tree, and for programs of each process. */

#include <math.h>

#include "userspace/base/cleanup.h"
#include "userspace/model/syscalls.h"
#include "userspace/view/report/parts.h"

#define MAX_ROWS_FOR_PEOPLE 40
#define MAX_LABEL	    ((size_t)64 << 10)

struct rows {
	struct table *table;
	const struct run *run;
	struct syscall_list sums;
	struct buf label;
};

/* @process: its id; 0: of the whole tree. */
static void add_row(struct rows *rows, const struct syscall *s, int process)
{
	struct table *t = rows->table;
	table_count(t, process == 0 ? UNKNOWN : process);
	table_text(t, process == 0 ? NULL : process_label(rows->run, process, &rows->label));
	table_text(t, s->name);
	table_count(t, s->calls);
	table_count(t, s->errors);
	table_ns(t, s->total_ns);
	table_ns(t, s->cpu_ns);
	table_ratio(t, syscalls_share(rows->run, &rows->sums, s->cpu_ns));
	table_count(t, s->ready_calls);
}

static void add_processes(struct rows *rows)
{
	for (size_t i = 0; i < rows->run->n_processes; i++) {
		const struct process *p = &rows->run->processes[i];
		for (size_t k = 0; k < p->n_syscalls; k++) {
			table_audience(rows->table, FOR_PROGRAMS);
			add_row(rows, &p->syscalls[k], p->id);
		}
	}
}

struct table *build_syscalls(const struct session *s, size_t run_index)
{
	static const struct column columns[] = {
		{ .title = "", .key = "process", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "command", .audience = FOR_PROGRAMS },
		{ .title = "system call", .key = "name", .is_elastic = true },
		{ .title = "calls", .key = "calls", .align = ALIGN_RIGHT },
		{ .title = "failed", .key = "errors", .align = ALIGN_RIGHT },
		{ .title = "time", .key = "total_ns", .align = ALIGN_RIGHT },
		{ .title = "on CPU", .key = "cpu_ns", .align = ALIGN_RIGHT },
		{ .title = "of system time", .key = "share", .align = ALIGN_RIGHT },
		{ .title = "", .key = "ready_calls", .audience = FOR_PROGRAMS },
	};
	struct rows rows = {
		.table = table_new("System calls", columns, N_OF(columns)),
		.run = &s->runs[run_index],
		.label = { .limit = MAX_LABEL },
	};
	table_fail(rows.table, syscalls_sum(rows.run, &rows.sums));
	for (size_t i = 0; i < rows.sums.n; i++) {
		if (i >= MAX_ROWS_FOR_PEOPLE)
			table_audience(rows.table, FOR_PROGRAMS);
		add_row(&rows, &rows.sums.items[i], 0);
	}
	add_processes(&rows);
	if (rows.sums.n > MAX_ROWS_FOR_PEOPLE)
		table_note(rows.table, "and %zu more: --format csv",
			   rows.sums.n - MAX_ROWS_FOR_PEOPLE);
	if (rows.sums.n == 0)
		table_note(rows.table, "system calls were not counted: no kernel events");
	vec_done(&rows.sums);
	buf_done(&rows.label);
	return rows.table;
}
