/* SPDX-License-Identifier: MIT */
/* Nodes in the order of their ids, and two maps to find them by. */
#include "userspace/stacks/intern.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/id_map.h"
#include "userspace/base/vec.h"

struct frame_node {
	uint64_t offset;
	uint32_t module;
	uint32_t next; /* id of another one with its key; 0: there is none */
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
	uint32_t n_stacks;
	bool is_told[MODULES_MAX + 1]; /* by module id */
	uint64_t n_refused;
	struct id_map frame_of, stack_of; /* ids; of frames the newest with that key */
};

_Static_assert(INTERN_STACKS_MAX < 1 << 30 && INTERN_FRAMES_MAX < 1 << 30,
	       "a stack's key holds both and a flag");

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
	id_map_done(&n->frame_of);
	id_map_done(&n->stack_of);
	free(n);
	return NULL;
}

static int tell_module(struct intern *n, uint32_t id)
{
	const struct module *module = modules_get(n->modules, id);
	if (module == NULL || n->is_told[id])
		return 0;
	n->is_told[id] = true;
	return n->listener.module(n->listener.user, module);
}

/* Two frames have the same only if their files are larger than any; the module's place is where few
 * addresses have bits. */
static uint64_t frame_key(const struct code_frame *frame)
{
	return frame->offset ^ (uint64_t)frame->module << 48;
}

/* *ret: 0: no room. */
static int intern_one_frame(struct intern *n, const struct code_frame *frame, uint32_t *ret)
{
	const uint64_t key = frame_key(frame);
	const int newest = id_map_get(&n->frame_of, key);
	for (uint32_t id = newest > 0 ? (uint32_t)newest : 0; id != 0;
	     id = n->frames.items[id - 1].next) {
		const struct frame_node *node = &n->frames.items[id - 1];
		if (node->offset == frame->offset && node->module == frame->module) {
			*ret = id;
			return 0;
		}
	}
	*ret = 0;
	if (n->frames.n == INTERN_FRAMES_MAX)
		return 0;
	const struct frame_node node = { .offset = frame->offset,
					 .module = frame->module,
					 .next = newest > 0 ? (uint32_t)newest : 0 };
	const uint32_t id = (uint32_t)n->frames.n + 1;
	if (vec_push(&n->frames, node) < 0 || id_map_set(&n->frame_of, key, (int)id) < 0)
		return -ENOMEM;
	*ret = id;
	const int r = tell_module(n, frame->module);
	return r < 0 ? r : n->listener.frame(n->listener.user, id, frame->module, frame->offset);
}

/* *ret: 0: no room. */
static int intern_node(struct intern *n, const struct stack_node *node, uint32_t *ret)
{
	const uint64_t key =
		(uint64_t)node->caller << 31 | (uint64_t)node->frame << 1 | (node->is_cut ? 1 : 0);
	const int known = id_map_get(&n->stack_of, key);
	*ret = known > 0 ? (uint32_t)known : 0;
	if (known > 0 || n->n_stacks == INTERN_STACKS_MAX)
		return 0;
	const uint32_t id = n->n_stacks + 1;
	if (id_map_set(&n->stack_of, key, (int)id) < 0)
		return -ENOMEM;
	*ret = n->n_stacks = id;
	return n->listener.stack(n->listener.user, id, node->caller, node->frame, node->is_cut);
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
