/* SPDX-License-Identifier: MIT */
/* The program's functions with what the interpreter, the C library and the kernel did for them: of a Python program
 * the innermost function is nearly always one of the interpreter, which nobody can change. */

#include <inttypes.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/model/place.h"
#include "userspace/view/report/label.h"
#include "userspace/view/report/parts.h"

#define MAX_NAMED 5
#define LEAST	  0.05 /* of the critical path */
#define MANY	  1024 /* lines that are told apart */

/* A line of a function; where lines are not known, all of it. */
struct place {
	const struct frame *frame;
	int64_t ns;
};

struct place_list VEC(struct place);

static bool is_same(const struct frame *a, const struct frame *b)
{
	return strcmp(a->function, b->function) == 0 &&
	       strcmp(text_of(a->module), text_of(b->module)) == 0;
}

static int add(struct place_list *all, const struct frame *f, int64_t ns)
{
	vec_foreach(p, all) {
		if (p->frame == f || (p->frame->line == f->line && is_same(p->frame, f))) {
			p->ns = sum_known(p->ns, ns);
			return 0;
		}
	}
	return all->n == MANY ? 0 : vec_push(all, ((struct place){ f, ns }));
}

static int64_t function_ns(const struct place_list *all, const struct frame *f)
{
	int64_t ns = 0;
	vec_foreach(p, all)
		ns = sum_known(ns, is_same(p->frame, f) ? p->ns : 0);
	return ns;
}

/* "unique (app.py:10)": the line of it that most was spent at. */
static void add_name(const struct place_list *all, const struct frame *f, struct buf *out)
{
	const struct place *line = NULL;
	vec_foreach(p, all)
		if (is_same(p->frame, f) && (line == NULL || p->ns > line->ns))
			line = p;
	const bool is_body = is_module_body(f->function);
	const bool is_known = line != NULL && f->file != NULL && line->frame->line != UNKNOWN;
	if (!is_body)
		label_frame(f, true, out);
	(void)buf_addf(out, "%s%s", is_body ? "" : " (",
		       label_base(text_of(is_known ? f->file : f->module)));
	if (is_known)
		(void)buf_addf(out, ":%" PRId64, line->frame->line);
	(void)buf_adds(out, is_body ? "" : ")");
}

static void name_heaviest(struct place_list *all, int64_t sum_ns, int64_t n_runs, struct buf *out)
{
	char text[UNITS_BYTES];
	for (int n = 0; n < MAX_NAMED; n++) {
		const struct frame *most = NULL;
		int64_t most_ns = 0;
		vec_foreach(p, all) {
			const int64_t ns = p->ns > 0 ? function_ns(all, p->frame) : 0;
			most = ns > most_ns ? p->frame : most;
			most_ns = ns > most_ns ? ns : most_ns;
		}
		if (most == NULL || (double)most_ns < LEAST * (double)sum_ns)
			return;
		(void)buf_adds(out, n > 0 ? ", " : "");
		add_name(all, most, out);
		(void)buf_addf(out, " %s (%.0f %%)",
			       format_ns_short(text, (double)most_ns / (double)n_runs),
			       100 * (double)most_ns / (double)sum_ns);
		vec_foreach(p, all)
			p->ns = is_same(p->frame, most) ? 0 : p->ns;
	}
}

void note_places(const struct session *s, struct table *t)
{
	_cleanup_vec_ struct place_list all = { 0 };
	_cleanup_(buf_done) struct buf names = { .limit = (size_t)64 << 10 };
	int64_t sum_ns = 0;
	int rc = 0;
	for (size_t i = 0; i < s->n_runs; i++) {
		const struct run *run = &s->runs[i];
		for (size_t k = 0; k < run->n_samples && rc == 0; k++) {
			const struct cpu_sample *row = &run->samples[k];
			const struct frame *f =
				row->is_critical ? stack_place(s, row->stack) : NULL;
			sum_ns = sum_known(sum_ns, row->is_critical ? row->weight_ns : 0);
			if (f != NULL && f->function != NULL && !row->is_open && !is_common_code(f))
				rc = add(&all, f, row->weight_ns);
		}
	}
	table_fail(t, rc);
	if (sum_ns > 0 && s->n_runs > 0)
		name_heaviest(&all, sum_ns, (int64_t)s->n_runs, &names);
	if (names.len > 0)
		table_note(
			t,
			"with what the C library, the kernel and an interpreter did for them: %s",
			buf_str(&names));
}
