/* SPDX-License-Identifier: MIT */
/* The arena: zeroed, aligned, interned, freed at once (the sanitizer run proves the last). */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/arena.h"

static void objects_are_zero_and_aligned(void **state)
{
	(void)state;
	_cleanup_(arena_freep) struct arena *a = arena_new();
	for (size_t size = 1; size < 300; size += 7) {
		const unsigned char *p = arena_alloc(a, size);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
	}
}

static void objects_do_not_overlap(void **state)
{
	(void)state;
	_cleanup_(arena_freep) struct arena *a = arena_new();
	unsigned char *objects[1009];
	for (size_t i = 0; i < 1009; i++) {
		objects[i] = arena_alloc(a, 101);
		memset(objects[i], (int)(i % 251), 101);
	}
	for (size_t i = 0; i < 1009; i++) {
		assert_int_equal(objects[i][0], i % 251);
		assert_int_equal(objects[i][100], i % 251);
	}
}

static void a_large_object_leaves_the_current_block_in_use(void **state)
{
	(void)state;
	_cleanup_(arena_freep) struct arena *a = arena_new();
	char *before = arena_alloc(a, 16);
	char *large = arena_alloc(a, 1 << 20);
	char *after = arena_alloc(a, 16);
	assert_non_null(large);
	memset(large, 1, 1 << 20);
	assert_ptr_equal(after, before + 16);
}

static void impossible_sizes_are_refused(void **state)
{
	(void)state;
	_cleanup_(arena_freep) struct arena *a = arena_new();
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_null(arena_alloc(a, SIZE_MAX / 2));
	assert_null(arena_alloc_array(a, SIZE_MAX / 4, 8));
	assert_non_null(arena_alloc(a, 0));
}

static void copies_end_with_nul(void **state)
{
	(void)state;
	_cleanup_(arena_freep) struct arena *a = arena_new();
	assert_string_equal(arena_strdup(a, "redis"), "redis");
	assert_string_equal(arena_strndup(a, "redis-server", 5), "redis");
	assert_string_equal(arena_strndup(a, "redis", 50), "redis");
	assert_string_equal(arena_printf(a, "%s:%d", "tcp", 5432), "tcp:5432");
	assert_memory_equal(arena_memdup(a, "a\0b", 3), "a\0b", 3);
}

static void equal_strings_intern_to_one_pointer(void **state)
{
	(void)state;
	_cleanup_(arena_freep) struct arena *a = arena_new();
	char text[] = "libc.so.6";
	const char *first = arena_intern(a, text);
	assert_ptr_not_equal(first, text);
	assert_ptr_equal(arena_intern(a, "libc.so.6"), first);
	assert_ptr_equal(arena_internn(a, "libc.so.6.1", 9), first);
	assert_ptr_not_equal(arena_intern(a, "libc.so"), first);
	assert_string_equal(arena_intern(a, ""), "");
}

static void interning_survives_growth_of_its_table(void **state)
{
	(void)state;
	_cleanup_(arena_freep) struct arena *a = arena_new();
	const char *interned[2003];
	char text[32];
	for (int i = 0; i < 2003; i++) {
		(void)snprintf(text, sizeof(text), "symbol_%d", i);
		interned[i] = arena_intern(a, text);
	}
	for (int i = 0; i < 2003; i++) {
		(void)snprintf(text, sizeof(text), "symbol_%d", i);
		assert_ptr_equal(arena_intern(a, text), interned[i]);
	}
}

static void freeing_nothing_is_fine(void **state)
{
	(void)state;
	assert_null(arena_free(NULL));
}

static void adopted_objects_end_with_the_arena(void **state)
{
	(void)state;
	struct arena *a = arena_new();
	/* That they are freed, and once, is seen by the sanitizers. */
	for (int i = 0; i < 3; i++) {
		char *object = malloc(41);
		assert_non_null(object);
		memset(object, 'x', 41);
		assert_true(arena_adopt(a, object));
		assert_int_equal(object[40], 'x');
	}
	(void)arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_zero_and_aligned),
		cmocka_unit_test(objects_do_not_overlap),
		cmocka_unit_test(a_large_object_leaves_the_current_block_in_use),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(copies_end_with_nul),
		cmocka_unit_test(equal_strings_intern_to_one_pointer),
		cmocka_unit_test(interning_survives_growth_of_its_table),
		cmocka_unit_test(freeing_nothing_is_fine),
		cmocka_unit_test(adopted_objects_end_with_the_arena),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
