/* SPDX-License-Identifier: MIT */
/* Code as a recording tells it: modules, frames, their functions, and stacks as frames with the stack
 * that called each. The session gets what its samples and waits use, frames and stacks once each. */
#include "userspace/model/build/internal.h"

#include <string.h>

#define MAX_FRAMES    1024		/* of a stack; what is further out is dropped, and said */
#define MAX_INLINED   64		/* functions in one place */
#define MAX_ENTRIES   ((size_t)4 << 20) /* frames of all stacks: the document can hold 16 M values */
#define MAX_FILE_PATH 4096

void code_module(struct code *code, const struct sl_module *e)
{
	if (vec_push(&code->modules, e) < 0 ||
	    id_map_set(&code->module_of, e->id, (int)code->modules.n - 1) < 0)
		code->error = -ENOMEM;
}

void code_frame(struct code *code, const struct sl_frame *e)
{
	const struct code_place fresh = { .event = e, .last_function = -1, .first = -1 };
	if (vec_push(&code->places, fresh) < 0 ||
	    id_map_set(&code->place_of, e->id, (int)code->places.n - 1) < 0)
		code->error = -ENOMEM;
}

void code_function(struct code *code, const struct sl_function *e)
{
	const int place = id_map_get(&code->place_of, e->frame);
	if (place < 0)
		return;
	const struct code_function fresh = {
		.event = e,
		.before = code->places.items[place].last_function,
	};
	if (vec_push(&code->functions, fresh) < 0)
		code->error = -ENOMEM;
	else
		code->places.items[place].last_function = (int)code->functions.n - 1;
}

void code_stack(struct code *code, const struct sl_stack *e)
{
	const int caller = id_map_get(&code->node_of, e->caller);
	struct code_node fresh = {
		.caller = caller,
		.place = id_map_get(&code->place_of, e->frame),
		.depth = 1,
		.is_cut = (e->flags & SL_STACK_CUT) != 0 || (e->caller != 0 && caller < 0),
		.stack = UNKNOWN,
	};
	if (caller >= 0 && code->nodes.items[caller].depth >= MAX_FRAMES) {
		fresh.caller = -1;
		fresh.is_cut = true;
	} else if (caller >= 0) {
		fresh.depth = code->nodes.items[caller].depth + 1;
	}
	if (vec_push(&code->nodes, fresh) < 0 ||
	    id_map_set(&code->node_of, e->id, (int)code->nodes.n - 1) < 0)
		code->error = -ENOMEM;
}

/* ---- frames ---- */

static const char *hex_of(struct arena *a, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * SL_BUILD_ID_MAX + 1] = "";
	if (n == 0 || n > SL_BUILD_ID_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return arena_intern(a, text);
}

static const char *module_name(struct arena *a, const struct sl_module *e)
{
	const char *text = text_of(a, &e->event, e->text);
	switch (e->type) {
	case SL_MODULE_VDSO:
		return "[vdso]";
	case SL_MODULE_KERNEL:
		if (text[0] == '\0')
			return "[kernel]";
		text = arena_printf(a, "[%s]", text);
		return text != NULL ? arena_intern(a, text) : NULL;
	case SL_MODULE_ANON:
		return text[0] != '\0' ? text : "[anonymous]";
	case SL_MODULE_FILE:
	default:
		return text[0] != '\0' ? text : NULL;
	}
}

/* What stands behind the NUL that ends the name. */
static const char *file_of(struct arena *a, const struct sl_function *e)
{
	const size_t offset = (size_t)(e->text - (const char *)e);
	const size_t n = offset < e->event.size ? e->event.size - offset : 0;
	const size_t name = strnlen(e->text, n);
	if (name + 1 >= n || e->text[name + 1] == '\0')
		return NULL;
	const size_t rest = n - name - 1;
	return arena_internn(a, e->text + name + 1, rest < MAX_FILE_PATH ? rest : MAX_FILE_PATH);
}

static int add_frame(struct code *code, struct arena *a, const struct sl_frame *e,
		     const struct sl_function *function)
{
	const int module = id_map_get(&code->module_of, e->module);
	struct frame frame = { .offset = counter(e->offset), .line = UNKNOWN };
	if (module >= 0) {
		const struct sl_module *m = code->modules.items[module];
		frame.module = module_name(a, m);
		frame.build_id = hex_of(a, m->build_id, m->build_id_length);
	}
	if (function != NULL) {
		const char *name = text_of(a, &function->event, function->text);
		frame.function = name[0] != '\0' ? name : NULL;
		frame.file = file_of(a, function);
		frame.line = function->line != 0 ? function->line : UNKNOWN;
	}
	return vec_push(&code->frames, frame);
}

/* The frames of a place in the session, the innermost first. */
static int keep_place(struct code *code, struct arena *a, struct code_place *place)
{
	const struct sl_function *by_depth[MAX_INLINED] = { NULL };
	size_t n = 0;
	for (int i = place->last_function; i >= 0; i = code->functions.items[i].before) {
		const struct sl_function *e = code->functions.items[i].event;
		if (e->depth < MAX_INLINED)
			by_depth[e->depth] = e;
	}
	place->first = (int)code->frames.n;
	for (size_t depth = MAX_INLINED; depth > 0; depth--) {
		if (by_depth[depth - 1] == NULL)
			continue;
		n++;
		if (add_frame(code, a, place->event, by_depth[depth - 1]) < 0)
			return -ENOMEM;
	}
	if (n == 0 && add_frame(code, a, place->event, NULL) < 0)
		return -ENOMEM;
	place->n = n > 0 ? n : 1;
	return 0;
}

static int frames_at(struct code *code, struct arena *a, int place)
{
	struct code_place *p = &code->places.items[place];
	return p->first >= 0 ? 0 : keep_place(code, a, p);
}

/* ---- stacks ---- */

static int64_t keep_stack(struct code *code, struct arena *a, int node)
{
	struct VEC(int64_t) frames = { 0 };
	struct stack stack = { 0 };
	int rc = 0, last = node;
	for (int at = node; at >= 0 && rc == 0; at = code->nodes.items[at].caller) {
		const struct code_node *n = &code->nodes.items[at];
		last = at;
		if (n->place < 0)
			continue;
		rc = frames_at(code, a, n->place);
		const struct code_place *p = &code->places.items[n->place];
		for (size_t i = 0; i < p->n && rc == 0; i++)
			rc = vec_push(&frames, (int64_t)p->first + (int64_t)i);
	}
	stack.is_cut = code->nodes.items[last].is_cut;
	stack.n_frames = frames.n;
	if (rc == 0 && frames.n > 0)
		stack.frames = arena_memdup(a, frames.items, frames.n * sizeof(*frames.items));
	code->n_entries += frames.n;
	vec_done(&frames);
	if (rc < 0 || (stack.n_frames > 0 && stack.frames == NULL) ||
	    vec_push(&code->stacks, stack) < 0) {
		code->error = -ENOMEM;
		return UNKNOWN;
	}
	return (int64_t)code->stacks.n - 1;
}

int code_node(const struct code *code, uint32_t id)
{
	return id_map_get(&code->node_of, id);
}

int64_t code_keep(struct code *code, struct arena *a, int node)
{
	if (node < 0)
		return UNKNOWN;
	if (code->nodes.items[node].stack == UNKNOWN && code->n_entries >= MAX_ENTRIES) {
		code->n_refused++;
	} else if (code->nodes.items[node].stack == UNKNOWN) {
		const int64_t kept = keep_stack(code, a, node);
		code->nodes.items[node].stack = kept;
	}
	return code->nodes.items[node].stack;
}

int code_cut(struct code *code, int node, size_t n)
{
	const int first = (int)code->nodes.n;
	for (size_t i = 0; i < n && node >= 0; i++) {
		struct code_node inner = code->nodes.items[node];
		node = inner.caller;
		inner.is_cut = true;
		inner.caller = node >= 0 && i + 1 < n ? first + (int)i + 1 : -1;
		inner.depth = 1;
		inner.stack = UNKNOWN;
		if (vec_push(&code->nodes, inner) < 0) {
			code->error = -ENOMEM;
			return -1;
		}
	}
	return (int)code->nodes.n > first ? first : -1;
}

/* The function that has the code of @place: of what is inlined there it is the outermost. */
static const struct sl_function *owner(const struct code *code, int place, size_t *ret_n)
{
	const struct sl_function *found = NULL;
	*ret_n = 0;
	for (int i = place < 0 ? -1 : code->places.items[place].last_function; i >= 0;
	     i = code->functions.items[i].before) {
		if (code->functions.items[i].event->depth == 0)
			found = code->functions.items[i].event;
		++*ret_n;
	}
	return found;
}

static bool is_same_name(const struct sl_function *x, const struct sl_function *y)
{
	const size_t n_x = strnlen(x->text, x->event.size - sizeof(*x));
	const size_t n_y = strnlen(y->text, y->event.size - sizeof(*y));
	return n_x == n_y && memcmp(x->text, y->text, n_x) == 0;
}

/* Two places in one function. Where something is inlined in one of them it would be claimed too. */
static bool is_same_function(const struct code *code, int a, int b)
{
	size_t n_a, n_b;
	const struct sl_function *x = owner(code, a, &n_a), *y = owner(code, b, &n_b);
	if (a >= 0 && a == b)
		return true;
	return x != NULL && y != NULL && n_a == 1 && n_b == 1 &&
	       code->places.items[a].event->module == code->places.items[b].event->module &&
	       is_same_name(x, y);
}

int code_common(const struct code *code, int a, int b)
{
	const struct code_node *nodes = code->nodes.items;
	int below_a = -1, below_b = -1;
	if (a < 0 || b < 0)
		return -1;
	while (a >= 0 && b >= 0 && a != b) {
		const bool up_a = nodes[a].depth >= nodes[b].depth;
		const bool up_b = nodes[b].depth >= nodes[a].depth;
		if (up_a) {
			below_a = a;
			a = nodes[a].caller;
		}
		if (up_b) {
			below_b = b;
			b = nodes[b].caller;
		}
	}
	const int shared = a == b ? a : -1;
	/* Two calls out of one function. */
	if (below_a >= 0 && below_b >= 0 && nodes[below_a].depth == nodes[below_b].depth &&
	    is_same_function(code, nodes[below_a].place, nodes[below_b].place))
		return below_a;
	return shared;
}

int code_finish(struct code *code, struct session *s)
{
	if (code->error < 0)
		return code->error;
	s->frames =
		arena_memdup(s->arena, code->frames.items, code->frames.n * sizeof(struct frame));
	s->stacks =
		arena_memdup(s->arena, code->stacks.items, code->stacks.n * sizeof(struct stack));
	if (s->frames == NULL || s->stacks == NULL)
		return -ENOMEM;
	s->n_frames = code->frames.n;
	s->n_stacks = code->stacks.n;
	return 0;
}

void code_done(struct code *code)
{
	id_map_done(&code->module_of);
	id_map_done(&code->place_of);
	id_map_done(&code->node_of);
	vec_done(&code->modules);
	vec_done(&code->places);
	vec_done(&code->functions);
	vec_done(&code->nodes);
	vec_done(&code->frames);
	vec_done(&code->stacks);
}
