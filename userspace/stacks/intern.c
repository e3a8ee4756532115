/* SPDX-License-Identifier: MIT */
/* Two hash tables of ids, and the nodes that they are of, in the order of the ids. */
#include "userspace/stacks/intern.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/vec.h"

enum {
	FRAME_BUCKETS = 1 << 18, /* powers of two, more than twice the nodes */
	STACK_BUCKETS = 1 << 19,
};

struct frame_node {
	uint64_t offset;
	uint32_t module;
};

struct stack_node {
	uint32_t caller;
	uint32_t frame;
	bool is_cut;
};

struct intern {
	const struct modules *modules;
	struct intern_listener listener;
	struct VEC(struct frame_node) frames;
	struct VEC(struct stack_node) stacks;
	bool is_told[MODULES_MAX + 1]; /* by module id */
	uint64_t n_refused;
	uint32_t frame_buckets[FRAME_BUCKETS];
	uint32_t stack_buckets[STACK_BUCKETS];
};

struct intern *intern_new(const struct modules *modules, const struct intern_listener *listener)
{
	struct intern *n = calloc(1, sizeof(*n));
	if (n != NULL) {
		n->modules = modules;
		n->listener = *listener;
	}
	return n;
}

struct intern *intern_free(struct intern *n)
{
	if (n == NULL)
		return NULL;
	vec_done(&n->frames);
	vec_done(&n->stacks);
	free(n);
	return NULL;
}

static size_t hash_of(uint64_t a, uint64_t b)
{
	uint64_t hash = a * UINT64_C(0x9e3779b97f4a7c15) + b;
	hash = (hash ^ hash >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	return (size_t)(hash ^ hash >> 32);
}

static int tell_module(struct intern *n, uint32_t id)
{
	const struct module *module = modules_get(n->modules, id);
	if (module == NULL || n->is_told[id])
		return 0;
	n->is_told[id] = true;
	return n->listener.module(n->listener.user, module);
}

/* *ret: 0: no room. */
static int intern_one_frame(struct intern *n, const struct code_frame *frame, uint32_t *ret)
{
	size_t at = hash_of(frame->offset, frame->module) % FRAME_BUCKETS;
	for (; n->frame_buckets[at] != 0; at = (at + 1) % FRAME_BUCKETS) {
		const struct frame_node *node = &n->frames.items[n->frame_buckets[at] - 1];
		if (node->offset == frame->offset && node->module == frame->module) {
			*ret = n->frame_buckets[at];
			return 0;
		}
	}
	*ret = 0;
	if (n->frames.n == INTERN_FRAMES_MAX)
		return 0;
	if (vec_push(&n->frames,
		     (struct frame_node){ .offset = frame->offset, .module = frame->module }) < 0)
		return -ENOMEM;
	const uint32_t id = n->frame_buckets[at] = *ret = (uint32_t)n->frames.n;
	const int r = tell_module(n, frame->module);
	return r < 0 ? r : n->listener.frame(n->listener.user, id, frame->module, frame->offset);
}

/* *ret: 0: no room. */
static int intern_node(struct intern *n, const struct stack_node *wanted, uint32_t *ret)
{
	size_t at = hash_of((uint64_t)wanted->caller << 32 | wanted->frame, wanted->is_cut) %
		    STACK_BUCKETS;
	for (; n->stack_buckets[at] != 0; at = (at + 1) % STACK_BUCKETS) {
		const struct stack_node *node = &n->stacks.items[n->stack_buckets[at] - 1];
		if (node->caller == wanted->caller && node->frame == wanted->frame &&
		    node->is_cut == wanted->is_cut) {
			*ret = n->stack_buckets[at];
			return 0;
		}
	}
	*ret = 0;
	if (n->stacks.n == INTERN_STACKS_MAX)
		return 0;
	if (vec_push(&n->stacks, *wanted) < 0)
		return -ENOMEM;
	*ret = n->stack_buckets[at] = (uint32_t)n->stacks.n;
	return n->listener.stack(n->listener.user, *ret, wanted->caller, wanted->frame,
				 wanted->is_cut);
}

int intern_stack(struct intern *n, const struct unwound *unwound, uint32_t *ret_stack)
{
	struct stack_node node = { .is_cut = unwound->end != UNWIND_OUTERMOST };
	for (size_t i = unwound->n; i-- > 0;) {
		int r = intern_one_frame(n, &unwound->frames[i], &node.frame);
		uint32_t id = 0;
		if (r == 0 && node.frame != 0)
			r = intern_node(n, &node, &id);
		if (r < 0)
			return r;
		node = (struct stack_node){ .caller = id };
		if (id == 0) {
			n->n_refused++;
			break;
		}
	}
	*ret_stack = node.caller;
	return 0;
}

int intern_called(struct intern *n, uint32_t caller, const struct code_frame *frame, bool is_cut,
		  uint32_t *ret_stack)
{
	struct stack_node node = { .caller = caller, .is_cut = is_cut };
	uint32_t id = 0;
	int r = intern_one_frame(n, frame, &node.frame);
	if (r == 0 && node.frame != 0)
		r = intern_node(n, &node, &id);
	if (r < 0)
		return r;
	n->n_refused += id == 0;
	*ret_stack = id;
	return 0;
}

size_t intern_n_frames(const struct intern *n)
{
	return n->frames.n;
}

void intern_frame(const struct intern *n, uint32_t id, uint32_t *ret_module, uint64_t *ret_offset)
{
	*ret_module = n->frames.items[id - 1].module;
	*ret_offset = n->frames.items[id - 1].offset;
}

uint64_t intern_n_refused(const struct intern *n)
{
	return n->n_refused;
}
