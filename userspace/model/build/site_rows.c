/* SPDX-License-Identifier: MIT */
/* Exact recordings have ten thousand call sites and more, most of them small: a function that allocates is
 * reached on many ways. What small ones lose is their outer frames, because who asked for a block stands among
 * the inner ones. All stacks of a process are a tree, read from the innermost frame on: the heaviest of its nodes
 * become rows, and each site is part of the deepest of these that it is below. */
#include "userspace/model/build/site_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"

/* A site takes some 700 bytes of a document: 1.4 MB a run, and 5 MB of all runs. */
#define MAX_ROWS     2048
#define MAX_ALL_ROWS 8192
#define MIN_ROWS     256 /* of a run, however many there are */
/* Of stacks that agree in so many frames what is further out is left out of account. */
#define MAX_COMMON 64

/* Sites that agree in their innermost frames: a range of them in order of their stacks. */
struct agreeing {
	size_t from, to;
	size_t frames; /* that all have in common; of a single site more than there are */
	bool is_all;   /* of its process */
	double weight;
	size_t left; /* sites that are in no row within it */
};

struct agreeings VEC(struct agreeing);

static int by_process(const void *left, const void *right)
{
	const struct raw_site *a = left, *b = right;
	if (a->proc != b->proc)
		return a->proc < b->proc ? -1 : 1;
	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

static void weigh(struct raw_list *list)
{
	double sums[SITE_PARTS] = { 0 };
	vec_foreach(raw, list)
		for (int part = 0; part < SITE_PARTS; part++)
			sums[part] += raw->parts[part].mass.bytes;
	vec_foreach(raw, list)
		for (int part = 0; part < SITE_PARTS; part++)
			if (sums[part] > 0)
				raw->weight =
					fmax(raw->weight, raw->parts[part].mass.bytes / sums[part]);
}

static void add_raw(struct raw_site *to, const struct raw_site *from)
{
	to->weight += from->weight;
	to->lifetime_ns += from->lifetime_ns;
	to->freed += from->freed;
	for (int part = 0; part < SITE_PARTS; part++) {
		to->parts[part].blocks += from->parts[part].blocks;
		to->parts[part].samples += from->parts[part].samples;
		to->parts[part].mass.bytes += from->parts[part].mass.bytes;
		to->parts[part].mass.variance += from->parts[part].mass.variance;
	}
}

/* ---- the tree ---- */

/* How many innermost frames two stacks have in common; *@ret_order: which of them comes first. */
static size_t common_frames(const struct code_node *nodes, int a, int b, int *ret_order)
{
	size_t n = 0;
	while (a >= 0 && b >= 0 && nodes[a].place == nodes[b].place && n < MAX_COMMON) {
		a = nodes[a].caller;
		b = nodes[b].caller;
		n++;
	}
	const int x = a >= 0 ? nodes[a].place : -2, y = b >= 0 ? nodes[b].place : -2;
	*ret_order = n == MAX_COMMON ? 0 : (x > y) - (x < y);
	return n;
}

static int by_frames(const void *left, const void *right, void *data)
{
	const struct raw_site *a = left, *b = right;
	int order = 0;
	if (a->proc != b->proc)
		return a->proc < b->proc ? -1 : 1;
	(void)common_frames(data, a->node, b->node, &order);
	return order != 0 ? order : by_process(a, b);
}

static void add_agreeing(struct builder *b, struct agreeings *tree, struct agreeing fresh,
			 const struct raw_site *sites)
{
	for (size_t i = fresh.from; i < fresh.to; i++)
		fresh.weight += sites[i].weight;
	fresh.left = fresh.to - fresh.from;
	push(b, tree, fresh);
}

/* The nodes of the sites from @from to @to, all of one process: a range ends where its neighbour has fewer frames in
 * common with it. @open are those that have not ended: each has more frames than the one before. */
static void add_process(struct builder *b, struct agreeings *tree, const struct raw_site *sites,
			size_t from, size_t to)
{
	const struct code_node *nodes = b->facts->code.nodes.items;
	struct agreeing open[MAX_COMMON + 1];
	size_t n_open = 0;
	for (size_t i = from; i < to; i++) {
		int order = 0;
		const bool is_last = i + 1 == to;
		const size_t common =
			is_last ? 0
				: common_frames(nodes, sites[i].node, sites[i + 1].node, &order);
		size_t begin = i;
		add_agreeing(b, tree,
			     (struct agreeing){ .from = i,
						.to = i + 1,
						.frames = SIZE_MAX,
						.is_all = to - from == 1 },
			     sites);
		while (n_open > 0 && (is_last || open[n_open - 1].frames > common)) {
			struct agreeing ended = open[--n_open];
			begin = ended.from;
			ended.to = i + 1;
			ended.is_all = begin == from && is_last;
			add_agreeing(b, tree, ended, sites);
		}
		if (!is_last && (n_open == 0 || open[n_open - 1].frames < common))
			open[n_open++] = (struct agreeing){ .from = begin, .frames = common };
	}
}

/* Those of which each process needs one, then the heaviest; what is around others comes before them. */
static int heaviest_first(const void *left, const void *right)
{
	const struct agreeing *a = left, *b = right;
	if (a->is_all != b->is_all)
		return a->is_all ? -1 : 1;
	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	const size_t n_a = a->to - a->from, n_b = b->to - b->from;
	if (n_a != n_b)
		return n_a > n_b ? -1 : 1;
	return a->from < b->from ? -1 : a->from > b->from;
}

/* ---- rows ---- */

/* Says of each site which of @tree it is a row of, as its place there. */
static void choose(struct agreeings *tree, size_t limit, size_t *row_of)
{
	size_t n_rows = 0;
	qsort(tree->items, tree->n, sizeof(*tree->items), heaviest_first);
	for (size_t at = 0; at < tree->n; at++) {
		const struct agreeing *fresh = &tree->items[at];
		limit += fresh->is_all;
		if (n_rows >= limit)
			break;
		if (!fresh->is_all) {
			struct agreeing *around = &tree->items[row_of[fresh->from]];
			around->left -= fresh->to - fresh->from;
			n_rows -= around->left == 0;
		}
		n_rows++;
		for (size_t i = fresh->from; i < fresh->to; i++)
			row_of[i] = at;
	}
}

/* Adds up what is part of one row. */
static void merge(struct builder *b, struct raw_list *list, const struct agreeings *tree,
		  const size_t *row_of, size_t *place_of)
{
	struct code *code = &b->facts->code;
	size_t n = 0;
	memset(place_of, 0xff, tree->n * sizeof(*place_of));
	for (size_t i = 0; i < list->n; i++) {
		const struct agreeing *row = &tree->items[row_of[i]];
		size_t *place = &place_of[row_of[i]];
		struct raw_site site = list->items[i];
		if (row->left > 1)
			b->procs.items[site.proc].out.heap.sites_cut++;
		if (*place != SIZE_MAX) {
			add_raw(&list->items[*place], &site);
			continue;
		}
		if (row->left > 1)
			site.node = code_cut(code, site.node, row->frames);
		*place = n;
		list->items[n++] = site;
	}
	list->n = n;
}

static void cut(struct builder *b, struct raw_list *list, size_t limit)
{
	struct agreeings tree = { 0 };
	size_t end = 0;
	qsort_r(list->items, list->n, sizeof(*list->items), by_frames, b->facts->code.nodes.items);
	for (size_t i = 0; i < list->n; i = end) {
		end = i + 1;
		while (end < list->n && list->items[end].proc == list->items[i].proc)
			end++;
		add_process(b, &tree, list->items, i, end);
	}
	_cleanup_free_ size_t *row_of = calloc(list->n, sizeof(*row_of));
	_cleanup_free_ size_t *place_of = calloc(tree.n + 1, sizeof(*place_of));
	if (keep(b, row_of) != NULL && keep(b, place_of) != NULL && b->error == 0) {
		choose(&tree, limit, row_of);
		merge(b, list, &tree, row_of, place_of);
	}
	vec_done(&tree);
}

void site_rows_cut(struct builder *b, struct raw_list *list)
{
	size_t limit = MAX_ALL_ROWS / (b->facts->n_runs > 0 ? b->facts->n_runs : 1);
	limit = limit < MIN_ROWS ? MIN_ROWS : limit > MAX_ROWS ? MAX_ROWS : limit;
	if (list->n == 0)
		return;
	weigh(list);
	if (list->n > limit)
		cut(b, list, limit);
	if (list->n > 0)
		qsort(list->items, list->n, sizeof(*list->items), by_process);
}
