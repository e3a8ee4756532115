/* SPDX-License-Identifier: MIT */
/* Which code has the kernel give memory, and which touches it first: by functions, of all processes. */

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/capped_sum.h"
#include "userspace/base/cleanup.h"
#include "userspace/model/function_table.h"
#include "userspace/model/place.h"
#include "userspace/view/report/label.h"
#include "userspace/view/report/parts.h"

#define MAX_ROWS  10 /* for people */
#define MAX_LABEL ((size_t)64 << 10)

/* clang-format off */
#define COLUMNS(what, times) { \
	{ .title = "function", .key = "label", .is_elastic = true }, \
	{ .title = "module", .key = "", .audience = FOR_PEOPLE, .gives_first = true }, \
	{ .title = what, .key = "bytes", .align = ALIGN_RIGHT }, \
	{ .title = "share", .key = "share", .align = ALIGN_RIGHT }, \
	{ .title = "until ready", .key = "ready_bytes", .align = ALIGN_RIGHT }, \
	{ .title = times, .key = times, .align = ALIGN_RIGHT }, \
	{ .title = "", .key = "function", .audience = FOR_PROGRAMS }, \
	{ .title = "", .key = "module", .audience = FOR_PROGRAMS }, \
}
static const struct column mapped_columns[] = COLUMNS("mapped", "calls");
static const struct column touched_columns[] = COLUMNS("touched", "stacks");
/* clang-format on */

struct mapper {
	int name; /* in the table of functions */
	int64_t calls, bytes, ready_bytes;
};

struct mappers {
	struct function_table names;
	struct VEC(struct mapper) list; /* by name, then sorted */
	struct mapper all;
};

/* Of a process, with what it adds up to. */
struct sites {
	struct growth_sum all;
	const struct map_site *items;
	size_t n;
};

/* The frame in which startline's own library asks the kernel itself; NULL: in no such. */
static const struct frame *own_place(const struct session *s, int64_t stack)
{
	const struct stack *at = session_stack(s, stack);
	const struct frame *f =
		at != NULL && at->n_frames > 0 ? session_frame(s, at->frames[0]) : NULL;
	return f != NULL && is_startline_code(f) ? f : NULL;
}

static int add_site(struct mappers *m, const struct map_site *site)
{
	const struct frame *own = own_place(m->names.session, site->stack);
	const struct frame *place = own != NULL ? own : heap_place(m->names.session, site->stack);
	const int name = function_table_add(&m->names, place);
	while (name >= 0 && m->list.n <= (size_t)name) {
		const struct mapper mapper = { .name = (int)m->list.n };
		if (vec_push(&m->list, mapper) < 0)
			return -ENOMEM;
	}
	if (name < 0)
		return name;
	struct mapper *mapper = &m->list.items[name];
	mapper->calls = capped_sum(mapper->calls, site->all.calls);
	mapper->bytes = capped_sum(mapper->bytes, site->all.bytes);
	mapper->ready_bytes = site->ready.bytes == UNKNOWN
				      ? UNKNOWN
				      : capped_sum(mapper->ready_bytes, site->ready.bytes);
	return 0;
}

static struct sites mapped_sites(const struct growth *g)
{
	return (struct sites){ growth_all(g->ways), g->sites, g->n_sites };
}

static struct sites touched_sites(const struct growth *g)
{
	struct sites ret = { { 0, g->touched_bytes }, g->touched_sites, g->n_touched_sites };
	for (size_t i = 0; i < ret.n; i++)
		ret.all.calls = sum_known(ret.all.calls, ret.items[i].all.calls);
	return ret;
}

static int add_sites(struct mappers *m, const struct sites *sites)
{
	int rc = 0;
	m->all.calls = sum_known(m->all.calls, sites->all.calls);
	m->all.bytes = sum_known(m->all.bytes, sites->all.bytes);
	for (size_t i = 0; i < sites->n && rc == 0; i++)
		if (sites->items[i].all.bytes != UNKNOWN)
			rc = add_site(m, &sites->items[i]);
	return rc;
}

static int largest_first(const void *left, const void *right)
{
	const struct mapper *a = left, *b = right;
	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

static void add_row(struct table *t, const struct mappers *m, const struct mapper *mapper,
		    const struct function_name *name, const char *label)
{
	const struct frame *f = name != NULL ? name->frame : NULL;
	table_text(t, label);
	table_text(t, f != NULL && f->module != NULL ? label_base(f->module) : "");
	table_bytes(t, mapper->bytes);
	table_ratio(t, m->all.bytes > 0 ? (double)mapper->bytes / (double)m->all.bytes : 0);
	table_bytes(t, mapper->ready_bytes);
	table_count(t, mapper->calls);
	table_text(t, f != NULL ? f->function : NULL);
	table_text(t, f != NULL ? f->module : NULL);
}

/* What has no stack, for what the kernel gave is known: small calls, and those that were too many. */
static void add_rest(struct table *t, const struct mappers *m)
{
	struct mapper rest = m->all;
	rest.ready_bytes = UNKNOWN;
	for (size_t i = 0; i < m->list.n; i++) {
		rest.calls -= m->list.items[i].calls;
		rest.bytes -= m->list.items[i].bytes;
	}
	if (rest.bytes > 0 && rest.bytes <= m->all.bytes)
		add_row(t, m, &rest, NULL, "[no stack taken]");
}

static void add_rows(struct table *t, struct mappers *m)
{
	_cleanup_(buf_done) struct buf label = { .limit = MAX_LABEL };
	if (m->list.n > 0)
		qsort(m->list.items, m->list.n, sizeof(*m->list.items), largest_first);
	for (size_t i = 0; i < m->list.n; i++) {
		const struct mapper *mapper = &m->list.items[i];
		const struct function_name *name = &m->names.names.items[mapper->name];
		if (mapper->calls == 0)
			continue;
		buf_clear(&label);
		if (name->frame != NULL && is_startline_code(name->frame))
			(void)buf_adds(&label, "[startline]");
		else if (name->frame != NULL)
			label_frame(name->frame, name->is_one_place, &label);
		if (i >= MAX_ROWS)
			table_audience(t, FOR_PROGRAMS);
		add_row(t, m, mapper, name,
			name->frame != NULL ? buf_str(&label) : "[unknown code]");
	}
	add_rest(t, m);
}

static struct table *build(const struct session *s, const struct run *run, struct table *t,
			   struct sites (*sites_of)(const struct growth *), bool *ret_has_any)
{
	struct mappers m = { 0 };
	int rc = function_table_init(&m.names, s);
	for (size_t i = 0; i < run->n_processes && rc == 0; i++) {
		const struct growth *growth = &run->processes[i].growth;
		const struct sites sites =
			growth->is_known ? sites_of(growth) : (struct sites){ 0 };
		rc = add_sites(&m, &sites);
	}
	if (rc == 0 && run->has_memory)
		add_rows(t, &m);
	table_fail(t, rc);
	*ret_has_any = m.list.n > 0;
	vec_done(&m.list);
	function_table_done(&m.names);
	if (!run->has_memory)
		table_note(t, "not recorded: it takes kernel probes (startline doctor)");
	return t;
}

struct table *build_mappings(const struct session *s, size_t run_index)
{
	const struct run *run = &s->runs[run_index];
	bool has_any;
	struct table *t =
		build(s, run, table_new("Memory mapped by", mapped_columns, N_OF(mapped_columns)),
		      mapped_sites, &has_any);
	if (run->has_memory)
		table_note(t,
			   has_any ? "by brk, mmap and mremap, at least 128 KiB in a call; touched "
				     "or not, and whether it was unmapped since"
				   : "no call added 128 KiB or more, or no stacks were recorded "
				     "(--stacks)");
	return t;
}

struct table *build_touched(const struct session *s, size_t run_index)
{
	const struct run *run = &s->runs[run_index];
	bool has_any;
	struct table *t =
		build(s, run,
		      table_new("Memory touched first by", touched_columns, N_OF(touched_columns)),
		      touched_sites, &has_any);
	if (run->has_memory)
		table_note(
			t,
			has_any ? "what became resident by page faults, by stacks that were "
				  "taken of some of these: each stands for all since the last one"
				: "too little became resident for a stack to be taken, or no "
				  "stacks were recorded (--stacks)");
	return t;
}
