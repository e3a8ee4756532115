/* SPDX-License-Identifier: MIT */
/* Which module of a language was being loaded when: by its name, which is the same in other builds and
 * places. Those that take about as long on both sides are their parent's. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/id_map.h"
#include "userspace/model/compare/internal.h"

#define MAX_NAMES 20000

struct import_name {
	const char *name; /* interned */
	bool is_parent;	  /* of one that may be a row */
	int parent;	  /* a place before its own, NO_IMPORT */
	double self_ns
		[2]; /* on the critical path, in all runs of a side; with those of parts that are not told */
	int id; /* its own, else its nearest parent's that has one; NO_IMPORT */
};

struct import_kept {
	const char *name;
	int parent; /* id */
};

struct import_names {
	struct arena *arena;
	struct import_name_list VEC(struct import_name) all;
	struct id_map index; /* name -> place in all */
	struct import_kept_list VEC(struct import_kept) kept;
};

void import_names_done(struct import_names *n)
{
	if (n == NULL)
		return;
	vec_done(&n->all);
	vec_done(&n->kept);
	id_map_done(&n->index);
	free(n);
}

/* ---- which there are ---- */

static int place_of(const struct import_names *n, const char *interned)
{
	return interned != NULL ? id_map_get(&n->index, (uint64_t)(uintptr_t)interned) : -1;
}

static int parent_of(const struct import_names *n, const struct run *run,
		     const struct language_module *m)
{
	if (m->parent < 1 || (uint64_t)m->parent > run->n_language_modules)
		return NO_IMPORT;
	return place_of(n, arena_intern(n->arena, run->language_modules[m->parent - 1].name));
}

static int add_module(struct import_names *n, int side, const struct run *run,
		      const struct language_module *m)
{
	const char *interned = arena_intern(n->arena, m->name);
	const int place = place_of(n, interned);
	struct import_name *name = place >= 0 ? &n->all.items[place] : NULL;
	if (name == NULL) {
		/* Who asks first is the parent, also where that differs: it must stand before. */
		const struct import_name fresh = { .name = interned,
						   .parent = parent_of(n, run, m) };
		if (n->all.n >= MAX_NAMES)
			return 0;
		if (interned == NULL || vec_push(&n->all, fresh) < 0 ||
		    id_map_set(&n->index, (uint64_t)(uintptr_t)interned, (int)n->all.n - 1) < 0)
			return -ENOMEM;
		name = vec_last(&n->all);
	}
	if (m->self_path_ns > 0)
		name->self_ns[side] += (double)m->self_path_ns;
	return 0;
}

static void keep_worth(struct import_names *n, const struct session *const sessions[2], int *ret)
{
	const double least = code_least_ns(sessions[0], sessions[1]);
	/* Parts before the whole. */
	for (size_t i = n->all.n; i-- > 0;) {
		struct import_name *name = &n->all.items[i];
		const double change = name->self_ns[1] / (double)sessions[1]->n_runs -
				      name->self_ns[0] / (double)sessions[0]->n_runs;
		name->id = fabs(change) >= least ? 0 : NO_IMPORT;
		name->id = name->is_parent ? 0 : name->id;
		if (name->parent < 0)
			continue;
		struct import_name *parent = &n->all.items[name->parent];
		parent->is_parent |= name->id != NO_IMPORT;
		for (int side = 0; side < 2 && name->id == NO_IMPORT; side++)
			parent->self_ns[side] += name->self_ns[side];
	}
	vec_foreach(name, &n->all) {
		const int parent = name->parent >= 0 ? n->all.items[name->parent].id : NO_IMPORT;
		const struct import_kept kept = { name->name, parent };
		if (name->id == NO_IMPORT)
			name->id = parent;
		else if (vec_push(&n->kept, kept) == 0)
			name->id = (int)n->kept.n - 1;
		else
			*ret = -ENOMEM;
	}
}

static bool has_modules(const struct session *s)
{
	for (size_t i = 0; i < s->n_runs; i++)
		if (!s->runs[i].has_language_modules)
			return false;
	return s->n_runs > 0;
}

int import_names_new(struct arena *arena, const struct session *base, const struct session *head,
		     struct import_names **ret)
{
	const struct session *const sessions[2] = { base, head };
	int rc = 0;
	*ret = NULL;
	if (!has_modules(base) || !has_modules(head))
		return 0;
	struct import_names *n = calloc(1, sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	n->arena = arena;
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < sessions[side]->n_runs; i++) {
			const struct run *run = &sessions[side]->runs[i];
			for (size_t k = 0; k < run->n_language_modules && rc == 0; k++)
				rc = add_module(n, side, run, &run->language_modules[k]);
		}
	if (rc == 0)
		keep_worth(n, sessions, &rc);
	if (rc < 0)
		import_names_done(n);
	else
		*ret = n;
	return rc;
}

size_t import_count(const struct import_names *n)
{
	return n != NULL ? n->kept.n : 0;
}

int import_parent(const struct import_names *n, int id)
{
	return n->kept.items[id].parent;
}

const char *import_name(const struct import_names *n, int id)
{
	return id != NO_IMPORT ? n->kept.items[id].name : NULL;
}

/* ---- when ---- */

struct open_modules VEC(const struct language_module *);

static int64_t end_of(const struct language_module *m)
{
	/* Of files it is not known what lies in what: each lasts until the next. */
	const int64_t ns = strcmp(m->how, "files") == 0 ? m->self_ns : m->total_ns;
	int64_t end_ns;
	return ns < 0 || __builtin_add_overflow(m->start_ns, ns, &end_ns) ? m->start_ns : end_ns;
}

/* From @at_ns on it is the innermost of @open. */
static int mark(const struct import_names *n, const struct open_modules *open,
		const struct language_module *of, int64_t at_ns, struct import_line *line)
{
	const struct language_module *m = open->n > 0 ? *vec_last(open) : NULL;
	const int place = m != NULL ? place_of(n, arena_intern(n->arena, m->name)) : -1;
	return vec_push(line, (struct import_mark){ .process = of->process,
						    .thread = of->thread,
						    .at_ns = at_ns,
						    .id = place >= 0 ? n->all.items[place].id
								     : NO_IMPORT });
}

static bool is_of(const struct language_module *a, const struct language_module *b)
{
	return b != NULL && a->process == b->process && a->thread == b->thread;
}

/* Ends what has ended when @next begins; NULL: all. */
static int close_before(const struct import_names *n, const struct language_module *next,
			struct open_modules *open, struct import_line *line)
{
	int rc = 0;
	while (open->n > 0 && rc == 0) {
		const struct language_module *m = *vec_last(open);
		if (is_of(m, next) && end_of(m) > next->start_ns)
			break;
		open->n--;
		rc = mark(n, open, m, end_of(m), line);
	}
	return rc;
}

static int by_time(const struct import_mark *a, const struct import_mark *b)
{
	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	return a->at_ns < b->at_ns ? -1 : a->at_ns > b->at_ns;
}

static int compare_marks(const void *left, const void *right)
{
	const struct import_mark *a = left, *b = right;
	const int order = by_time(a, b);
	return order != 0 ? order : a->order < b->order ? -1 : a->order > b->order;
}

int import_line_of(const struct import_names *n, const struct run *run, struct import_line *ret)
{
	struct open_modules open = { 0 };
	int rc = 0;
	for (size_t i = 0; i < run->n_language_modules && rc == 0; i++) {
		const struct language_module *m = &run->language_modules[i];
		rc = close_before(n, m, &open, ret);
		if (rc == 0)
			rc = vec_push(&open, m);
		if (rc == 0)
			rc = mark(n, &open, m, m->start_ns, ret);
	}
	if (rc == 0)
		rc = close_before(n, NULL, &open, ret);
	vec_done(&open);
	for (size_t i = 0; i < ret->n; i++)
		ret->items[i].order = i;
	if (ret->n > 1)
		qsort(ret->items, ret->n, sizeof(*ret->items), compare_marks);
	return rc;
}

int import_at(const struct import_line *line, const struct segment *segment, int64_t at_ns,
	      int64_t *ret_until_ns)
{
	const struct import_mark key = { .process = segment->process,
					 .thread = segment->thread,
					 .at_ns = at_ns };
	size_t low = 0, high = line->n;
	while (low < high) { /* the first that is later */
		const size_t middle = low + (high - low) / 2;
		if (by_time(&line->items[middle], &key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	const struct import_mark *now = low > 0 ? &line->items[low - 1] : NULL;
	const struct import_mark *then = low < line->n ? &line->items[low] : NULL;
	const bool is_there =
		now != NULL && now->process == key.process && now->thread == key.thread;
	*ret_until_ns = then != NULL && then->process == key.process && then->thread == key.thread
				? then->at_ns
				: INT64_MAX;
	return is_there ? now->id : NO_IMPORT;
}
