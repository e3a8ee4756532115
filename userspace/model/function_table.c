/* SPDX-License-Identifier: MIT */
/* Names are interned, so that equal ones are one pointer. */
#include "userspace/model/function_table.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/arena.h"

int function_table_init(struct function_table *t, const struct session *s)
{
	*t = (struct function_table){ .session = s, .arena = arena_new() };
	t->function_of = calloc(s->n_frames + 1, sizeof(*t->function_of));
	return t->arena != NULL && t->function_of != NULL ? 0 : -ENOMEM;
}

void function_table_done(struct function_table *t)
{
	vec_done(&t->names);
	id_map_done(&t->index);
	free(t->function_of);
	(void)arena_free(t->arena);
}

static const char *interned(struct function_table *t, const char *text)
{
	return text != NULL ? arena_intern(t->arena, text) : NULL;
}

static uint64_t key_of(const char *name, const char *module)
{
	return ((uint64_t)(uintptr_t)name * 0x9e3779b97f4a7c15u) ^ (uintptr_t)module;
}

/* Functions of one key may be several: the first is in the index, the others follow it. */
static int find(const struct function_table *t, const char *name, const char *module)
{
	const int first = id_map_get(&t->index, key_of(name, module));
	for (size_t i = first >= 0 ? (size_t)first : t->names.n; i < t->names.n; i++)
		if (t->names.items[i].name == name && t->names.items[i].module == module)
			return (int)i;
	return -1;
}

int function_table_add(struct function_table *t, const struct frame *frame)
{
	const char *name = frame != NULL ? interned(t, frame->function) : NULL;
	const char *module = frame != NULL ? interned(t, frame->module) : NULL;
	/* A frame of nothing known is not what has no stack. */
	if (frame != NULL && name == NULL && module == NULL)
		module = interned(t, "");
	int found = find(t, name, module);
	if (found >= 0) {
		struct function_name *f = &t->names.items[found];
		f->is_one_place =
			f->is_one_place && (frame == NULL || f->frame->offset == frame->offset);
		return found;
	}
	const struct function_name fresh = {
		.name = name, .module = module, .frame = frame, .is_one_place = true
	};
	if (vec_push(&t->names, fresh) < 0)
		return -ENOMEM;
	found = (int)t->names.n - 1;
	if (id_map_get(&t->index, key_of(name, module)) < 0 &&
	    id_map_set(&t->index, key_of(name, module), found) < 0)
		return -ENOMEM;
	return found;
}

int function_table_at(struct function_table *t, int64_t place)
{
	const struct frame *frame = session_frame(t->session, place);
	if (frame == NULL)
		return -1;
	if (t->function_of[place] == 0) {
		const int found = function_table_add(t, frame);
		if (found < 0)
			return found;
		t->function_of[place] = found + 1;
	}
	return t->function_of[place] - 1;
}
