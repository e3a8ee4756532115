/* SPDX-License-Identifier: MIT */
/* See call_tree.h. */
#include "userspace/view/report/call_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/capped_sum.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/utf8.h"
#include "userspace/view/report/label.h"
#include "userspace/view/report/parts.h"

#define MAX_NODES     20000
#define MAX_DEPTH     1024
#define MAX_ROWS      40   /* for people */
#define LEAST	      0.02 /* of all: worth a row for people */
#define PASSES_ON     0.02 /* of all: a function with less of its own only passes on */
#define MAX_LABEL     ((size_t)64 << 10)
#define CHAIN_COLUMNS 50 /* of 80, with the numbers and some indentation beside it */

/* ---- building ---- */

static const char *interned(struct call_tree *tree, const char *text)
{
	const char *kept = arena_intern(tree->arena, text != NULL ? text : "");
	return kept != NULL ? kept : "";
}

static uint64_t key_of(size_t parent, const char *function, const char *module)
{
	static const uint64_t odd = 0x9e3779b97f4a7c15u;
	return (((uint64_t)parent * odd) ^ (uintptr_t)function) * odd ^ (uintptr_t)module;
}

static size_t find_child(const struct call_tree *tree, size_t parent, const char *function,
			 const char *module)
{
	const int place = id_map_get(&tree->index, key_of(parent, function, module));
	if (place < 0)
		return 0;
	const struct call_node *n = &tree->nodes.items[place];
	if (n->function == function && n->module == module)
		return (size_t)place;
	for (size_t i = tree->nodes.items[parent].first_child; i != 0;
	     i = tree->nodes.items[i].next)
		if (tree->nodes.items[i].function == function &&
		    tree->nodes.items[i].module == module)
			return i;
	return 0;
}

/* The child of @parent that is @frame's function; @parent itself where there is no room for more. */
static int child_of(struct call_tree *tree, size_t parent, const struct frame *frame, size_t *ret)
{
	const char *function = interned(tree, frame->function);
	const char *module = interned(tree, frame->module);
	size_t child = find_child(tree, parent, function, module);
	*ret = child;
	if (child != 0) {
		struct call_node *n = &tree->nodes.items[child];
		n->is_one_place = n->is_one_place && n->frame->offset == frame->offset;
		return 0;
	}
	*ret = parent;
	if (tree->nodes.n >= MAX_NODES) {
		tree->is_full = true;
		return 0;
	}
	child = tree->nodes.n;
	const struct call_node fresh = { .frame = frame,
					 .function = function,
					 .module = module,
					 .parent = parent,
					 .next = tree->nodes.items[parent].first_child,
					 .is_one_place = true };
	const uint64_t key = key_of(parent, function, module);
	if (vec_push(&tree->nodes, fresh) < 0 ||
	    (id_map_get(&tree->index, key) < 0 && id_map_set(&tree->index, key, (int)child) < 0))
		return -ENOMEM;
	tree->nodes.items[parent].first_child = child;
	*ret = child;
	return 0;
}

int call_tree_add(struct call_tree *tree, int64_t place, int64_t weight, int64_t n, bool is_open)
{
	static const struct frame none = { .function = "[no stack]", .offset = UNKNOWN };
	const struct stack *stack = session_stack(tree->s, place);
	const size_t n_frames = stack == NULL		      ? 0
				: stack->n_frames < MAX_DEPTH ? stack->n_frames
							      : MAX_DEPTH;
	size_t at = 0;
	int rc = 0;
	struct call_node *root = &tree->nodes.items[0];
	root->total = capped_sum(root->total, weight);
	if (n_frames == 0)
		rc = child_of(tree, 0, &none, &at);
	for (size_t i = 0; i < n_frames && rc == 0; i++) {
		const struct frame *f = session_frame(tree->s, stack->frames[n_frames - 1 - i]);
		if (f == NULL)
			continue;
		const size_t parent = at;
		rc = child_of(tree, parent, f, &at);
		struct call_node *node = &tree->nodes.items[at];
		if (rc == 0 && at != parent)
			node->total = capped_sum(node->total, weight);
	}
	if (rc < 0)
		return rc;
	struct call_node *last = &tree->nodes.items[at];
	if (n_frames == 0)
		last->total = capped_sum(last->total, weight);
	int64_t *own = is_open ? &last->open : &last->self;
	*own = capped_sum(*own, weight);
	last->n = capped_sum(last->n, n);
	return 0;
}

int call_tree_init(struct call_tree *tree, const struct session *s)
{
	const struct call_node root = { .function = "", .module = "" };
	*tree = (struct call_tree){ .s = s, .arena = arena_new() };
	return tree->arena != NULL ? vec_push(&tree->nodes, root) : -ENOMEM;
}

void call_tree_done(struct call_tree *tree)
{
	vec_done(&tree->nodes);
	id_map_done(&tree->index);
	(void)arena_free(tree->arena);
}

/* ---- order ---- */

static bool is_before(const struct call_node *a, const struct call_node *b)
{
	if (a->total != b->total)
		return a->total > b->total;
	const int order = strcmp(a->function, b->function);
	return order != 0 ? order < 0 : strcmp(a->module, b->module) < 0;
}

static int by_parent(const void *left, const void *right)
{
	const struct call_node *const *a = left, *const *b = right;
	if ((*a)->parent != (*b)->parent)
		return (*a)->parent < (*b)->parent ? -1 : 1;
	return is_before(*a, *b) ? -1 : is_before(*b, *a);
}

/* The largest child comes first. */
static int sort_children(struct call_tree *tree)
{
	_cleanup_free_ struct call_node **order = calloc(tree->nodes.n, sizeof(*order));
	if (order == NULL)
		return -ENOMEM;
	for (size_t i = 1; i < tree->nodes.n; i++)
		order[i] = &tree->nodes.items[i];
	qsort(order + 1, tree->nodes.n - 1, sizeof(*order), by_parent);
	vec_foreach(node, &tree->nodes)
		node->first_child = 0;
	for (size_t i = tree->nodes.n - 1; i > 0; i--) {
		struct call_node *parent = &tree->nodes.items[order[i]->parent];
		order[i]->next = parent->first_child;
		parent->first_child = (size_t)(order[i] - tree->nodes.items);
	}
	return 0;
}

/* ---- rows ---- */

struct rows {
	const struct call_tree *tree;
	const struct call_rows *cells;
	struct table *t;
	size_t n_shown;
	int64_t sum;
	struct buf label, name;
	size_t chain[MAX_DEPTH];
};

static const char *name_of(struct rows *rows, size_t node)
{
	const struct call_node *n = &rows->tree->nodes.items[node];
	buf_clear(&rows->name);
	label_frame(n->frame, n->is_one_place, &rows->name);
	return buf_str(&rows->name);
}

static double share_of(const struct rows *rows, int64_t weight)
{
	return rows->sum > 0 ? (double)weight / (double)rows->sum : 0;
}

/* The only child worth a row, of a function that only passes on; 0: it is more than that. */
static size_t passed_to(const struct rows *rows, size_t node)
{
	const struct call_node *all = rows->tree->nodes.items;
	const size_t first = all[node].first_child;
	if (first == 0 || share_of(rows, all[node].total - all[first].total) >= PASSES_ON)
		return 0;
	return first;
}

static size_t width_of(struct rows *rows, size_t node)
{
	const char *name = name_of(rows, node);
	return text_width(name, strlen(name)) + strlen(" > ");
}

/* "main > [3] > run > eval" of rows->chain, which has @n. */
static void set_chain(struct rows *rows, size_t n, size_t level)
{
	const size_t *chain = rows->chain;
	struct buf *out = &rows->label;
	const size_t indent = 2 * level < CHAIN_COLUMNS ? 2 * level : CHAIN_COLUMNS;
	size_t tail = n - 1, width = width_of(rows, chain[n - 1]) + strlen("[99] > ");
	buf_clear(out);
	/* The outermost one, then as many of the inner ones as fit. */
	const bool has_first = n > 1 && width + width_of(rows, chain[0]) <= CHAIN_COLUMNS - indent;
	const size_t first = has_first ? 1 : 0;
	width += has_first ? width_of(rows, chain[0]) : 0;
	while (tail > first && width + width_of(rows, chain[tail - 1]) <= CHAIN_COLUMNS - indent)
		width += width_of(rows, chain[--tail]);
	if (has_first)
		(void)buf_addf(out, "%s > ", name_of(rows, chain[0]));
	if (tail > first)
		(void)buf_addf(out, "[%zu] > ", tail - first);
	for (size_t i = tail; i < n; i++)
		(void)buf_addf(out, "%s%s", name_of(rows, chain[i]), i + 1 < n ? " > " : "");
}

static void add_row(struct rows *rows, size_t node, size_t level, bool is_for_people)
{
	const struct call_node *n = &rows->tree->nodes.items[node];
	table_audience(rows->t, is_for_people ? FOR_PEOPLE : FOR_PROGRAMS);
	table_indent(rows->t, is_for_people ? (unsigned int)level + rows->cells->indent : 0);
	rows->cells->add(rows->t, n, is_for_people ? buf_str(&rows->label) : name_of(rows, node),
			 level, share_of(rows, n->total), rows->cells->data);
}

static void add_for_people(struct rows *rows, size_t node, size_t level)
{
	const struct call_node *all = rows->tree->nodes.items;
	size_t *chain = rows->chain, n = 0; /* used up before the next one is made */
	if (rows->n_shown++ >= MAX_ROWS)
		return;
	for (size_t at = node; at != 0 && n < MAX_DEPTH; at = passed_to(rows, at))
		chain[n++] = at;
	set_chain(rows, n, level);
	const size_t end = chain[n - 1];
	add_row(rows, end, level, true);
	for (size_t child = all[end].first_child;
	     child != 0 && share_of(rows, all[child].total) >= LEAST; child = all[child].next)
		add_for_people(rows, child, level + 1);
}

static void add_for_programs(struct rows *rows, size_t node, size_t level)
{
	add_row(rows, node, level, false);
	const struct call_node *all = rows->tree->nodes.items;
	for (size_t child = all[node].first_child; child != 0; child = all[child].next)
		add_for_programs(rows, child, level + 1);
}

int call_tree_show(struct call_tree *tree, struct table *t, const struct call_rows *cells)
{
	struct rows rows = { .tree = tree,
			     .cells = cells,
			     .t = t,
			     .sum = tree->nodes.items[0].total,
			     .label = { .limit = MAX_LABEL },
			     .name = { .limit = MAX_LABEL } };
	if (sort_children(tree) < 0)
		return -ENOMEM;
	const struct call_node *all = tree->nodes.items;
	for (size_t at = all[0].first_child; at != 0; at = all[at].next)
		if (share_of(&rows, all[at].total) >= LEAST)
			add_for_people(&rows, at, 0);
	for (size_t at = all[0].first_child; at != 0; at = all[at].next)
		add_for_programs(&rows, at, 0);
	if (rows.n_shown > MAX_ROWS)
		table_note(t, "and %zu more: --format csv", rows.n_shown - MAX_ROWS);
	if (tree->is_full)
		table_note(t, "calls beyond %d are told with their caller", MAX_NODES);
	buf_done(&rows.label);
	buf_done(&rows.name);
	return 0;
}
