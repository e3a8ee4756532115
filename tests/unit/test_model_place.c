/* SPDX-License-Identifier: MIT */
/* Which frame of a stack is named, and by what name. */

#include <stdbool.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/arena.h"
#include "userspace/model/metrics.h"
#include "userspace/model/place.h"

#define FUNCTIONS 20

/* Frame i is f<i>, the last one main; stack 0 is to be filled. */
static struct session *program(void)
{
	struct session *s = NULL;
	assert_int_equal(session_new(&s), 0);
	s->frames = arena_alloc_array(s->arena, FUNCTIONS + 1, sizeof(*s->frames));
	s->stacks = arena_alloc_array(s->arena, 1, sizeof(*s->stacks));
	s->n_frames = FUNCTIONS + 1;
	s->n_stacks = 1;
	for (int i = 0; i <= FUNCTIONS; i++)
		s->frames[i] = (struct frame){
			.function = i == FUNCTIONS ? "main" : arena_printf(s->arena, "f%d", i),
			.module = "/bin/x",
			.line = UNKNOWN,
		};
	return s;
}

static void a_place_is_where_the_program_is_not_the_library_of_everybody(void **state)
{
	(void)state;
	struct session *s = program();
	s->frames[0].module = "[kernel]";
	s->frames[1].module = "/lib/x86_64-linux-gnu/libc.so.6";
	const int64_t frames[] = { 0, 1, 5, FUNCTIONS };
	s->stacks[0].frames = arena_memdup(s->arena, frames, sizeof(frames));
	s->stacks[0].n_frames = 4;
	assert_string_equal(stack_place(s, 0)->function, "f5");
	s->frames[1] = (struct frame){ .function = "read@plt", .module = "/bin/x" };
	assert_string_equal(stack_place(s, 0)->function, "f5");
	s->frames[1] = (struct frame){ .function = "f1", .module = "/lib/libc.so.6" };
	s->stacks[0].n_frames = 2;
	s->frames[0].function = NULL;
	assert_string_equal(stack_place(s, 0)->function, "f1");
	assert_true(stack_place(s, -1) == NULL);
	(void)session_free(s);
}

static void what_a_runtime_does_for_itself_is_where_it_began(void **state)
{
	(void)state;
	struct session *s = program();
	s->frames[0] = (struct frame){ .function = "java.lang.String.length", .module = "[JIT]" };
	s->frames[1] =
		(struct frame){ .function = "com.sun.tools.javac.Main.main", .module = "[JIT]" };
	s->frames[2] =
		(struct frame){ .function = "JavaCalls::call_helper", .module = "/lib/libjvm.so" };
	const int64_t frames[] = { 0, 1, 2, 0 };
	s->stacks[0].frames = arena_memdup(s->arena, frames, sizeof(frames));
	s->stacks[0].n_frames = 4;
	assert_string_equal(stack_place(s, 0)->function, "com.sun.tools.javac.Main.main");
	s->frames[0].function = "org.shop.Prices.load";
	assert_string_equal(stack_place(s, 0)->function, "org.shop.Prices.load");
	(void)session_free(s);
}

static void a_module_keeps_its_name_in_another_build(void **state)
{
	(void)state;
	struct session *s = program();
	assert_string_equal(module_label(s->arena, "/usr/lib/libfoo.so.1.2"), "libfoo.so");
	assert_string_equal(module_label(s->arena, "/a/b.so"), "b.so");
	assert_string_equal(module_label(s->arena, "/usr/bin/python3.11"), "python3.11");
	assert_string_equal(module_label(s->arena, "/srv/shop/prices.py"), "prices.py");
	assert_string_equal(module_label(s->arena, "/srv/shop/__init__.py"), "shop/__init__.py");
	assert_string_equal(module_label(s->arena, "shop/__init__.py"), "shop/__init__.py");
	assert_string_equal(module_label(s->arena, "__init__.py"), "__init__.py");
	assert_string_equal(module_label(s->arena, "/__init__.py"), "/__init__.py");
	assert_string_equal(module_label(s->arena, "[kernel]"), "[kernel]");
	assert_string_equal(module_label(s->arena, NULL), "");
	(void)session_free(s);
}

static void what_comes_with_a_runtime_is_common_code(void **state)
{
	(void)state;
	static const struct {
		const char *function;
		bool is_common;
	} made[] = {
		{ "int java.util.HashMap.put(int)", true },
		{ "int org.example.Server.index(java.lang.String)", false },
		{ "java.util.HashMap.put", true },
		{ "org.example.Server.index", false },
		{ "Interpreter", true },
		{ "new_instance Runtime1 stub", true },
		{ "I2C/C2I adapters", true },
		{ "org.example.Stub.stub", false },
		{ "require node:internal/modules/helpers:119:28", true },
		{ "buildIndex /srv/server.js:3:20", false },
		{ NULL, true },
	};
	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++) {
		const struct frame f = { .module = "[JIT]", .function = made[i].function };
		assert_int_equal(is_common_code(&f), made[i].is_common);
	}
}

static const char *heap_place_of(struct session *s, const struct frame *frames, size_t n)
{
	static const int64_t order[] = { 0, 1, 2, 3, 4, 5 };
	for (size_t i = 0; i < n; i++)
		s->frames[i] = frames[i];
	s->stacks[0].frames = arena_memdup(s->arena, order, sizeof(order));
	s->stacks[0].n_frames = n;
	return heap_place(s, 0)->function;
}

static void who_allocates_is_not_who_gives_out_memory(void **state)
{
	(void)state;
	struct session *s = program();
	static const char libc[] = "/lib/libc.so.6", cxx[] = "/lib/libstdc++.so.6", x[] = "/bin/x";
	const struct frame wrapped[] = { { .function = "malloc", .module = "/x/libstartline.so" },
					 { .function = "__strdup", .module = libc },
					 { .function = "xstrdup.isra.0", .module = x },
					 { .function = "load_catalog", .module = x },
					 { .function = "main", .module = x } };
	assert_string_equal(heap_place_of(s, wrapped, 5), "load_catalog");
	assert_string_equal(stack_place(s, 0)->function, "xstrdup.isra.0");
	const struct frame vector[] = {
		{ .function = "operator new(unsigned long)", .module = cxx },
		{ .function = "void std::vector<int>::_M_realloc_insert<int>(int&&)", .module = x },
		{ .function = "Index::add(int)", .module = x },
		{ .function = "main", .module = x }
	};
	assert_string_equal(heap_place_of(s, vector, 4), "Index::add(int)");
	const struct frame python[] = {
		{ .function = "_PyObject_Malloc", .module = "/usr/bin/python3.11" },
		{ .function = "read", .module = "/srv/a.py", .file = "/srv/a.py" },
		{ .function = "Py_BytesMain", .module = "/usr/bin/python3.11" }
	};
	assert_string_equal(heap_place_of(s, python, 3), "read");
	/* Who touches it is not who fills it, in a static program either. */
	const struct frame filled[] = {
		{ .function = "__memset_avx2_unaligned_erms", .module = x },
		{ .function = "memory_of_my_own", .module = x },
	};
	assert_string_equal(heap_place_of(s, filled, 2), "memory_of_my_own");
	/* Nobody but the C library: what it was doing. */
	const struct frame alone[] = { { .function = "malloc", .module = libc },
				       { .function = "getdelim", .module = libc },
				       { .function = "_start", .module = libc } };
	assert_string_equal(heap_place_of(s, alone, 3), "getdelim");
	assert_string_equal(heap_place_of(s, alone, 1), "malloc");
	assert_true(heap_place(s, -1) == NULL);
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_is_where_the_program_is_not_the_library_of_everybody),
		cmocka_unit_test(what_a_runtime_does_for_itself_is_where_it_began),
		cmocka_unit_test(a_module_keeps_its_name_in_another_build),
		cmocka_unit_test(what_comes_with_a_runtime_is_common_code),
		cmocka_unit_test(who_allocates_is_not_who_gives_out_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
