/* SPDX-License-Identifier: MIT */
/* The finding repeated-work: what each of several forked children does for itself, and their parent could
 * have done once before it forked: loading a module, or a function. It needs the names of functions. */
#include "userspace/model/build/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/model/place.h"

#define CHILDREN_MIN 3
#define COST_MIN_NS  10000000 /* of all children but one, and … */
#define COST_MIN     0.05     /* … of the startup, waiting for a CPU left out */
#define CHILD_MIN_NS 1000000  /* in a child: less may be chance */
#define MAX_CHILDREN 32	      /* of a process that are looked at */
#define MANY	     512      /* works that are told apart */

/* The same of children of the same process. */
struct work {
	int parent;
	const char *name;   /* of a module, or of a function in @module */
	const char *module; /* NULL: the work is loading a module */
	struct {
		int process;
		int64_t ns;
	} children[MAX_CHILDREN];
	size_t n_children;
};

struct work_list VEC(struct work);

/* Its number of children that go on with its program; 0: @process is none of such. */
static size_t count_siblings(const struct run *run, const size_t *n_forked, int process)
{
	if (process < 1 || (size_t)process > run->n_processes)
		return 0;
	const struct process *p = &run->processes[process - 1];
	const bool is_forked =
		p->n_images == 0 && p->parent >= 1 && (size_t)p->parent <= run->n_processes;
	return is_forked ? n_forked[p->parent - 1] : 0;
}

static size_t *count_forked(const struct run *run)
{
	size_t *n = calloc(run->n_processes + 1, sizeof(*n));
	for (size_t i = 0; n != NULL && i < run->n_processes; i++) {
		const struct process *p = &run->processes[i];
		if (p->n_images == 0 && p->parent >= 1 && (size_t)p->parent <= run->n_processes)
			n[p->parent - 1]++;
	}
	return n;
}

static void add_to_child(struct work *w, int process, int64_t ns)
{
	for (size_t i = 0; i < w->n_children; i++)
		if (w->children[i].process == process) {
			w->children[i].ns = w->children[i].ns + (ns > 0 ? ns : 0);
			return;
		}
	if (w->n_children == MAX_CHILDREN)
		return;
	w->children[w->n_children].process = process;
	w->children[w->n_children++].ns = ns > 0 ? ns : 0;
}

static bool is_same(const struct work *a, const struct work *b)
{
	return a->parent == b->parent && strcmp(a->name, b->name) == 0 &&
	       (a->module == NULL) == (b->module == NULL) &&
	       (a->module == NULL || strcmp(a->module, b->module) == 0);
}

/* @work: without its children. */
static int add(struct work_list *all, const struct work *work, int process, int64_t ns)
{
	struct work *found = NULL;
	vec_foreach(w, all)
		found = is_same(w, work) ? w : found;
	if (found == NULL && all->n == MANY)
		return 0;
	if (found == NULL && vec_push(all, *work) < 0)
		return -ENOMEM;
	add_to_child(found != NULL ? found : vec_last(all), process, ns);
	return 0;
}

static int add_modules(const struct run *run, const size_t *n_forked, struct work_list *all)
{
	int rc = 0;
	for (size_t i = 0; i < run->n_language_modules && rc == 0; i++) {
		const struct language_module *m = &run->language_modules[i];
		if (m->parent != UNKNOWN || m->total_cpu_ns == UNKNOWN ||
		    count_siblings(run, n_forked, m->process) < CHILDREN_MIN)
			continue;
		const struct work work = { .parent = run->processes[m->process - 1].parent,
					   .name = m->name };
		rc = add(all, &work, m->process, m->total_cpu_ns);
	}
	return rc;
}

static int add_functions(const struct session *s, const struct run *run, const size_t *n_forked,
			 struct work_list *all)
{
	int rc = 0;
	for (size_t i = 0; i < run->n_samples && rc == 0; i++) {
		const struct cpu_sample *row = &run->samples[i];
		if (count_siblings(run, n_forked, row->process) < CHILDREN_MIN || row->is_open)
			continue;
		const struct frame *f = stack_place(s, row->stack);
		if (f == NULL || f->function == NULL || f->module == NULL || is_common_code(f))
			continue;
		const struct work work = { .parent = run->processes[row->process - 1].parent,
					   .name = f->function,
					   .module = f->module };
		rc = add(all, &work, row->process, row->weight_ns);
	}
	return rc;
}

static int64_t sum_of(const struct work *w, size_t *ret_n)
{
	int64_t ns = 0;
	*ret_n = 0;
	for (size_t i = 0; i < w->n_children; i++) {
		if (w->children[i].ns < CHILD_MIN_NS)
			continue;
		ns += w->children[i].ns;
		++*ret_n;
	}
	return ns;
}

static int64_t cost_of(const struct work *w)
{
	size_t n = 0;
	const int64_t ns = sum_of(w, &n);
	return n >= CHILDREN_MIN ? ns - ns / (int64_t)n : 0;
}

/* Of equal ones the first: loading a module has what runs in it, too. */
static const struct work *worst_of(const struct work_list *all)
{
	const struct work *worst = NULL;
	vec_foreach(w, all)
		worst = worst == NULL || cost_of(w) > cost_of(worst) ? w : worst;
	return worst;
}

static const char *describe(struct session *s, const struct run *run, const struct work *w)
{
	const struct process *parent = &run->processes[w->parent - 1];
	const char *module = w->module != NULL ? module_label(s->arena, w->module) : NULL;
	size_t n = 0;
	const double sum_ms = (double)sum_of(w, &n) / 1e6;
	return arena_printf(
		s->arena, "%zu forked children of %s each %s %s%s%s, for %.1f ms of CPU time", n,
		parent->exe != NULL ? module_label(s->arena, parent->exe) : "a process",
		module == NULL ? "loaded" : "ran", w->name, module != NULL ? " of " : "",
		module != NULL ? module : "", sum_ms / (double)n);
}

int repeated_work(struct session *s, struct run *run)
{
	_cleanup_vec_ struct work_list all = { 0 };
	_cleanup_free_ size_t *n_forked = count_forked(run);
	int rc = n_forked != NULL ? add_modules(run, n_forked, &all) : -ENOMEM;
	if (rc == 0)
		rc = add_functions(s, run, n_forked, &all);
	const struct work *worst = rc == 0 ? worst_of(&all) : NULL;
	if (worst == NULL || cost_of(worst) < COST_MIN_NS ||
	    (double)cost_of(worst) < COST_MIN * (double)startup_own_ns(run))
		return rc;
	return finding_add(
		s, run,
		(struct finding){
			.id = "repeated-work",
			.cost_ns = cost_of(worst),
			.evidence = describe(s, run, worst),
			.remedy = "do it once, before they are forked (gunicorn --preload, "
				  "uwsgi without lazy-apps): they share its memory then, too",
		});
}
