/* SPDX-License-Identifier: MIT */
/* The tree of images. Parents come before their children in a session; where a document from
 * outside has it otherwise, the process hangs below the root. */

#include "userspace/view/report/lineage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_real(const struct image *image)
{
	return image->result == NULL || strcmp(image->result, "ok") == 0;
}

static int add(struct lineage *lineage, int parent, int process, const struct image *image)
{
	const struct kin *above = &lineage->kin.items[parent];
	if (above->depth >= LINEAGE_DEPTH)
		parent = above->parent;
	const struct kin kin = { .parent = parent,
				 .depth = lineage->kin.items[parent].depth + 1,
				 .process = process,
				 .image = image,
				 .is_leaf = true };
	const int rc = vec_push(&lineage->kin, kin);
	return rc < 0 ? rc : (int)lineage->kin.n - 1;
}

/* Its time before the first exec, when it was forked, and each image. */
static int add_process(struct lineage *lineage, const struct process *p, int id)
{
	size_t n_real = 0;
	const struct image *first = NULL;
	for (size_t i = 0; i < p->n_images; i++) {
		if (!is_real(&p->images[i]))
			continue;
		first = n_real++ == 0 ? &p->images[i] : first;
	}
	const bool has_fork = first == NULL || first->time_ns > p->start_ns;
	const int above =
		p->parent >= 1 && p->parent < id ? lineage_at(lineage, p->parent, p->start_ns) : 0;
	int parent = above;
	if (n_real + has_fork > 1) {
		parent = add(lineage, above, id, NULL);
		if (parent < 0)
			return parent;
		lineage->kin.items[parent].is_leaf = false;
	}
	lineage->first[id] = (int)lineage->kin.n;
	lineage->count[id] = (int)n_real + has_fork;
	int rc = has_fork ? add(lineage, parent, id, NULL) : 0;
	for (size_t i = 0; i < p->n_images && rc >= 0; i++) {
		if (is_real(&p->images[i]))
			rc = add(lineage, parent, id, &p->images[i]);
	}
	return rc < 0 ? rc : 0;
}

int lineage_of(const struct run *run, struct lineage *ret)
{
	*ret = (struct lineage){ .n_processes = run->n_processes };
	ret->first = calloc(run->n_processes + 1, sizeof(*ret->first));
	ret->count = calloc(run->n_processes + 1, sizeof(*ret->count));
	if (ret->first == NULL || ret->count == NULL)
		return -ENOMEM;
	int rc = vec_push(&ret->kin, (struct kin){ .is_leaf = true });
	for (size_t i = 0; i < run->n_processes && rc == 0; i++)
		rc = add_process(ret, &run->processes[i], (int)i + 1);
	return rc;
}

void lineage_done(struct lineage *lineage)
{
	vec_done(&lineage->kin);
	free(lineage->first);
	free(lineage->count);
	*lineage = (struct lineage){ 0 };
}

int lineage_at(const struct lineage *lineage, int id, int64_t time_ns)
{
	if (id < 1 || (size_t)id > lineage->n_processes || lineage->count[id] == 0)
		return 0;
	int low = lineage->first[id]; /* the answer is from here to before high */
	int high = low + lineage->count[id];
	while (high - low > 1) {
		const int middle = low + (high - low) / 2;
		if (lineage->kin.items[middle].image->time_ns <= time_ns)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int lineage_common(const struct lineage *lineage, int a, int b)
{
	const struct kin *kin = lineage->kin.items;
	while (a != b) {
		if (kin[a].depth >= kin[b].depth)
			a = kin[a].parent;
		else
			b = kin[b].parent;
	}
	return a;
}

int lineage_towards(const struct lineage *lineage, int above, int below)
{
	const struct kin *kin = lineage->kin.items;
	while (kin[below].depth > kin[above].depth + 1)
		below = kin[below].parent;
	return below;
}
