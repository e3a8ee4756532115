/* SPDX-License-Identifier: MIT */
/* The code of a JVM out of a memory that is written here: tables, pieces of code, methods, frames; and that
 * a memory that lies is survived. Real JVMs: tests/corpus/jvm.bats. */
#include <stdbool.h>

#include "tests/lib/fake_jvm.h"
#include "tests/unit/cmocka.h"
#include "userspace/base/units.h"
#include "userspace/stacks/hotspot_processes.h"

#define PID 4123

static struct fake_jvm jvm;
static const struct memory_reader memory = { fake_jvm_read, &jvm };
static struct hotspot_layout layout;
static struct hotspot_heap heaps[HOTSPOT_HEAPS_MAX];
static struct buf name;

static void begin(bool is_offsets)
{
	buf_init(&name, 4096);
	fake_jvm_init(&jvm, is_offsets);
	assert_int_equal(hotspot_layout_read(&fake_jvm_places, memory, &layout), 0);
	assert_int_equal(hotspot_heaps_read(&layout, memory, heaps), 1);
}

static int blob_at(uint64_t address, struct hotspot_blob *ret)
{
	return hotspot_blob_read(&layout, &heaps[0], address, memory, ret, &name);
}

static void where_things_lie_is_told(void **state)
{
	(void)state;
	begin(false);
	assert_int_equal(layout.heap_list, JVM_HEAP_LIST);
	assert_int_equal(layout.blob_name, JVM_BLOB_NAME);
	assert_int_equal(layout.code_begin, JVM_BLOB_BEGIN);
	assert_int_equal(layout.code_begin_at, HOTSPOT_ABSENT);
	assert_int_equal(layout.pool_bytes, JVM_POOL_BYTES);
	assert_int_equal(heaps[0].start, JVM_CODE);
	assert_int_equal(heaps[0].end, JVM_CODE_END);
	/* A page each, not a name each. */
	assert_true(jvm.n_reads < 30);
}

static void what_is_needed_and_not_told_is_refused(void **state)
{
	(void)state;
	struct hotspot_layout l;
	for (size_t i = 1; i < 24; i++) {
		fake_jvm_init(&jvm, i % 2 == 0);
		fake_jvm_put(&jvm, JVM_STRUCTS + 8 + 48 * i, fake_jvm_text(&jvm, "Other"), 8);
		assert_int_equal(hotspot_layout_read(&fake_jvm_places, memory, &l), -EBADMSG);
	}
	fake_jvm_init(&jvm, false);
	fake_jvm_put(&jvm, JVM_STRUCTS + 8 + 48 * 8 + 32, 1 << 20, 8); /* an offset */
	assert_int_equal(hotspot_layout_read(&fake_jvm_places, memory, &l), -EBADMSG);
	fake_jvm_init(&jvm, false);
	memcpy(jvm.bytes + JVM_BYTES - 8, "CodeHeap", 8); /* a name where memory ends */
	fake_jvm_put(&jvm, JVM_STRUCTS + 8 + 48 * 4, JVM_BASE + JVM_BYTES - 8, 8);
	assert_int_equal(hotspot_layout_read(&fake_jvm_places, memory, &l), -EBADMSG);
	fake_jvm_init(&jvm, false);
	fake_jvm_put(&jvm, JVM_STRUCTS, 16, 8); /* the table */
	assert_true(hotspot_layout_read(&fake_jvm_places, memory, &l) < 0);
	fake_jvm_init(&jvm, false);
	memset(jvm.bytes + 0x1008, 0x11, JVM_BYTES - 0x1008); /* without an end */
	assert_true(hotspot_layout_read(&fake_jvm_places, memory, &l) < 0);
}

static void an_address_is_in_its_piece(void **state)
{
	(void)state;
	struct hotspot_blob blob;
	begin(false);
	const uint64_t first = fake_jvm_blob(&jvm, 0, 40, "Interpreter", 0);
	const uint64_t second = fake_jvm_blob(&jvm, 40, 2, "nmethod", 6);
	assert_int_equal(blob_at(first, &blob), 0);
	assert_int_equal(blob.kind, HOTSPOT_INTERPRETER);
	/* Many steps of the map away from the beginning. */
	assert_int_equal(blob_at(JVM_CODE + 40 * 128 - 1, &blob), 0);
	assert_string_equal(buf_str(&name), "Interpreter");
	assert_int_equal(blob.code, first);
	assert_int_equal(blob_at(second, &blob), 0);
	assert_int_equal(blob.kind, HOTSPOT_COMPILED);
	assert_int_equal(blob.frame_words, 6);
	assert_int_equal(blob.complete, 16);
	assert_int_equal(blob.method, JVM_METHOD);
	/* Its head is no code, and behind it is nothing. */
	assert_int_equal(blob_at(second - 1, &blob), -ENOENT);
	assert_int_equal(blob_at(JVM_CODE + 42 * 128 + 64, &blob), -ENOENT);
	buf_done(&name);
}

static void offsets_do_as_well_as_pointers(void **state)
{
	(void)state;
	struct hotspot_blob blob;
	begin(true);
	const uint64_t code = fake_jvm_blob(&jvm, 4, 2, "nmethod", 6);
	fake_jvm_put(&jvm, code - 128 + JVM_BLOB_BEGIN, 128, 4);
	fake_jvm_put(&jvm, code - 128 + JVM_BLOB_END, 200, 4);
	assert_int_equal(blob_at(code + 71, &blob), 0);
	assert_int_equal(blob.code, code);
	assert_int_equal(blob.code_end, code + 72);
	assert_int_equal(blob_at(code + 72, &blob), -ENOENT);
	buf_done(&name);
}

static void a_method_has_the_name_of_its_class(void **state)
{
	(void)state;
	begin(false);
	assert_int_equal(hotspot_method_name(&layout, JVM_METHOD, memory, &name), 0);
	assert_string_equal(buf_str(&name), "org.shop.Prices.load");
	fake_jvm_method(&jvm, "Prices$$Lambda$14+0x0000000800c03000", "run");
	assert_int_equal(hotspot_method_name(&layout, JVM_METHOD, memory, &name), 0);
	assert_string_equal(buf_str(&name), "Prices$$Lambda.run");
	fake_jvm_method(&jvm, "a/LambdaForm$MH+0x0000000800c03000", "invoke");
	assert_int_equal(hotspot_method_name(&layout, JVM_METHOD, memory, &name), 0);
	assert_string_equal(buf_str(&name), "a.LambdaForm$MH.invoke");
	buf_done(&name);
}

static void what_is_no_method_has_no_name(void **state)
{
	(void)state;
	static const struct {
		uint64_t at, value;
		size_t n;
	} lies[] = {
		{ JVM_METHOD + 8, 0, 8 },
		{ JVM_METHOD + 8, 0x7fff00001234, 8 },
		{ JVM_CONSTANT + 8, UINT64_MAX, 8 },
		{ JVM_CONSTANT + 34, 0, 2 },	  /* the name: not in the pool, */
		{ JVM_CONSTANT + 34, 5, 2 },	  /* behind it, */
		{ JVM_POOL + 60, UINT32_MAX, 4 }, /* of a length below zero */
		{ JVM_POOL + JVM_POOL_BYTES + 3 * 8, 0, 8 },
		{ JVM_CLASS_NAME + 4, 0, 2 },
		{ JVM_CLASS_NAME + 4, UINT16_MAX, 2 },
		{ JVM_CLASS_NAME + 8, '\n', 1 },
		{ JVM_METHOD_NAME + 6, 0x1b, 1 },
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		begin(false);
		fake_jvm_put(&jvm, lies[i].at, lies[i].value, lies[i].n);
		assert_true(hotspot_method_name(&layout, JVM_METHOD, memory, &name) < 0);
		buf_done(&name);
	}
}

static void a_heap_that_lies_has_nothing(void **state)
{
	(void)state;
	struct hotspot_blob blob;
	begin(false);
	const uint64_t code = fake_jvm_blob(&jvm, 100, 8, "nmethod", 6);
	/* Back to before the beginning; to itself for ever there is no way: 0 is a beginning. */
	memset(jvm.bytes + (JVM_SEGMENTS - JVM_BASE), 200, 0x1000);
	assert_int_equal(blob_at(code, &blob), -ENOENT);
	fake_jvm_blob(&jvm, 100, 8, "nmethod", 6);
	fake_jvm_put(&jvm, code - 128 + JVM_BLOB_SIZE, INT32_MAX, 4);
	assert_int_equal(blob_at(code, &blob), -ENOENT);
	fake_jvm_blob(&jvm, 100, 8, "a\nb", 6);
	assert_int_equal(blob_at(code, &blob), -EBADMSG);
	fake_jvm_blob(&jvm, 100, 8, "nmethod", UINT32_MAX);
	assert_int_equal(blob_at(code, &blob), 0);
	assert_int_equal(blob.frame_words, 0);
	fake_jvm_put(&jvm, JVM_ARRAY, UINT32_MAX, 4);
	assert_true(hotspot_heaps_read(&layout, memory, heaps) <= HOTSPOT_HEAPS_MAX);
	fake_jvm_put(&jvm, JVM_HEAP + 240, 63, 4); /* the shift */
	assert_int_equal(hotspot_heaps_read(&layout, memory, heaps), 0);
	buf_done(&name);
}

/* ---- frames ---- */

#define STACK 0x7ffe0000u
static uint64_t stack[64];

static bool read_stack(const struct made_frame *frame, uint64_t at, uint64_t *ret)
{
	(void)frame;
	if (at < STACK || at - STACK > sizeof(stack) - 8 || at % 8 != 0)
		return false;
	*ret = stack[(at - STACK) / 8];
	return true;
}

static struct made_frame frame_at(uint64_t address, uint64_t rbp, uint64_t time_ns)
{
	return (struct made_frame){ .pid = PID,
				    .time_ns = time_ns,
				    .address = address,
				    .is_innermost = true,
				    .knows_rbp = true,
				    .rsp = STACK,
				    .rbp = rbp,
				    .word = read_stack };
}

static struct hotspot_processes *processes_new(void)
{
	begin(false);
	buf_done(&name);
	memset(stack, 0, sizeof(stack));
	struct hotspot_processes *p = hotspot_processes_new(NULL);
	hotspot_processes_set_memory(p, PID, &fake_jvm_places, memory);
	return p;
}

static void compiled_code_is_left_by_its_size(void **state)
{
	(void)state;
	struct hotspot_processes *p = processes_new();
	const uint64_t code = fake_jvm_blob(&jvm, 0, 8, "nmethod", 6);
	static const uint8_t begins[16] = { 0x89, 0x84, 0x24, 0x00, 0xc0, 0xfe, 0xff, 0x55,
					    0x48, 0x83, 0xec, 0x20, 0x90, 0x90, 0x90, 0x90 };
	static const struct {
		unsigned int at;
		unsigned int words; /* up to the caller's */
		bool has_saved_rbp;
	} places[] = { { 0, 1, false }, { 7, 1, false }, { 8, 2, true },  { 12, 6, true },
		       { 40, 6, true }, { 80, 2, true }, { 81, 1, false } };
	memcpy(jvm.bytes + (code - JVM_BASE), begins, sizeof(begins));
	fake_jvm_put(&jvm, code + 80, 0xc35d, 2); /* pop %rbp; ret */
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		memset(stack, 0, sizeof(stack));
		stack[places[i].words - 1] = code + 60;
		stack[places[i].words > 1 ? places[i].words - 2 : 40] = 77;
		struct made_frame f = frame_at(code + places[i].at, 55, 0);
		hotspot_processes_look(p, &f);
		assert_string_equal(hotspot_process_name(p, f.name), "org.shop.Prices.load");
		assert_true(f.has_caller && f.knows_caller_rbp);
		assert_int_equal(f.caller_rip, code + 60);
		assert_int_equal(f.caller_rsp, STACK + 8 * places[i].words);
		assert_int_equal(f.caller_rbp, places[i].has_saved_rbp ? 77 : 55);
	}
	/* What stands there is no code of the JVM. */
	stack[5] = 0x7f0000000000;
	struct made_frame f = frame_at(code + 40, 55, 0);
	hotspot_processes_look(p, &f);
	assert_true(f.name != 0 && !f.has_caller);
	hotspot_processes_free(p);
}

static void the_interpreter_runs_what_its_frame_says(void **state)
{
	(void)state;
	struct hotspot_processes *p = processes_new();
	const uint64_t code = fake_jvm_blob(&jvm, 0, 8, "Interpreter", 0);
	const uint64_t rbp = STACK + 8 * 20;
	stack[20] = STACK + 8 * 50;
	stack[21] = code + 9;
	stack[20 - 1] = STACK + 8 * 30;
	stack[20 - 3] = JVM_METHOD;
	struct made_frame f = frame_at(code + 40, rbp, 0);
	hotspot_processes_look(p, &f);
	assert_string_equal(hotspot_process_name(p, f.name), "org.shop.Prices.load");
	assert_true(f.has_caller && f.knows_caller_rbp);
	assert_int_equal(f.caller_rip, code + 9);
	assert_int_equal(f.caller_rbp, STACK + 8 * 50);
	assert_int_equal(f.caller_rsp, STACK + 8 * 30);
	/* No method, or no frame: it stands as itself. */
	stack[20 - 3] = JVM_CLASS;
	f = frame_at(code + 40, rbp, 0);
	hotspot_processes_look(p, &f);
	assert_string_equal(hotspot_process_name(p, f.name), "Interpreter");
	assert_false(f.has_caller);
	f = frame_at(code + 40, 3, 0);
	hotspot_processes_look(p, &f);
	assert_string_equal(hotspot_process_name(p, f.name), "Interpreter");
	hotspot_processes_free(p);
}

static const char *looked_at(struct hotspot_processes *p, uint64_t address, uint64_t time_ns)
{
	struct made_frame f = frame_at(address, 0, time_ns);
	hotspot_processes_look(p, &f);
	return hotspot_process_name(p, f.name);
}

static void code_is_read_once_and_looked_at_again_later(void **state)
{
	(void)state;
	struct hotspot_processes *p = processes_new();
	const uint64_t code = fake_jvm_blob(&jvm, 0, 8, "StubRoutines (1)", 0);
	assert_string_equal(looked_at(p, code, NS_PER_S), "StubRoutines (1)");
	const unsigned int n_reads = jvm.n_reads;
	assert_string_equal(looked_at(p, code + 30, NS_PER_S + NS_PER_MS), "StubRoutines (1)");
	assert_int_equal(jvm.n_reads, n_reads);
	fake_jvm_blob(&jvm, 0, 4, "nmethod", 4);
	assert_string_equal(looked_at(p, code + 30, 2 * NS_PER_S), "org.shop.Prices.load");
	/* Of what is gone what was read still counts, and nothing else. */
	jvm.is_gone = true;
	assert_string_equal(looked_at(p, code + 30, 9 * NS_PER_S), "org.shop.Prices.load");
	assert_null(looked_at(p, JVM_CODE_END + 4096, 9 * NS_PER_S));
	hotspot_process_gone(p, PID);
	assert_null(looked_at(p, code + 30, 9 * NS_PER_S));
	hotspot_processes_free(p);
}

static void what_is_no_jvm_is_not_read(void **state)
{
	(void)state;
	struct hotspot_processes *p = processes_new();
	struct made_frame f = frame_at(JVM_CODE, 0, 0);
	jvm.n_reads = 0;
	f.pid = PID + 1;
	hotspot_processes_look(p, &f);
	assert_true(f.name == 0 && !f.has_caller && jvm.n_reads == 0);
	/* Addresses outside of its cache are not asked for again and again. */
	for (int i = 0; i < 100000; i++)
		assert_null(looked_at(p, 0x5000, 0));
	assert_true(jvm.n_reads < 2000);
	assert_null(hotspot_process_name(p, JVM_CODE));
	assert_null(hotspot_process_name(p, UINT64_C(1) << 63 | 9));
	hotspot_processes_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_things_lie_is_told),
		cmocka_unit_test(what_is_needed_and_not_told_is_refused),
		cmocka_unit_test(an_address_is_in_its_piece),
		cmocka_unit_test(offsets_do_as_well_as_pointers),
		cmocka_unit_test(a_method_has_the_name_of_its_class),
		cmocka_unit_test(what_is_no_method_has_no_name),
		cmocka_unit_test(a_heap_that_lies_has_nothing),
		cmocka_unit_test(compiled_code_is_left_by_its_size),
		cmocka_unit_test(the_interpreter_runs_what_its_frame_says),
		cmocka_unit_test(code_is_read_once_and_looked_at_again_later),
		cmocka_unit_test(what_is_no_jvm_is_not_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
