/* SPDX-License-Identifier: MIT */
/* Which files are opened, or missed, more or less often: by name, mean over the runs of each side. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/vec.h"
#include "userspace/model/build/id_map.h"
#include "userspace/model/compare/internal.h"

enum { BASE, HEAD, SIDES };

static const struct {
	const char *metric;
	size_t offset; /* in struct file: int64_t */
} counts[] = {
	{ "files.opens", offsetof(struct file, opens) },
	{ "files.misses", offsetof(struct file, misses) },
};
#define COUNTS (sizeof(counts) / sizeof(*counts))

struct name_counts {
	const char *path;
	double sums[SIDES][COUNTS];
};

struct counted {
	struct name_counts_list VEC(struct name_counts) list;
	struct id_map index; /* name -> place in list */
	size_t n_runs[SIDES];
};

static struct name_counts *counts_of(struct counted *all, const char *path)
{
	const uint64_t key = (uint64_t)(uintptr_t)path;
	const int place = id_map_get(&all->index, key);
	if (place >= 0)
		return &all->list.items[place];
	if (vec_push(&all->list, (struct name_counts){ .path = path }) < 0 ||
	    id_map_set(&all->index, key, (int)all->list.n - 1) < 0)
		return NULL;
	return vec_last(&all->list);
}

static int add_run(struct counted *all, struct alignment *alignment, const struct run *run,
		   int side)
{
	if (!run->has_files)
		return 0;
	all->n_runs[side]++;
	for (size_t i = 0; i < run->n_files; i++) {
		const struct file *f = &run->files[i];
		struct name_counts *name = counts_of(all, aligned_path(alignment, f->path));
		if (name == NULL)
			return -ENOMEM;
		for (size_t k = 0; k < COUNTS; k++) {
			const int64_t n = *(const int64_t *)((const char *)f + counts[k].offset);
			name->sums[side][k] += n == UNKNOWN ? 0 : (double)n;
		}
	}
	return 0;
}

/* By metric, what differs most first. */
static int by_delta(const void *left, const void *right)
{
	const struct file_row *a = left, *b = right;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	const double x = fabs(a->head - a->base), y = fabs(b->head - b->base);
	if (x != y)
		return x > y ? -1 : 1;
	return strcmp(a->path, b->path);
}

static int fill(struct comparison *c, const struct counted *all)
{
	c->files = arena_alloc_array(c->arena, all->list.n * COUNTS + 1, sizeof(*c->files));
	if (c->files == NULL)
		return -ENOMEM;
	for (size_t k = 0; k < COUNTS; k++) {
		vec_foreach(name, &all->list) {
			const double base = name->sums[BASE][k] / (double)all->n_runs[BASE];
			const double head = name->sums[HEAD][k] / (double)all->n_runs[HEAD];
			if (base == head)
				continue;
			c->files[c->n_files++] = (struct file_row){
				.metric = counts[k].metric,
				.order = k,
				.path = name->path,
				.base = base,
				.head = head,
			};
		}
	}
	if (c->n_files > 1)
		qsort(c->files, c->n_files, sizeof(*c->files), by_delta);
	return 0;
}

int compare_files(struct comparison *c, struct alignment *alignment)
{
	const struct session *const sessions[SIDES] = { c->base, c->head };
	struct counted all = { 0 };
	int r = 0;
	for (int side = 0; side < SIDES; side++)
		for (size_t i = 0; i < sessions[side]->n_runs && r == 0; i++)
			r = add_run(&all, alignment, &sessions[side]->runs[i], side);
	if (r == 0 && all.n_runs[BASE] > 0 && all.n_runs[HEAD] > 0)
		r = fill(c, &all);
	vec_done(&all.list);
	id_map_done(&all.index);
	return r;
}
