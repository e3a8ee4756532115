/* SPDX-License-Identifier: MIT */
/* Which objects are behind a difference in an exact count: files opened and missed, programs executed,
 * processes, peers connected to. By name, mean over the runs of each side. */

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/id_map.h"
#include "userspace/base/vec.h"
#include "userspace/model/compare/internal.h"

enum { BASE, HEAD, SIDES };

enum count { FILE_OPENS, FILE_MISSES, EXECS, PROCESSES, CONNECTS, COUNTS };

static const char *const metric_of[COUNTS] = {
	[FILE_OPENS] = "files.opens", [FILE_MISSES] = "files.misses", [EXECS] = "proc.execs",
	[PROCESSES] = "proc.count",   [CONNECTS] = "net.connects",
};

struct name_counts {
	const char *name;
	double sums[SIDES][COUNTS];
};

struct counted {
	struct name_counts_list VEC(struct name_counts) list;
	struct id_map index;	      /* name -> place in list */
	size_t n_runs[SIDES][COUNTS]; /* that know of it */
	int side;		      /* that is being counted */
	int error;
};

/* @name is interned. */
static void count(struct counted *all, const char *name, enum count which, double n)
{
	const uint64_t key = (uint64_t)(uintptr_t)name;
	const int place = id_map_get(&all->index, key);
	if (place < 0 && (vec_push(&all->list, (struct name_counts){ .name = name }) < 0 ||
			  id_map_set(&all->index, key, (int)all->list.n - 1) < 0)) {
		all->error = -ENOMEM;
		return;
	}
	assert(all->list.items != NULL);
	struct name_counts *counts = place >= 0 ? &all->list.items[place] : vec_last(&all->list);
	counts->sums[all->side][which] += n;
}

static void count_files(struct counted *all, struct alignment *a, const struct run *run)
{
	for (size_t i = 0; i < run->n_files; i++) {
		const struct file *f = &run->files[i];
		const char *name = aligned_name(a, f->path);
		count(all, name, FILE_OPENS, f->opens == UNKNOWN ? 0 : (double)f->opens);
		count(all, name, FILE_MISSES, f->misses == UNKNOWN ? 0 : (double)f->misses);
	}
}

static void count_processes(struct counted *all, struct alignment *a, const struct run *run)
{
	for (size_t i = 0; i < run->n_processes; i++) {
		const struct process *p = &run->processes[i];
		count(all, aligned_process(a, run, p->id), PROCESSES, 1);
		for (size_t k = 0; k < p->n_images; k++)
			if (image_is_executed(&p->images[k]))
				count(all, aligned_image(a, &p->images[k]), EXECS, 1);
	}
}

static void count_connections(struct counted *all, struct alignment *a, const struct run *run)
{
	for (size_t i = 0; i < run->n_connections; i++)
		if (connection_is_made(&run->connections[i]))
			count(all, aligned_name(a, run->connections[i].peer), CONNECTS, 1);
}

/* As the metrics themselves are counted, or not: metrics.c. */
static void count_run(struct counted *all, struct alignment *a, const struct run *run)
{
	const bool has_kernel = run->lost_bpf != UNKNOWN;
	const bool has_connections = has_kernel || run->lost_shim != UNKNOWN;
	size_t *n_runs = all->n_runs[all->side];
	n_runs[FILE_OPENS] += run->has_files;
	n_runs[FILE_MISSES] += run->has_files;
	n_runs[EXECS] += has_kernel;
	n_runs[PROCESSES] += has_kernel;
	n_runs[CONNECTS] += has_connections;
	if (run->has_files)
		count_files(all, a, run);
	if (has_kernel)
		count_processes(all, a, run);
	if (has_connections)
		count_connections(all, a, run);
}

/* By metric, what differs most first. */
static int by_delta(const void *left, const void *right)
{
	const struct object_row *a = left, *b = right;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	const double x = fabs(a->head - a->base), y = fabs(b->head - b->base);
	if (x != y)
		return x > y ? -1 : 1;
	return strcmp(a->name, b->name);
}

static double mean(double sum, size_t n_runs)
{
	return n_runs > 0 ? sum / (double)n_runs : 0;
}

static int fill(struct comparison *c, const struct counted *all)
{
	c->objects = arena_alloc_array(c->arena, all->list.n * COUNTS + 1, sizeof(*c->objects));
	if (c->objects == NULL)
		return -ENOMEM;
	for (size_t k = 0; k < COUNTS; k++) {
		const size_t n_base = all->n_runs[BASE][k], n_head = all->n_runs[HEAD][k];
		if (n_head == 0 || (n_base == 0 && !is_nothing(c->base)))
			continue;
		vec_foreach(counts, &all->list) {
			const double base = mean(counts->sums[BASE][k], n_base);
			const double head = mean(counts->sums[HEAD][k], n_head);
			if (base == head)
				continue;
			c->objects[c->n_objects++] = (struct object_row){
				.metric = metric_of[k],
				.order = k,
				.name = counts->name,
				.base = base,
				.head = head,
			};
		}
	}
	if (c->n_objects > 1)
		qsort(c->objects, c->n_objects, sizeof(*c->objects), by_delta);
	return 0;
}

int compare_objects(struct comparison *c, struct alignment *alignment)
{
	const struct session *const sessions[SIDES] = { c->base, c->head };
	struct counted all = { 0 };
	for (all.side = 0; all.side < SIDES; all.side++)
		for (size_t i = 0; i < sessions[all.side]->n_runs; i++)
			count_run(&all, alignment, &sessions[all.side]->runs[i]);
	const int r = all.error < 0 ? all.error : fill(c, &all);
	vec_done(&all.list);
	id_map_done(&all.index);
	return r;
}
