/* SPDX-License-Identifier: MIT */
/* Rows and names by Go's table of functions: one of four functions, made up as the linker makes it. */

#include "tests/fuzz/elf_around.h"
#include "tests/unit/cmocka.h"
#include "userspace/stacks/module_file.h"
#include "userspace/stacks/row_make.h"

enum { NAMES = 72, GROWTH = 200, FUNCTIONS = 256, N = 4, SIZE = 1024 };

static struct modules *modules;
static struct module *module;
static uint8_t bytes[SIZE];

static void put(size_t at, uint64_t value, size_t n)
{
	memcpy(bytes + at, &value, n);
}

struct made {
	const char *name;
	const char
		*growth; /* pairs: change twice as large, negative and one less if down; length */
	uint8_t flags;
};

/* Each 0x100 bytes long, from ELF_TEXT on, which the table calls @text. */
static void make_at(uint64_t text, uint32_t magic, const struct made made[static N])
{
	size_t name_at = NAMES, growth_at = GROWTH + 1;
	const size_t flags_at = magic == 0xfffffff1 ? 41 : 37;
	memset(bytes, 0, sizeof(bytes));
	put(0, magic, 4);
	put(6, 0x0801, 2);
	put(8, N, 8);
	put(24, text, 8);
	put(32, NAMES, 8);
	put(56, GROWTH, 8);
	put(64, FUNCTIONS, 8);
	for (size_t i = 0; i < N; i++) {
		const size_t function = 64 + i * 64;
		put(FUNCTIONS + i * 8, i * 0x100, 4);
		put(FUNCTIONS + i * 8 + 4, function, 4);
		put(FUNCTIONS + function, i * 0x100, 4);
		put(FUNCTIONS + function + 4, name_at - NAMES, 4);
		put(FUNCTIONS + function + 16, growth_at - GROWTH, 4);
		bytes[FUNCTIONS + function + flags_at] = made[i].flags;
		memcpy(bytes + name_at, made[i].name, strlen(made[i].name));
		memcpy(bytes + growth_at, made[i].growth, strlen(made[i].growth));
		name_at += strlen(made[i].name) + 1;
		growth_at += strlen(made[i].growth) + 1;
	}
	put(FUNCTIONS + N * 8, N * 0x100, 4);
	const struct elf_part table = {
		.name = ".gopclntab", .type = SHT_PROGBITS, .data = bytes, .n = sizeof(bytes)
	};
	elf_write(&table, 1);
	modules = modules_new();
	module = elf_module(modules);
}

static void make(uint32_t magic, const struct made made[static N])
{
	make_at(ELF_TEXT, magic, made);
}

/* Enters with 0, from 4 on has 16 more and 32 from 16 on. */
#define GROWS "\x02\x04\x20\x0c\x20\xf0\x01"
static const struct made usual[N] = {
	{ "main.main", GROWS, 0 },
	{ "runtime.goexit", "\x02\x80\x02", GO_OUTERMOST },
	{ "runtime.systemstack.abi0", "\x02\x80\x02", GO_SETS_STACK | GO_ASSEMBLER },
	{ "runtime.asm", GROWS, GO_ASSEMBLER },
};

static struct row row_at(uint64_t offset)
{
	struct row row;
	row_make(modules, module, ELF_TEXT + offset, 0, &row);
	return row;
}

static void check_usual(void)
{
	assert_int_equal(row_at(0).cfa_offset, 8);
	assert_int_equal(row_at(3).cfa_offset, 8);
	assert_int_equal(row_at(4).cfa_offset, 24);
	assert_int_equal(row_at(15).cfa_offset, 24);
	assert_int_equal(row_at(16).cfa_offset, 40);
	assert_int_equal(row_at(0xff).cfa_offset, 40);
	assert_int_equal(row_at(16).cfa_register, REGISTER_RSP);
	assert_int_equal(row_at(16).saved[SAVED_RIP], -1);
	/* The frame pointer is kept below it; no other register is. */
	assert_int_equal(row_at(0).saved[SAVED_RBP], SAVED_UNCHANGED);
	assert_int_equal(row_at(16).saved[SAVED_RBP], -2);
	assert_int_equal(row_at(16).saved[0], SAVED_LOST);
	assert_int_equal(row_at(0x310).saved[SAVED_RBP], SAVED_LOST);
	assert_true(row_at(0x100).flags & ROW_END);
	assert_true(row_at(0x210).flags & ROW_NONE);
	/* Behind the last one. */
	assert_true(row_at(0x400).flags & ROW_NONE);
}

static void rows_are_those_of_the_table(void **state)
{
	(void)state;
	make(0xfffffff0, usual);
	check_usual();
	modules_free(modules);
	make(0xfffffff1, usual);
	check_usual();
	modules_free(modules);
}

/* Since Go 1.26: then it is that of the file's code, if a function is where that begins to run. */
static void a_table_that_does_not_say_where_code_is_is_read(void **state)
{
	(void)state;
	make_at(0, 0xfffffff1, usual);
	check_usual();
	modules_free(modules);
}

static void functions_have_their_names(void **state)
{
	(void)state;
	char name[GO_NAME_MAX];
	struct go_function function;
	make(0xfffffff1, usual);
	const struct module_file *f = modules_look(modules, module, 0, 0, 0);
	assert_non_null(f);
	for (size_t i = 0; i < N; i++) {
		assert_true(go_function_find(f, ELF_TEXT + i * 0x100 + 0xff, &function));
		go_function_name(f, &function, name);
		assert_string_equal(name, usual[i].name);
	}
	assert_false(go_function_find(f, ELF_TEXT + N * 0x100, &function));
	assert_false(go_function_find(f, ELF_TEXT - 1, &function));
	modules_free(modules);
}

/* What is not told is not made up: no end of it, a length of 0, down below 0. */
static void growth_that_is_not_told_is_none(void **state)
{
	(void)state;
	const struct made broken[N] = { { "a", "\x02\x04", 0 },
					{ "b", "\x01\x04", 0 },
					{ "c", "\x02\xff\xff\xff\xff\xff", 0 },
					{ "d", "", 0 } };
	make(0xfffffff1, broken);
	assert_int_equal(row_at(3).cfa_offset, 8);
	assert_true(row_at(4).flags & ROW_NONE);
	assert_true(row_at(0x100).flags & ROW_NONE);
	assert_true(row_at(0x200).flags & ROW_NONE);
	assert_true(row_at(0x300).flags & ROW_NONE);
	modules_free(modules);
}

static void another_version_is_not_read(void **state)
{
	(void)state;
	make(0xfffffffa, usual);
	const struct module_file *f = modules_look(modules, module, 0, 0, 0);
	assert_true(f != NULL && f->is_go);
	assert_int_equal(f->go.n_functions, 0);
	modules_free(modules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_those_of_the_table),
		cmocka_unit_test(a_table_that_does_not_say_where_code_is_is_read),
		cmocka_unit_test(functions_have_their_names),
		cmocka_unit_test(growth_that_is_not_told_is_none),
		cmocka_unit_test(another_version_is_not_read),
	};
	elf_begin_file();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
