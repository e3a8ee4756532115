/* SPDX-License-Identifier: MIT */
/* Stacks as a tree of calls, from the outermost function inwards, with what they weigh: time, or bytes. What
 * only passes on is one row with what it calls, so that people see where the weight parts. */
#ifndef USERSPACE_VIEW_REPORT_CALL_TREE_H
#define USERSPACE_VIEW_REPORT_CALL_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/id_map.h"
#include "userspace/base/vec.h"
#include "userspace/model/session.h"
#include "userspace/view/table/table.h"

struct call_node {
	const struct frame *frame;	  /* NULL: the root */
	const char *function, *module;	  /* interned */
	size_t parent, first_child, next; /* 0: none */
	int64_t self, total, open;	  /* open: what it called is not known */
	int64_t n;
	bool is_one_place;
};

struct call_tree {
	const struct session *s;
	struct arena *arena;
	struct VEC(struct call_node) nodes; /* [0] is the root */
	struct id_map index;
	bool is_full;
};

/* -ENOMEM. Free with call_tree_done(), also after a failure. */
int call_tree_init(struct call_tree *tree, const struct session *s);
void call_tree_done(struct call_tree *tree);
/* A stack of the session, UNKNOWN: none; @n samples of it. -ENOMEM. */
int call_tree_add(struct call_tree *tree, int64_t place, int64_t weight, int64_t n, bool is_open);

struct call_rows {
	/* Adds the cells of one row; @share of the whole. */
	void (*add)(struct table *t, const struct call_node *node, const char *label, size_t level,
		    double share, const void *data);
	const void *data;
	unsigned int indent; /* of the outermost, for people */
};

/* Adds the rows to @t: for people merged and the large ones, for programs all. -ENOMEM. */
int call_tree_show(struct call_tree *tree, struct table *t, const struct call_rows *cells);

#endif
