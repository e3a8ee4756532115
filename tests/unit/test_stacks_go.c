/* SPDX-License-Identifier: MIT */
/* Rows and names by Go's table of functions: one of four functions, made up as the linker makes it. */

#include "tests/fuzz/elf_around.h"
#include "tests/unit/cmocka.h"
#include "userspace/stacks/module_file.h"
#include "userspace/stacks/row_make.h"
#include "userspace/stacks/unwind.h"

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
	row_make(modules, module, ELF_TEXT + offset, false, 0, &row);
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

/* ---- a goroutine on its thread's stack ---- */

enum { MAPPED = 0x10000, STACK = 0x7000, GOROUTINE = 0x5000, CALL_BYTES = 5 };

/* Behind a call, in the function of that number. */
static uint64_t behind_call(uint64_t function)
{
	return MAPPED + function * 0x100 + 8 + CALL_BYTES;
}

static void add_calls(void)
{
	static const uint8_t call[CALL_BYTES] = { 0xe8 };
	const int fd = open(elf_path, O_WRONLY | O_CLOEXEC);
	for (off_t i = 0; i < N; i++)
		assert_int_equal(pwrite(fd, call, CALL_BYTES, ELF_TEXT + i * 0x100 + 8),
				 CALL_BYTES);
	(void)close(fd);
}

/* The frames, as numbers of functions; -1 behind the last one. */
struct outcome {
	enum unwind_end end;
	int functions[8];
};

static struct outcome unwind_made(const struct made made[static N], const uint64_t *stack,
				  size_t n_stack, const struct goroutine *goroutine)
{
	static struct unwound unwound;
	struct outcome outcome = { .end = UNWIND_TOO_MANY };
	make(0xfffffff1, made);
	add_calls();
	struct spaces *spaces = spaces_new(modules);
	struct unwinder *unwinder = unwinder_new(spaces);
	assert_non_null(unwinder);
	const struct mapping mapping = { .address = MAPPED,
					 .length = ELF_TEXT_SIZE,
					 .offset = ELF_TEXT,
					 .path = elf_path,
					 .identity = module->identity };
	assert_int_equal(spaces_map(spaces, getpid(), 1, &mapping), 0);
	const struct snapshot snapshot = {
		.time_ns = 2,
		.pid = getpid(),
		.registers = { [REGISTER_RIP] = MAPPED, [REGISTER_RSP] = STACK },
		.stack = (const uint8_t *)stack,
		.n_stack = n_stack * sizeof(*stack),
		.goroutine = goroutine
	};
	unwind(unwinder, &snapshot, &unwound);
	outcome.end = unwound.end;
	for (size_t i = 0; i < 8; i++)
		outcome.functions[i] =
			i < unwound.n ? (int)((unwound.frames[i].address - MAPPED) / 0x100) : -1;
	unwinder_free(unwinder);
	spaces_free(spaces);
	modules_free(modules);
	return outcome;
}

#define assert_outcome(got, expected_end, ...)                                               \
	do {                                                                                 \
		const int expected_[] = { __VA_ARGS__, -1 };                                 \
		const struct outcome o_ = (got);                                             \
		assert_string_equal(unwind_end_name(o_.end), unwind_end_name(expected_end)); \
		assert_memory_equal(o_.functions, expected_, sizeof(expected_));             \
	} while (0)

/* main.main calls one that goes to the thread's stack, where main.main is called again. */
static const struct made switching[N] = {
	{ "main.main", "\x02\x80\x02", 0 },
	{ "runtime.goexit", "\x02\x80\x02", GO_OUTERMOST },
	{ "runtime.systemstack.abi0", "\x02\x80\x02", GO_SETS_STACK | GO_ASSEMBLER },
	{ "runtime.systemstack_switch.abi0", "\x02\x80\x02", GO_ASSEMBLER },
};

static void a_stack_goes_on_where_its_goroutine_is(void **state)
{
	(void)state;
	const uint64_t stack[] = { behind_call(2), 7 };
	const uint64_t left[] = { behind_call(0), behind_call(1) };
	struct goroutine g = { .rsp = GOROUTINE,
			       .rip = MAPPED + 0x300,
			       .bottom = GOROUTINE,
			       .end = GOROUTINE + sizeof(left),
			       .stack = (const uint8_t *)left,
			       .n_stack = sizeof(left) };
	/* What stands for the switch is no frame. */
	assert_outcome(unwind_made(switching, stack, 2, &g), UNWIND_OUTERMOST, 0, 2, 0, 1);
	assert_outcome(unwind_made(switching, stack, 2, NULL), UNWIND_NO_STACK, 0, 2);
	/* Not all of it was taken. */
	g.n_stack = WORD;
	assert_outcome(unwind_made(switching, stack, 2, &g), UNWIND_NO_STACK, 0, 2, 0);
	/* It has not told where it is; not on its stack; not in code. */
	g.rsp = 0;
	assert_outcome(unwind_made(switching, stack, 2, &g), UNWIND_NO_STACK, 0, 2);
	g.rsp = GOROUTINE + sizeof(left) + WORD;
	assert_outcome(unwind_made(switching, stack, 2, &g), UNWIND_NO_STACK, 0, 2);
	g.rsp = GOROUTINE;
	g.rip = 7;
	assert_outcome(unwind_made(switching, stack, 2, &g), UNWIND_NO_CODE, 0, 2);
}

static void a_stack_goes_to_a_goroutine_once(void **state)
{
	(void)state;
	const uint64_t stack[] = { behind_call(2) };
	const uint64_t left[] = { behind_call(2), behind_call(1) };
	const struct goroutine g = { .rsp = GOROUTINE,
				     .rip = MAPPED + 0x300,
				     .bottom = GOROUTINE,
				     .end = GOROUTINE + sizeof(left),
				     .stack = (const uint8_t *)left,
				     .n_stack = sizeof(left) };
	assert_outcome(unwind_made(switching, stack, 1, &g), UNWIND_NO_STACK, 0, 2, 2);
}

/* When the scheduler has taken the thread, what called it is over, and what the thread has is another one. */
static void a_stack_of_the_scheduler_has_no_goroutine(void **state)
{
	(void)state;
	static const struct made made[N] = {
		{ "runtime.schedule", "\x02\x80\x02", 0 },
		{ "runtime.goexit", "\x02\x80\x02", GO_OUTERMOST },
		{ "runtime.morestack.abi0", "\x02\x80\x02", GO_SETS_STACK | GO_ASSEMBLER },
		{ "main.main", "\x02\x80\x02", 0 },
	};
	const uint64_t stack[] = { behind_call(2) };
	const uint64_t left[] = { behind_call(1) };
	const struct goroutine g = { .rsp = GOROUTINE,
				     .rip = behind_call(3),
				     .bottom = GOROUTINE,
				     .end = GOROUTINE + sizeof(left),
				     .stack = (const uint8_t *)left,
				     .n_stack = sizeof(left) };
	assert_outcome(unwind_made(made, stack, 1, &g), UNWIND_OUTERMOST, 0, 2);
}

/* C may be called by what is on the thread's stack already: then the words above it say so. */
static void c_is_left_for_the_goroutine_that_called_it(void **state)
{
	(void)state;
	static const struct made made[N] = {
		{ "main.main", "\x02\x80\x02", 0 },
		{ "runtime.goexit", "\x02\x80\x02", GO_OUTERMOST },
		{ "runtime.asmcgocall.abi0", "\x02\x80\x02", GO_SETS_STACK | GO_ASSEMBLER },
		{ "runtime.systemstack_switch.abi0", "\x02\x80\x02", GO_ASSEMBLER },
	};
	const uint64_t left[] = { behind_call(0), behind_call(1) };
	const struct goroutine g = { .address = 0x1234,
				     .rsp = GOROUTINE,
				     .rip = MAPPED + 0x300,
				     .bottom = GOROUTINE,
				     .end = GOROUTINE + sizeof(left),
				     .stack = (const uint8_t *)left,
				     .n_stack = sizeof(left) };
	uint64_t stack[] = { behind_call(2), 0, 0, 0, 0, 0, sizeof(left), g.address };
	assert_outcome(unwind_made(made, stack, 8, &g), UNWIND_OUTERMOST, 0, 2, 0, 1);
	stack[6] = 0;
	assert_outcome(unwind_made(made, stack, 8, &g), UNWIND_NO_STACK, 0, 2);
	stack[1] = sizeof(left);
	stack[2] = g.address;
	assert_outcome(unwind_made(made, stack, 8, &g), UNWIND_OUTERMOST, 0, 2, 0, 1);
}

/* At a call into the vDSO R12 is what the stack pointer was. */
static void a_call_for_the_time_is_left_by_r12(void **state)
{
	(void)state;
	static const struct made made[N] = {
		{ "runtime.nanotime1.abi0", "\x02\x04\x20\xfc\x01", GO_SETS_STACK | GO_ASSEMBLER },
		{ "a", "", 0 },
		{ "b", "", 0 },
		{ "c", "", 0 },
	};
	make(0xfffffff1, made);
	add_calls();
	const struct row row = row_at(behind_call(0) - MAPPED - 1);
	assert_int_equal(row.cfa_register, REGISTER_R12);
	assert_int_equal(row.cfa_offset, 24);
	assert_true(row_at(5).flags & ROW_NONE);
	assert_false(row_at(0).flags & ROW_NONE);
	modules_free(modules);
}

/* A signal has a stack of its own; at its end what it interrupted is found. */
static void a_signal_leads_back_to_the_goroutine(void **state)
{
	(void)state;
	static const struct made made[N] = {
		{ "runtime.sigreturn.abi0", "\x02\x80\x02", GO_ASSEMBLER },
		{ "runtime.goexit", "\x02\x80\x02", GO_OUTERMOST },
		{ "main.main", "\x02\x80\x02", 0 },
		{ "a", "", 0 },
	};
	enum { RSP_AT = SIGNAL_CONTEXT / WORD + 15 };
	const uint64_t stack[RSP_AT + 2] = { [RSP_AT] = GOROUTINE, [RSP_AT + 1] = MAPPED + 0x200 };
	const uint64_t left[] = { behind_call(1) };
	const struct goroutine g = { .bottom = GOROUTINE,
				     .end = GOROUTINE + sizeof(left),
				     .stack = (const uint8_t *)left,
				     .n_stack = sizeof(left) };
	assert_outcome(unwind_made(made, stack, RSP_AT + 2, &g), UNWIND_OUTERMOST, 0, 2, 1);
	assert_outcome(unwind_made(made, stack, RSP_AT + 2, NULL), UNWIND_NO_STACK, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_those_of_the_table),
		cmocka_unit_test(a_table_that_does_not_say_where_code_is_is_read),
		cmocka_unit_test(functions_have_their_names),
		cmocka_unit_test(growth_that_is_not_told_is_none),
		cmocka_unit_test(another_version_is_not_read),
		cmocka_unit_test(a_stack_goes_on_where_its_goroutine_is),
		cmocka_unit_test(a_stack_goes_to_a_goroutine_once),
		cmocka_unit_test(a_stack_of_the_scheduler_has_no_goroutine),
		cmocka_unit_test(c_is_left_for_the_goroutine_that_called_it),
		cmocka_unit_test(a_call_for_the_time_is_left_by_r12),
		cmocka_unit_test(a_signal_leads_back_to_the_goroutine),
	};
	elf_begin_file();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
