/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_ARENA_H
#define STARTLINE_BASE_ARENA_H
/*
 * Allocate many objects, free them all at once.
 *
 *	_cleanup_(arena_freep) struct arena *arena = arena_new();
 *	struct run *run = arena_alloc(arena, sizeof(*run));
 *	run->name = arena_strdup(arena, name);
 *
 * Everything belongs to the arena and lives until arena_free(). All functions return NULL when
 * memory is short; a failed allocation leaves the arena valid. Not for objects that are resized
 * often: the old copies stay until the end.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "userspace/base/cleanup.h"

struct arena;

/* The caller owns the arena. */
struct arena *arena_new(void);

/* Frees the arena and all that came from it. Accepts NULL, returns NULL. */
struct arena *arena_free(struct arena *a);
DEFINE_FREEP(struct arena, arena_free)

/* @size bytes of zeroes, aligned for any type. @size 0 gives a valid unique pointer. */
void *arena_alloc(struct arena *a, size_t size);

/* Zeroed room for @n items of @item_size bytes; NULL also when the product overflows. */
void *arena_alloc_array(struct arena *a, size_t n, size_t item_size);

/* Copies, NUL-terminated. strndup stops at @n bytes or the first NUL; memdup copies all @n. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
void *arena_memdup(struct arena *a, const void *data, size_t n);

/* Takes over @object, which came from malloc(), instead of copying something large. False when
 * memory is short: then it is still the caller's. */
bool arena_adopt(struct arena *a, void *object);

char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One copy per distinct string: equal content gives the same pointer, so interned strings can
 * be compared with ==. internn takes the first @n bytes, up to a NUL. */
const char *arena_intern(struct arena *a, const char *s);
const char *arena_internn(struct arena *a, const char *s, size_t n);

#endif
