/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_VEC_H
#define STARTLINE_BASE_VEC_H
/*
 * A growing array of any type.
 *
 *	struct run_list VEC(struct run);              a named type, usable everywhere
 *
 *	struct run_list runs = { 0 };                 all zero is empty and valid
 *	if (vec_push(&runs, (struct run){ .n = 1 }) < 0)
 *		return -ENOMEM;
 *	vec_foreach(run, &runs)
 *		use(run->n);                          run is a struct run *
 *	vec_done(&runs);
 *
 * Items are runs.items[0..runs.n). Pushing may move them: keep indices, not pointers, across a
 * push. The list owns the array, not what the items point to. Arguments named @v are evaluated
 * more than once.
 */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "userspace/base/cleanup.h"

/* For a local list that frees its array when it ends, which is its first member. */
#define _cleanup_vec_ _cleanup_free_

#define VEC(type)            \
	{                    \
		type *items; \
		size_t n;    \
		size_t cap;  \
	}

/* Makes room for @n items in all. Returns 0, or -ENOMEM with the list unchanged. */
#define vec_reserve(v, want)                                                          \
	__extension__({                                                               \
		const size_t vec_want_ = (want);                                      \
		int vec_reserve_rc_ = 0;                                              \
		if (vec_want_ > (v)->cap) {                                           \
			size_t vec_cap_ = 0;                                          \
			void *vec_items_ = vec_grown((v)->items, (v)->cap, vec_want_, \
						     sizeof(*(v)->items), &vec_cap_); \
			if (vec_items_ == NULL) {                                     \
				vec_reserve_rc_ = -ENOMEM;                            \
			} else {                                                      \
				(v)->items = vec_items_;                              \
				(v)->cap = vec_cap_;                                  \
			}                                                             \
		}                                                                     \
		vec_reserve_rc_;                                                      \
	})

/* Appends one item. Returns 0, or -ENOMEM with the list unchanged. */
#define vec_push(v, ...)                                                                  \
	__extension__({                                                                   \
		const int vec_push_rc_ = vec_reserve((v), (v)->n + 1);                    \
		if (vec_push_rc_ == 0) {                                                  \
			/* Known here, but not to analysers: room for one is not NULL. */ \
			if ((v)->items == NULL)                                           \
				__builtin_unreachable();                                  \
			(v)->items[(v)->n++] = (__VA_ARGS__);                             \
		}                                                                         \
		vec_push_rc_;                                                             \
	})

/* Runs the statement for each item; @item is a pointer to it. Do not push inside. */
/* items + 0 is no const pointer, also where the list is const. */
#define vec_foreach(item, v)                               \
	for (__typeof__((v)->items + 0) item = (v)->items; \
	     item != NULL && item < (v)->items + (v)->n; item++)

/* The last item; the list must not be empty. */
#define vec_last(v) (&(v)->items[(v)->n - 1])

/* Frees the array and leaves an empty list. */
#define vec_done(v)                \
	do {                       \
		free((v)->items);  \
		(v)->items = NULL; \
		(v)->n = 0;        \
		(v)->cap = 0;      \
	} while (0)

/* Only for the macros above. */
static inline void *vec_grown(void *items, size_t cap, size_t want, size_t item_size,
			      size_t *ret_cap)
{
	enum { FIRST_CAP = 8 };
	size_t next = cap < FIRST_CAP ? FIRST_CAP : cap;
	if (next < want && __builtin_mul_overflow(next, (size_t)2, &next))
		return NULL;
	if (next < want)
		next = want;

	size_t n_bytes = 0;
	/* Half the address space is the largest object C can index. */
	if (__builtin_mul_overflow(next, item_size, &n_bytes) || n_bytes > PTRDIFF_MAX)
		return NULL;
	void *grown = realloc(items, n_bytes);
	if (grown != NULL)
		*ret_cap = next;
	return grown;
}

#endif
