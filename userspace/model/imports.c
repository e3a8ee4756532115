/* SPDX-License-Identifier: MIT */
/* Modules are put together by package and by the package that loads them; then the heavy ones are those that
 * do not pass most of it on to other heavy ones. */
#include "userspace/model/imports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"

#define PASSED_ON  0.7 /* of a package: to what it loads */
#define NEARLY_ALL 0.8 /* of a package: in one of its modules */

struct package {
	const struct language_module *first; /* loaded from outside */
	size_t n_name;
	int above; /* the package that loads it; -1: none */
	int64_t ns, heavy_ns;
	bool is_passing_on;
};

struct package_list VEC(struct package);

struct imports {
	const struct run *run;
	const int64_t *total_ns;
	struct package_list packages;
	int *package_of; /* by module */
};

/* "numpy" of "numpy.core", "@scope/name" of "@scope/name/lib/a". */
static size_t package_length(const struct language_module *m)
{
	const char *ends = strcmp(m->language, "python") == 0 ? "." : "/:";
	size_t n = strcspn(m->name, ends);
	if (m->name[0] == '@' && m->name[n] == '/')
		n += 1 + strcspn(m->name + n + 1, ends);
	return n;
}

static bool is_package(const struct package *p, const struct language_module *m, size_t n)
{
	return p->n_name == n && memcmp(p->first->name, m->name, n) == 0 &&
	       p->first->process == m->process;
}

static int find_package(const struct imports *all, const struct language_module *m, size_t n,
			int above)
{
	for (size_t i = 0; i < all->packages.n; i++)
		if (all->packages.items[i].above == above &&
		    is_package(&all->packages.items[i], m, n))
			return (int)i;
	return -1;
}

static int64_t known(int64_t ns)
{
	return ns == UNKNOWN || ns < 0 ? 0 : ns;
}

/* In a document modules may come in any order, and of what comes later nothing is known yet. */
static int parent_of(const struct run *run, size_t module)
{
	const int64_t parent = run->language_modules[module].parent;
	return parent >= 1 && (uint64_t)parent <= module ? (int)parent - 1 : -1;
}

static int put_together(struct imports *all)
{
	const struct run *run = all->run;
	for (size_t i = 0; i < run->n_language_modules; i++) {
		const struct language_module *m = &run->language_modules[i];
		const int parent = parent_of(run, i);
		const int above = parent >= 0 ? all->package_of[parent] : -1;
		const size_t n = package_length(m);
		if (above >= 0 && is_package(&all->packages.items[above], m, n)) {
			all->package_of[i] = above;
			continue;
		}
		int place = find_package(all, m, n, above);
		if (place < 0) {
			place = (int)all->packages.n;
			if (vec_push(&all->packages,
				     ((struct package){
					     .first = m, .n_name = n, .above = above })) < 0)
				return -ENOMEM;
		}
		all->packages.items[place].ns += known(all->total_ns[i]);
		all->package_of[i] = place;
	}
	return 0;
}

/* Packages come behind those that load them. */
static void pass_on(struct imports *all, int64_t least_ns)
{
	for (size_t i = all->packages.n; i-- > 0;) {
		struct package *p = &all->packages.items[i];
		p->is_passing_on = (double)p->heavy_ns >= PASSED_ON * (double)p->ns;
		if (p->ns >= least_ns && p->above >= 0)
			all->packages.items[p->above].heavy_ns += p->ns;
	}
}

static bool is_listed(const struct imports *all, const struct package *p, int64_t least_ns)
{
	if (p->ns < least_ns || p->ns <= 0 || p->is_passing_on)
		return false;
	for (int above = p->above; above >= 0; above = all->packages.items[above].above)
		if (!all->packages.items[above].is_passing_on)
			return false;
	return true;
}

/* The innermost module of @package that has nearly all of it; else the package's name stands. */
static void add_name(const struct imports *all, int package, struct heavy_import *ret)
{
	const struct run *run = all->run;
	const struct package *p = &all->packages.items[package];
	ret->name = p->first->name;
	ret->n_name = p->n_name;
	for (size_t i = 0; i < run->n_language_modules; i++) {
		const char *name = run->language_modules[i].name;
		if (all->package_of[i] == package && strlen(name) > ret->n_name &&
		    (double)known(all->total_ns[i]) >= NEARLY_ALL * (double)p->ns) {
			ret->name = name;
			ret->n_name = strlen(name);
		}
	}
}

static int heaviest_first(const void *left, const void *right)
{
	const struct heavy_import *a = left, *b = right;
	if (a->ns != b->ns)
		return a->ns > b->ns ? -1 : 1;
	return a->process != b->process ? a->process - b->process : strcmp(a->name, b->name);
}

static int list(const struct imports *all, int64_t least_ns, struct heavy_import_list *ret)
{
	for (size_t i = 0; i < all->packages.n; i++) {
		const struct package *p = &all->packages.items[i];
		const int loader =
			parent_of(all->run, (size_t)(p->first - all->run->language_modules));
		struct heavy_import import = {
			.by = loader >= 0 ? all->run->language_modules[loader].name : NULL,
			.process = p->first->process,
			.ns = p->ns,
		};
		if (!is_listed(all, p, least_ns))
			continue;
		add_name(all, (int)i, &import);
		if (vec_push(ret, import) < 0)
			return -ENOMEM;
	}
	if (ret->n > 0)
		qsort(ret->items, ret->n, sizeof(*ret->items), heaviest_first);
	return 0;
}

int imports_heaviest(const struct run *run, const int64_t *total_ns, int64_t least_ns,
		     struct heavy_import_list *ret)
{
	struct imports all = { .run = run, .total_ns = total_ns };
	all.package_of = calloc(run->n_language_modules + 1, sizeof(*all.package_of));
	int rc = all.package_of != NULL ? put_together(&all) : -ENOMEM;
	if (rc == 0) {
		pass_on(&all, least_ns);
		rc = list(&all, least_ns, ret);
	}
	vec_done(&all.packages);
	free(all.package_of);
	return rc;
}
