/* SPDX-License-Identifier: MIT */
/* The loading of libraries, one by one: those that took longest first. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/view/report/parts.h"

#define MAX_LABEL    ((size_t)64 << 10)
#define MAX_ROWS     40 /* for people */
#define MAX_SEARCHES 8	/* and constructors, that are told in words */

static int64_t total_of(const struct library *l)
{
	return sum_known(sum_known(l->search_ns, l->map_ns), sum_known(l->relocate_ns, l->init_ns));
}

static int longest_first(const void *left, const void *right)
{
	const struct library *a = *(const struct library *const *)left;
	const struct library *b = *(const struct library *const *)right;
	const int64_t x = total_of(a), y = total_of(b);
	if (x != y)
		return x > y ? -1 : 1;
	return a < b ? -1 : a > b;
}

static void add_library(struct table *t, const struct run *run, const struct library *l,
			struct buf *label)
{
	const char *slash = strrchr(l->path, '/');
	table_text(t, process_label(run, l->process, label));
	table_count(t, l->process == 0 ? UNKNOWN : l->process);
	table_text(t, slash != NULL && slash[1] != '\0' ? slash + 1 : l->path);
	table_text(t, l->path);
	table_text(t, l->is_late ? "dlopen" : "start");
	table_ns(t, l->start_ns);
	table_ns(t, l->search_ns);
	table_count(t, l->misses);
	table_ns(t, l->map_ns);
	table_ns(t, l->relocate_ns);
	table_ns(t, l->init_ns);
	table_text(t, l->constructor);
	table_ns(t, l->constructor_ns);
	table_ns(t, total_of(l));
	table_ns(t, l->path_ns);
}

static void note_search(struct table *t, const struct library *l, struct buf *scratch)
{
	const char *before = "";
	buf_clear(scratch);
	for (size_t i = 0; i < l->missed.n; i++) {
		(void)buf_addf(scratch, "%s%s", before, l->missed.items[i]);
		before = ", ";
	}
	table_note(t, "%s: %" PRId64 " open%s failed before it was found; it is not in %s", l->path,
		   l->misses, l->misses == 1 ? "" : "s", buf_str(scratch));
}

static void note_searches(struct table *t, const struct library *const *order, size_t n,
			  struct buf *scratch)
{
	for (size_t i = 0, told = 0; i < n && told < MAX_SEARCHES; i++) {
		if (order[i]->misses <= 0 || order[i]->missed.n == 0)
			continue;
		note_search(t, order[i], scratch);
		told++;
	}
}

static void note_constructors(struct table *t, const struct library *const *order, size_t n)
{
	char took[UNITS_BYTES], init[UNITS_BYTES];
	for (size_t i = 0, told = 0; i < n && told < MAX_SEARCHES; i++) {
		const struct library *l = order[i];
		if (l->constructor == NULL)
			continue;
		table_note(t, "%s: %s of the %s of init are in %s", l->path,
			   format_ns(took, (double)l->constructor_ns),
			   format_ns(init, (double)l->init_ns), l->constructor);
		told++;
	}
}

static void note_unseen(struct table *t, const struct run *run)
{
	size_t n_static = 0, n_joined = 0, n_init = 0;
	for (size_t i = 0; i < run->n_processes; i++)
		for (size_t k = 0; k < run->processes[i].n_images; k++)
			n_static += run->processes[i].images[k].is_static;
	for (size_t i = 0; i < run->n_libraries; i++) {
		n_joined += run->libraries[i].relocate_ns == UNKNOWN;
		n_init += run->libraries[i].init_ns == UNKNOWN;
	}
	if (n_static > 0)
		table_note(t, "static: %zu programs load nothing; their own relocation is not seen",
			   n_static);
	if (n_joined > 0)
		table_note(
			t,
			"relocate: %zu without a region that becomes read only; theirs is part of "
			"the one relocated next",
			n_joined);
	if (n_init > 0)
		table_note(
			t,
			"init: %zu not seen: none, or what ends it makes no system call, as with the "
			"last library of a dlopen",
			n_init);
	if (run->libraries_cut != UNKNOWN && run->libraries_cut > 0)
		table_note(t, "%" PRId64 " more were loaded than are kept", run->libraries_cut);
}

static bool is_of_one_process(const struct run *run)
{
	for (size_t i = 1; i < run->n_libraries; i++)
		if (run->libraries[i].process != run->libraries[0].process)
			return false;
	return true;
}

#define COLUMNS(who)                                                                             \
	{                                                                                        \
		{ .title = "process", .key = "command", .audience = (who), .is_elastic = true }, \
			{ .title = "id", .key = "process", .audience = FOR_PROGRAMS },           \
			{ .title = "library", .key = "name", .is_elastic = true },               \
			{ .title = "path", .key = "path", .audience = FOR_PROGRAMS },            \
			{ .title = "loaded", .key = "loaded", .audience = FOR_PROGRAMS },        \
			{ .title = "at", .key = "start_ns", .align = ALIGN_RIGHT },              \
			{ .title = "search", .key = "search_ns", .align = ALIGN_RIGHT },         \
			{ .title = "misses", .key = "misses", .align = ALIGN_RIGHT },            \
			{ .title = "map", .key = "map_ns", .align = ALIGN_RIGHT },               \
			{ .title = "relocate", .key = "relocate_ns", .align = ALIGN_RIGHT },     \
			{ .title = "init", .key = "init_ns", .align = ALIGN_RIGHT },             \
			{ .title = "constructor",                                                \
			  .key = "constructor",                                                  \
			  .audience = FOR_PROGRAMS },                                            \
			{ .title = "took",                                                       \
			  .key = "constructor_ns",                                               \
			  .align = ALIGN_RIGHT,                                                  \
			  .audience = FOR_PROGRAMS },                                            \
			{ .title = "total", .key = "total_ns", .align = ALIGN_RIGHT },           \
		{                                                                                \
			.title = "on the path", .key = "path_ns", .align = ALIGN_RIGHT,          \
			.audience = FOR_PROGRAMS                                                 \
		}                                                                                \
	}

struct table *build_libraries(const struct session *s, size_t run_index)
{
	static const struct column of_one[] = COLUMNS(FOR_PROGRAMS), of_many[] = COLUMNS(FOR_ALL);
	const struct run *run = &s->runs[run_index];
	const size_t n = run->n_libraries;
	struct table *t =
		table_new("Libraries", is_of_one_process(run) ? of_one : of_many, N_OF(of_one));
	_cleanup_(buf_done) struct buf scratch = { .limit = MAX_LABEL };
	_cleanup_free_ const struct library **order = calloc(n + 1, sizeof(*order));
	if (order == NULL) {
		table_fail(t, -ENOMEM);
		return t;
	}
	for (size_t i = 0; i < n; i++)
		order[i] = &run->libraries[i];
	qsort(order, n, sizeof(*order), longest_first);
	int64_t rest_ns = 0;
	for (size_t i = 0; i < n; i++) {
		if (i >= MAX_ROWS) {
			table_audience(t, FOR_PROGRAMS);
			rest_ns = sum_known(rest_ns, total_of(order[i]));
		}
		add_library(t, run, order[i], &scratch);
	}
	char text[UNITS_BYTES];
	if (n > MAX_ROWS)
		table_note(t, "%zu more took %s together (all of them: --format csv)", n - MAX_ROWS,
			   format_ns(text, (double)rest_ns));
	if (!run->has_libraries) {
		table_note(t, "the loading of libraries was not recorded");
		return t;
	}
	note_searches(t, order, n, &scratch);
	note_constructors(t, order, n);
	note_unseen(t, run);
	return t;
}
