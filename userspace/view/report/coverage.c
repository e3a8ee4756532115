/* SPDX-License-Identifier: MIT */
/* What was seen of each process, and why not the rest. */

#include <inttypes.h>
#include <string.h>

#include "userspace/view/report/parts.h"

#define MAX_LABEL   ((size_t)64 << 10)
#define MAX_NAMES   4
#define MAX_REASONS 8

static const char *heap_of(const struct process *p)
{
	return text_of(p->coverage_heap);
}

static const char *lack_of_heap(const struct process *p)
{
	return p->heap.is_known ? "heap counted in part" : "heap not counted";
}

static const char *own_allocator_of(const struct process *p)
{
	return text_of(p->own_allocator);
}

static const char *lack_of_own_allocator(const struct process *p)
{
	(void)p;
	return "memory outside the counted heap";
}

/* "heap not counted in 3 of 5 processes: static (busybox[12], …)": one note per reason. */
static void note_reasons(struct table *t, const struct run *run, const char *good,
			 const char *(*get)(const struct process *p),
			 const char *(*lack)(const struct process *p))
{
	_cleanup_(buf_done) struct buf names = { .limit = MAX_LABEL };
	_cleanup_(buf_done) struct buf label = { .limit = MAX_LABEL };
	const char *reasons[MAX_REASONS];
	size_t n_reasons = 0;
	for (size_t i = 0; i < run->n_processes && n_reasons < MAX_REASONS; i++) {
		const char *reason = get(&run->processes[i]);
		bool is_new = strcmp(reason, good) != 0;
		for (size_t j = 0; j < n_reasons && is_new; j++)
			is_new = strcmp(reasons[j], reason) != 0;
		if (!is_new)
			continue;
		reasons[n_reasons++] = reason;
		size_t count = 0;
		buf_clear(&names);
		for (size_t j = i; j < run->n_processes; j++) {
			if (strcmp(get(&run->processes[j]), reason) != 0)
				continue;
			if (++count <= MAX_NAMES)
				(void)buf_addf(&names, "%s%s", count > 1 ? ", " : "",
					       process_label(run, run->processes[j].id, &label));
		}
		table_note(t, "%s in %zu of %zu processes: %s (%s%s)", lack(&run->processes[i]),
			   count, run->n_processes, reason[0] == '\0' ? "reason not known" : reason,
			   buf_str(&names), count > MAX_NAMES ? ", ..." : "");
	}
}

void note_coverage(const struct session *s, size_t run_index, struct table *t)
{
	const struct run *run = &s->runs[run_index];
	const bool is_off = s->design.heap != NULL && strcmp(s->design.heap, "off") == 0;
	if (!is_off)
		note_reasons(t, run, "counted", heap_of, lack_of_heap);
	note_reasons(t, run, "", own_allocator_of, lack_of_own_allocator);
}

struct table *build_coverage(const struct session *s, size_t run_index)
{
	static const struct column columns[] = {
		{ .title = "process", .key = "command", .is_elastic = true },
		{ .title = "id", .key = "process", .audience = FOR_PROGRAMS },
		{ .title = "heap", .key = "heap" },
		{ .title = "kernel", .key = "kernel" },
	};
	const struct run *run = &s->runs[run_index];
	struct table *t = table_new("Coverage", columns, N_OF(columns));
	_cleanup_(buf_done) struct buf label = { .limit = MAX_LABEL };
	for (size_t i = 0; i < run->n_processes; i++) {
		const struct process *p = &run->processes[i];
		table_text(t, process_label(run, p->id, &label));
		table_count(t, p->id);
		table_text(t, p->coverage_heap);
		table_text(t, p->coverage_kernel);
	}
	for (size_t i = 0; i < run->n_losses; i++)
		table_note(t, "lost: %" PRId64 " %s records of %s", run->losses[i].count,
			   run->losses[i].kind, run->losses[i].source);
	return t;
}
