/* SPDX-License-Identifier: MIT */
/* Modules of languages, the ones first that took most time, all that they load included. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/report/parts.h"

#define MAX_ROWS_FOR_PEOPLE 40

static int by_total(const void *left, const void *right)
{
	const struct language_module *const *a = left;
	const struct language_module *const *b = right;
	if ((*a)->total_ns != (*b)->total_ns)
		return (*a)->total_ns > (*b)->total_ns ? -1 : 1;
	return (*a)->id < (*b)->id ? -1 : (*a)->id > (*b)->id;
}

static const char *parent_name(const struct run *run, const struct language_module *m)
{
	const bool is_there = m->parent >= 1 && (uint64_t)m->parent <= run->n_language_modules;
	return is_there ? run->language_modules[m->parent - 1].name : NULL;
}

static void add_module(struct table *t, const struct run *run, const struct language_module *m)
{
	table_count(t, m->id);
	table_text(t, m->name);
	table_ns(t, m->total_ns);
	table_ns(t, m->self_ns);
	table_ns(t, m->total_cpu_ns);
	table_ns(t, m->total_path_ns);
	table_ns(t, m->self_cpu_ns);
	table_ns(t, m->self_path_ns);
	table_text(t, parent_name(run, m));
	table_count(t, m->parent);
	table_text(t, m->language);
	table_text(t, m->how);
	table_count(t, m->process == 0 ? UNKNOWN : m->process);
	table_count(t, m->thread);
	table_ns(t, m->start_ns);
}

static const struct language_module **sorted_modules(const struct run *run)
{
	const struct language_module **modules =
		calloc(run->n_language_modules + 1, sizeof(*modules));
	for (size_t i = 0; modules != NULL && i < run->n_language_modules; i++)
		modules[i] = &run->language_modules[i];
	if (modules != NULL)
		qsort(modules, run->n_language_modules, sizeof(*modules), by_total);
	return modules;
}

/* Those of a JVM are told of by themselves. */
static bool is_any_by_files(const struct run *run, bool is_java)
{
	for (size_t i = 0; i < run->n_language_modules; i++) {
		const struct language_module *m = &run->language_modules[i];
		if (strcmp(m->how, "files") == 0 && (strcmp(m->language, "java") == 0) == is_java)
			return true;
	}
	return false;
}

struct table *build_modules(const struct session *s, size_t run_index)
{
	static const struct column columns[] = {
		{ .title = "", .key = "id", .audience = FOR_PROGRAMS },
		{ .title = "module", .key = "name", .is_elastic = true },
		{ .title = "total", .key = "total_ns", .align = ALIGN_RIGHT },
		{ .title = "self", .key = "self_ns", .align = ALIGN_RIGHT },
		{ .title = "on CPU", .key = "total_cpu_ns", .align = ALIGN_RIGHT },
		{ .title = "critical", .key = "total_path_ns", .align = ALIGN_RIGHT },
		{ .title = "", .key = "self_cpu_ns", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "self_path_ns", .audience = FOR_PROGRAMS },
		{ .title = "loaded by", .key = "parent_name" },
		{ .title = "", .key = "parent", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "language", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "how", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "process", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "thread", .audience = FOR_PROGRAMS },
		{ .title = "", .key = "start_ns", .audience = FOR_PROGRAMS },
	};
	const struct run *run = &s->runs[run_index];
	_cleanup_free_ const struct language_module **modules = sorted_modules(run);
	struct table *t = table_new("Modules", columns, N_OF(columns));
	table_fail(t, modules == NULL ? -ENOMEM : 0);
	for (size_t i = 0; modules != NULL && i < run->n_language_modules; i++) {
		if (i >= MAX_ROWS_FOR_PEOPLE)
			table_audience(t, FOR_PROGRAMS);
		add_module(t, run, modules[i]);
	}
	if (run->n_language_modules > MAX_ROWS_FOR_PEOPLE)
		table_note(t, "and %zu more: --format csv",
			   run->n_language_modules - MAX_ROWS_FOR_PEOPLE);
	if (is_any_by_files(run, true))
		table_note(
			t,
			"a JVM opens archives before it loads classes, and tells of neither how long "
			"it took: java -Xlog:class+load has the classes");
	if (is_any_by_files(run, false))
		table_note(t, "seen by files: the time until the file of the next module was "
			      "opened, which may be too much; nested as the names say");
	if (!run->has_language_modules)
		table_note(t, "modules were not recorded: no kernel events");
	return t;
}
