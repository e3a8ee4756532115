/* SPDX-License-Identifier: MIT */
/* The functions that frames of a session are in: frames count as one where module and function have the
 * same name. */
#ifndef USERSPACE_MODEL_FUNCTION_TABLE_H
#define USERSPACE_MODEL_FUNCTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/id_map.h"
#include "userspace/base/vec.h"
#include "userspace/model/session.h"

struct function_name {
	const char *name,
		*module; /* interned; NULL: no symbol covers it, it belongs to nothing known */
	const struct frame *frame; /* one of its places; NULL: of what has no stack */
	bool is_one_place;	   /* the only one */
};

struct function_table {
	const struct session *session;
	struct arena *arena;
	struct function_name_list VEC(struct function_name) names;
	struct id_map index;
	int *function_of; /* by frame, plus 1; 0: not asked yet */
};

/* -ENOMEM. Free with function_table_done(), also after a failure. */
int function_table_init(struct function_table *t, const struct session *s);
void function_table_done(struct function_table *t);
/* Its place in names. @frame NULL: of what has no stack. -ENOMEM. */
int function_table_add(struct function_table *t, const struct frame *frame);
/* The same of the session's frame @place; -1: there is no such frame. */
int function_table_at(struct function_table *t, int64_t place);

#endif
