/* SPDX-License-Identifier: MIT */
/* The libraries of a run, and whose time an instant of loading is. */
#include "userspace/model/build/loading.h"

#include <stdlib.h>
#include <string.h>

#define MAX_LIBRARIES 65536 /* of a run: more are counted only */
#define MAX_MISSED    64    /* directories of a search that are named */

static int64_t lasted(const struct loading_time *t)
{
	return t->until_ns != 0 ? (int64_t)(t->until_ns - t->from_ns) : UNKNOWN;
}

static uint64_t start_of(const struct loaded *l)
{
	uint64_t start_ns = 0;
	for (int step = 0; step < LOADING_STEPS; step++) {
		const uint64_t from_ns = l->steps[step].from_ns;
		if (from_ns != 0 && (start_ns == 0 || from_ns < start_ns))
			start_ns = from_ns;
	}
	return start_ns;
}

/* In each directory glibc's loader first looks for what was built for just this processor. */
static bool is_variant(const char *directory, size_t length)
{
	static const char *const names[] = { "glibc-hwcaps", "tls",	 "haswell",
					     "avx512_1",     "xeon_phi", "x86_64" };
	size_t at = length;
	while (at > 0 && directory[at - 1] != '/')
		at--;
	if (length - at > 8 && memcmp(directory + at, "x86-64-v", 8) == 0)
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length - at &&
		    memcmp(directory + at, names[i], length - at) == 0)
			return true;
	return false;
}

/* The directories that do not have it, each once. */
static struct text_list missed_of(struct builder *b, const struct proc *p, const struct loaded *l)
{
	const size_t most = l->n_misses < MAX_MISSED ? (size_t)l->n_misses : MAX_MISSED;
	struct text_list list = { .items = NULL };
	if (most == 0)
		return list;
	list.items = keep(b, arena_alloc_array(b->arena, most, sizeof(*list.items)));
	for (size_t i = l->search_first; i < l->search_end && list.n < most && list.items != NULL;
	     i++) {
		const struct sl_open *open = (const void *)p->links.items[i];
		if (open->event.kind != SL_KIND_OPEN || open->event.tid != l->tid ||
		    open->result >= 0)
			continue;
		const char *path = text_of(b->arena, &open->event, open->text);
		const char *slash = strrchr(path, '/');
		const size_t length = slash != NULL ? (size_t)(slash - path) : 0;
		if (length == 0 || is_variant(path, length))
			continue;
		const char *directory = arena_internn(b->arena, path, length);
		if (directory != NULL)
			list.items[list.n++] = directory;
		else
			b->error = -ENOMEM;
	}
	return list;
}

/* One thing at a time: what made-up traces say twice belongs to the first. */
static int by_time(const void *left, const void *right)
{
	const struct library_part *a = left, *b = right;
	return a->from_ns < b->from_ns ? -1 : a->from_ns > b->from_ns;
}

static void add_parts(struct builder *b, struct proc *p, const struct loaded *l)
{
	for (int step = 0; step < LOADING_STEPS; step++)
		if (l->steps[step].until_ns > l->steps[step].from_ns)
			push(b, &p->library_parts,
			     (struct library_part){ .from_ns = l->steps[step].from_ns,
						    .until_ns = l->steps[step].until_ns,
						    .tid = l->tid,
						    .library = b->libraries.n - 1 });
}

void libraries_keep(struct builder *b, struct proc *p, const struct loaded_list *all)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct loaded *l = &all->items[i];
		const uint64_t start_ns = start_of(l);
		if (l->is_shim || start_ns == 0 || (l->high != 0 && !l->is_by_loader))
			continue;
		if (b->libraries.n == MAX_LIBRARIES) {
			b->run->libraries_cut++;
			continue;
		}
		const struct library kept = {
			.process = (int)(p - b->procs.items) + 1,
			.path = l->path,
			.start_ns = rel(b, start_ns),
			.search_ns = lasted(&l->steps[LOADING_SEARCH]),
			.map_ns = lasted(&l->steps[LOADING_MAP]),
			.relocate_ns = lasted(&l->steps[LOADING_RELOCATE]),
			.init_ns = lasted(&l->steps[LOADING_INIT]),
			.constructor_ns = UNKNOWN,
			.misses = l->n_misses,
			.missed = missed_of(b, p, l),
			.is_late = l->is_late,
		};
		push(b, &b->libraries, kept);
		add_parts(b, p, l);
	}
}

void libraries_order(struct builder *b)
{
	vec_foreach(p, &b->procs) {
		struct library_part *parts = p->library_parts.items;
		const size_t n = p->library_parts.n;
		if (n > 1)
			qsort(parts, n, sizeof(*parts), by_time);
		for (size_t i = 1; i < n; i++) {
			if (parts[i].from_ns < parts[i - 1].until_ns)
				parts[i].from_ns = parts[i - 1].until_ns;
			if (parts[i].until_ns < parts[i].from_ns)
				parts[i].until_ns = parts[i].from_ns;
		}
	}
}

struct library *library_at(struct builder *b, const struct thread *t, uint64_t at_ns,
			   uint64_t *ret_until)
{
	const struct proc *p = &b->procs.items[t->proc];
	const struct library_part *parts = p->library_parts.items;
	size_t low = 0, high = p->library_parts.n;
	while (low < high) { /* the first that ends after it */
		const size_t middle = low + (high - low) / 2;
		if (parts[middle].until_ns <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_until = FOREVER;
	if (low == p->library_parts.n)
		return NULL;
	const bool is_in = parts[low].from_ns <= at_ns;
	*ret_until = is_in ? parts[low].until_ns : parts[low].from_ns;
	return is_in && parts[low].tid == t->tid ? &b->libraries.items[parts[low].library] : NULL;
}

/* In order of their first event. */
static int by_start(const void *left, const void *right)
{
	const struct library *a = left, *b = right;
	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	return a->process < b->process ? -1 : a->process > b->process;
}

void libraries_finish(struct builder *b)
{
	struct run *run = b->run;
	const size_t n = b->libraries.n;
	if (n == 0)
		return;
	run->libraries =
		keep(b, arena_memdup(b->arena, b->libraries.items, n * sizeof(*run->libraries)));
	if (run->libraries == NULL)
		return;
	run->n_libraries = n;
	qsort(run->libraries, n, sizeof(*run->libraries), by_start);
	for (size_t i = 0; i < n && !run->has_segments; i++)
		run->libraries[i].path_ns = UNKNOWN;
}
