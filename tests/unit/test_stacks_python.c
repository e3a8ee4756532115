/* SPDX-License-Identifier: MIT */
/* CPython's frames out of a memory that is written here: chains, entries, texts, lines; and that a memory
 * that lies is survived. Real interpreters: tests/corpus/python.bats. */
#include <errno.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/cleanup.h"
#include "userspace/stacks/python.h"

#define BASE	0x10000u
#define RUNTIME BASE
#define STATE	(BASE + 0x400) /* interpreter */
#define THREAD	(BASE + 0x500)
#define CFRAME	(BASE + 0x600)
#define FRAME	(BASE + 0x700) /* 0x80 bytes each */
#define CODE	(BASE + 0x1000)
#define NAME	(BASE + 0x1200)
#define FILE_	(BASE + 0x1400)
#define TABLE	(BASE + 0x1600)

static uint8_t memory[0x2000];

static int read_memory(void *data, uint64_t address, void *to, size_t n)
{
	(void)data;
	if (address < BASE || address - BASE > sizeof(memory) - n)
		return -EFAULT;
	memcpy(to, memory + (address - BASE), n);
	return 0;
}
static const struct memory_reader reader = { .read = read_memory };

static void put(uint64_t address, uint32_t offset, uint64_t value, size_t n)
{
	memcpy(memory + (address - BASE) + offset, &value, n);
}

static void put_text(uint64_t address, const struct python_layout *l, unsigned int kind,
		     const void *text, size_t n)
{
	const bool is_ascii = kind == 1;
	put(address, l->text_length, n, 8);
	put(address, l->text_state, (kind << 2) | 0x20u | (is_ascii ? 0x40u : 0), 4);
	memcpy(memory + (address - BASE) + (is_ascii ? l->ascii_text : l->other_text), text,
	       n * kind);
}

/* The line table of
 *	def f(a,	 line 2
 *	      b):
 *	    x = (a +
 *		 b)
 *	    for i in range(3): ...
 * as CPython 3.11 compiles it. */
static const uint8_t table[] = {
	0x80, 0x00, 0xe0, 0x09, 0x0a, 0xd8, 0x09, 0x0a, 0xf1, 0x03, 0x01, 0x0a, 0x0b, 0x80,
	0x41, 0xe5, 0x0d, 0x12, 0x90, 0x31, 0x89, 0x58, 0x8c, 0x58, 0xf0, 0x00, 0x01, 0x05,
	0x0f, 0xf0, 0x00, 0x01, 0x05, 0x0f, 0x88, 0x01, 0xd8, 0x08, 0x09, 0x88, 0x51, 0x89,
};

/* Three frames: two in one evaluation, called from another one. */
static struct python_layout set_up(void)
{
	struct python_layout l;
	memset(memory, 0, sizeof(memory));
	assert_int_equal(python_layout_of(0x030b, RUNTIME, reader, &l), 0);
	put(RUNTIME, l.interpreters_head, STATE, 8);
	put(STATE, l.threads_head, THREAD, 8);
	put(THREAD, l.native_thread_id, 4123, 8);
	put(THREAD, l.current_frame, CFRAME, 8);
	put(CFRAME, l.frame_of_cframe, FRAME, 8);
	for (unsigned int i = 0; i < 3; i++) {
		const uint64_t frame = FRAME + 0x80u * i;
		put(frame, l.previous, i == 2 ? 0 : frame + 0x80, 8);
		put(frame, l.code, CODE, 8);
		put(frame, l.instruction, CODE + l.instructions + 2u * i, 8);
		put(frame, l.is_entry, i != 0, 1);
	}
	put(CODE, l.first_line, 2, 4);
	put(CODE, l.name, NAME, 8);
	put(CODE, l.filename, FILE_, 8);
	put(CODE, l.line_table, TABLE, 8);
	put_text(NAME, &l, 1, "A.f", 3);
	put_text(FILE_, &l, 1, "/x/a.py", 7);
	put(TABLE, l.bytes_size, sizeof(table), 8);
	memcpy(memory + (TABLE - BASE) + l.bytes, table, sizeof(table));
	return l;
}

static void frames_come_from_the_inside_out_with_their_entries(void **state)
{
	(void)state;
	const struct python_layout l = set_up();
	struct python_place places[8];
	assert_int_equal(python_walk(&l, RUNTIME, 4123, reader, places, 8), 3);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(places[i].code, CODE);
		assert_int_equal(places[i].offset, 2 * i);
		assert_int_equal(places[i].is_entry, i != 0);
	}
	assert_int_equal(python_walk(&l, RUNTIME, 4123, reader, places, 2), 2);
	assert_int_equal(python_walk(&l, RUNTIME, 4124, reader, places, 8), 0);
}

static void a_chain_without_end_is_left(void **state)
{
	(void)state;
	const struct python_layout l = set_up();
	static struct python_place places[10000];
	put(FRAME + 0x100, l.previous, FRAME, 8);
	assert_int_equal(python_walk(&l, RUNTIME, 4123, reader, places, 10000), 4096);
	put(THREAD, l.thread_next, THREAD, 8);
	put(STATE, l.interpreter_next, STATE, 8);
	assert_int_equal(python_walk(&l, RUNTIME, 1, reader, places, 10000), 0);
	put(THREAD, l.current_frame, 8, 8);
	assert_int_equal(python_walk(&l, RUNTIME, 4123, reader, places, 10000), 0);
}

static void a_code_object_has_names_and_lines(void **state)
{
	(void)state;
	static const struct {
		uint32_t offset;
		int line;
	} lines[] = { { 0, 2 },
		      { 2, 4 },
		      { 4, 5 },
		      { 6, 4 },
		      { 10, 4 },
		      { 12, 6 },
		      { 44, 6 },
		      { 46, 7 },
		      { 48, 7 },
		      { 9999, 0 },
		      { PYTHON_NOT_BEGUN, 2 } };
	const struct python_layout l = set_up();
	struct python_code code;
	assert_int_equal(python_code_read(&l, CODE, reader, &code), 0);
	assert_string_equal(buf_str(&code.name), "A.f");
	assert_string_equal(buf_str(&code.file), "/x/a.py");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(python_code_line(&code, lines[i].offset), lines[i].line);
	python_code_done(&code);
}

static void texts_of_all_widths_become_utf8(void **state)
{
	(void)state;
	static const uint16_t two[] = { 'x', 0x20ac };
	static const uint32_t four[] = { 0x1f600, 0xe9 };
	struct python_layout l = set_up();
	struct python_code code;
	put_text(NAME, &l, 2, two, 2);
	put_text(FILE_, &l, 4, four, 2);
	assert_int_equal(python_code_read(&l, CODE, reader, &code), 0);
	assert_string_equal(buf_str(&code.name), "x\xe2\x82\xac");
	assert_string_equal(buf_str(&code.file), "\xf0\x9f\x98\x80\xc3\xa9");
	python_code_done(&code);
}

static void what_is_no_code_object_is_refused(void **state)
{
	(void)state;
	struct python_layout l = set_up();
	struct python_code code;
	put(NAME, l.text_length, 1u << 20, 8);
	assert_int_equal(python_code_read(&l, CODE, reader, &code), -EBADMSG);
	python_code_done(&code);
	put(NAME, l.text_length, 3, 8);
	put(NAME, l.text_state, 0x7u << 2 | 0x60u, 4);
	assert_int_equal(python_code_read(&l, CODE, reader, &code), -EBADMSG);
	python_code_done(&code);
	assert_int_equal(python_code_read(&l, 24, reader, &code), -EFAULT);
	python_code_done(&code);
}

static void offsets_that_python_3_13_publishes_are_checked(void **state)
{
	(void)state;
	struct python_layout l;
	memset(memory, 0, sizeof(memory));
	assert_int_equal(python_layout_of(0x030d, RUNTIME, reader, &l), -EBADMSG);
	memcpy(memory, "xdebugpy", 8);
	put(RUNTIME, 23 * 8, 72, 8);
	put(RUNTIME, 70 * 8, 40, 8);
	assert_int_equal(python_layout_of(0x030d, RUNTIME, reader, &l), 0);
	assert_int_equal(l.current_frame, 72);
	assert_int_equal(l.other_text, 56);
	put(RUNTIME, 23 * 8, UINT32_MAX, 8);
	assert_int_equal(python_layout_of(0x030d, RUNTIME, reader, &l), -EBADMSG);
	put(RUNTIME, 2 * 8, 1, 8); /* free-threaded */
	assert_int_equal(python_layout_of(0x030d, RUNTIME, reader, &l), -ENOTSUP);
	assert_int_equal(python_layout_of(0x030c, RUNTIME, reader, &l), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_from_the_inside_out_with_their_entries),
		cmocka_unit_test(a_chain_without_end_is_left),
		cmocka_unit_test(a_code_object_has_names_and_lines),
		cmocka_unit_test(texts_of_all_widths_become_utf8),
		cmocka_unit_test(what_is_no_code_object_is_refused),
		cmocka_unit_test(offsets_that_python_3_13_publishes_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
