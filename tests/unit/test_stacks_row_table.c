/* SPDX-License-Identifier: MIT */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>

#include "tests/unit/cmocka.h"
#include "userspace/stacks/elf_open.h"
#include "userspace/stacks/row_program.h"
#include "userspace/stacks/row_table.h"
#include "userspace/stacks/rows.h"

static struct buf table_buf = { .limit = 64 << 20 };
static uint8_t build_id[SL_BUILD_ID_BYTES];
static size_t n_build_id;

static const struct sl_rows *table(void)
{
	return (const struct sl_rows *)(const void *)table_buf.data;
}

/* False: there is no such file here. */
static bool make_table(const char *path)
{
	const void *id = NULL;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	Elf *elf = elf_open(fd, ELF_C_READ);
	assert_non_null(elf);
	buf_clear(&table_buf);
	assert_int_equal(row_table_make(elf, &table_buf), 0);
	n_build_id = (size_t)dwelf_elf_gnu_build_id(elf, &id);
	memcpy(build_id, id, n_build_id);
	(void)elf_end(elf);
	assert_true(row_table_check(table_buf.data, table_buf.len, build_id, n_build_id));
	return true;
}

/* ---- the same as libdw says ---- */

static uint32_t rule_of_row(const struct row *row)
{
	const int words = row->cfa_offset / WORD;

	if (row->flags & ROW_CONTEXT)
		return SL_RULE_CONTEXT;
	if (row->flags & ROW_END)
		return SL_RULE_END;
	if ((row->flags & ~ROW_IN_CALL & ~ROW_CFA_AT) != 0 || row->saved[SAVED_RIP] != -1)
		return SL_RULE_UNKNOWN;
	if (row->flags & ROW_CFA_AT)
		return row->cfa_register == REGISTER_RBP && (row->by_rbp >> SAVED_RBP & 1) != 0 &&
				       row->saved[SAVED_RBP] == 0
			       ? SL_RULE(SL_RULE_AT_RBP, 0, -words)
			       : SL_RULE_UNKNOWN;
	const uint32_t kind = row->cfa_register == REGISTER_RSP	  ? SL_RULE_RSP
			      : row->cfa_register == REGISTER_RBP ? SL_RULE_RBP
								  : SL_RULE_UNKNOWN;
	const int saved = row->saved[SAVED_RBP];
	/* What lies below RSP was popped. */
	const bool is_popped = kind == SL_RULE_RSP && saved < 0 && -saved > words;
	const uint32_t below =
		saved == SAVED_UNCHANGED || is_popped ? SL_SAVED_NOT
		: saved < 0 && saved > -(int)SL_SAVED_LOST && (row->by_rbp >> SAVED_RBP & 1) == 0
			? (uint32_t)-saved
			: SL_SAVED_LOST;
	return kind == SL_RULE_UNKNOWN ? kind : SL_RULE(kind, below, words);
}

enum { STEP = 7, CALLS_WANTED = 2000 };

/* Of all places behind calls, which are those that return addresses lead to. */
static void compare_with_libdw(const char *path)
{
	struct modules *modules = modules_new();
	struct rows *rows = rows_new(modules);
	if (!make_table(path)) {
		print_message("no %s here\n", path);
		goto out;
	}
	struct file_identity identity = { .n_build_id = n_build_id };
	memcpy(identity.build_id, build_id, n_build_id);
	struct module *module = modules_intern(modules, MODULE_FILE, path, &identity, 0);
	size_t n_calls = 0, n_unknown = 0;
	for (uint64_t at = 0; at < table()->length && n_calls < CALLS_WANTED;
	     at += STEP + (at / STEP) % 61) {
		const uint64_t address = table()->start + at;
		const struct row *row = rows_find(rows, module, address, true, getpid());
		if (!(row->flags & ROW_IN_CALL) || (row->flags & (ROW_NONE | ROW_BY_CODE)))
			continue;
		n_calls++;
		const uint32_t rule = sl_rows_find(table(), address);
		if (SL_RULE_KIND(rule) == SL_RULE_UNKNOWN)
			n_unknown++;
		else if (rule != rule_of_row(row))
			fail_msg("%s: %#llx: %#x, not %#x", path, (unsigned long long)address, rule,
				 rule_of_row(row));
	}
	print_message("%s: %zu calls, %zu unknown, %u rows\n", path, n_calls, n_unknown,
		      table()->n_rows);
	assert_true(n_calls > 50);
	assert_true(n_unknown * 100 <= n_calls);
out:
	rows = rows_free(rows);
	modules = modules_free(modules);
}

static void tables_say_what_libdw_says(void **state)
{
	(void)state;
	compare_with_libdw("/lib/x86_64-linux-gnu/libc.so.6");
	compare_with_libdw("/bin/bash");
	compare_with_libdw("/usr/bin/python3.11");
	compare_with_libdw("/lib/x86_64-linux-gnu/libstdc++.so.6");
	compare_with_libdw("/lib/x86_64-linux-gnu/libcrypto.so.3");
}

/* ---- damage ---- */

static void damaged_tables_are_refused(void **state)
{
	(void)state;
	if (!make_table("/bin/bash"))
		skip();
	uint8_t *bytes = (uint8_t *)table_buf.data;
	const size_t n = table_buf.len;
	assert_false(row_table_check(bytes, n - 1, build_id, n_build_id));
	assert_false(row_table_check(bytes, 0, build_id, n_build_id));
	for (size_t at = 0; at < n; at += at < 100 ? 1 : 997) {
		bytes[at] ^= 0x10;
		assert_false(row_table_check(bytes, n, build_id, n_build_id));
		bytes[at] ^= 0x10;
	}
	build_id[0] ^= 1;
	assert_false(row_table_check(bytes, n, build_id, n_build_id));
	build_id[0] ^= 1;
	assert_true(row_table_check(bytes, n, build_id, n_build_id));
}

/* As one finds them that fit, with indexes from nowhere. */
static void searches_stay_inside_hostile_tables(void **state)
{
	(void)state;
	enum { PAGES = 3, ROWS = 2 };
	const size_t n = sizeof(struct sl_rows) + (PAGES + 1) * 4 + ROWS * sizeof(struct sl_row);
	struct sl_rows *hostile = malloc(n); /* nothing behind it may be read */
	assert_non_null(hostile);
	for (uint32_t seed = 1; seed < 2000; seed++) {
		uint32_t *words = (uint32_t *)(hostile + 1);
		uint32_t state_now = seed;
		for (size_t i = 0; i < PAGES + 1 + 2 * ROWS; i++) {
			state_now = state_now * 1664525u + 1013904223u;
			words[i] = seed % 3 == 0 ? state_now >> 29 : state_now;
		}
		*hostile = (struct sl_rows){ .magic = SL_ROWS_MAGIC,
					     .version = SL_ROWS_VERSION,
					     .bytes = (uint32_t)n,
					     .length = PAGES * SL_ROWS_PAGE,
					     .n_rows = ROWS,
					     .n_pages = PAGES };
		assert_true(sl_rows_fits(hostile, n));
		for (uint64_t at = 0; at < (PAGES + 2) * SL_ROWS_PAGE; at += 61)
			(void)sl_rows_find(hostile, at);
		(void)sl_rows_find(hostile, UINT64_MAX);
	}
	free(hostile);
}

/* ---- programs ---- */

static uint32_t last_rule;
static uint64_t last_address;

static bool note_rule(void *user, uint64_t address, uint32_t rule)
{
	(void)user;
	last_rule = rule;
	last_address = address;
	return true;
}

static uint32_t rule_after(const uint8_t *program, size_t n)
{
	/* CFA = RSP + 8, the return address below it: as every function begins. */
	static const uint8_t begin[] = { 0x0c, 7, 8, 0x90, 1 };
	const struct row_common common = {
		.code_factor = 1,
		.data_factor = -8,
		.program = { .at = begin, .end = begin + sizeof(begin) },
	};
	row_program_run(&common, (struct row_bytes){ .at = program, .end = program + n }, 100,
			note_rule, NULL);
	return last_rule;
}

#define RULE_AFTER(...) \
	rule_after((const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

static void programs_are_followed(void **state)
{
	(void)state;
	assert_int_equal(RULE_AFTER(0), SL_RULE(SL_RULE_RSP, 0, 1));
	/* push rbp; mov rbp, rsp */
	assert_int_equal(RULE_AFTER(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6),
			 SL_RULE(SL_RULE_RBP, 2, 2));
	assert_int_equal(last_address, 104);
	/* … and back, by what was remembered */
	assert_int_equal(RULE_AFTER(0x41, 0x0a, 0x0e, 16, 0x86, 2, 0x0b),
			 SL_RULE(SL_RULE_RSP, 0, 1));
	assert_int_equal(RULE_AFTER(0x0e, 16, 0x86, 2, 0xc6), SL_RULE(SL_RULE_RSP, 0, 2));
	assert_int_equal(RULE_AFTER(0x07, 16), SL_RULE_END);
	/* realigned: the CFA stands at RBP - 8 */
	assert_int_equal(RULE_AFTER(0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0),
			 SL_RULE(SL_RULE_AT_RBP, 0, 1));
	/* by another register; with a return address in one */
	assert_int_equal(RULE_AFTER(0x0c, 10, 8), SL_RULE_UNKNOWN);
	assert_int_equal(RULE_AFTER(0x09, 16, 0), SL_RULE_UNKNOWN);
}

static void programs_that_make_no_sense_end_unknown(void **state)
{
	(void)state;
	assert_int_equal(RULE_AFTER(0x0b), SL_RULE_UNKNOWN);		/* restores nothing */
	assert_int_equal(RULE_AFTER(0x0c, 7), SL_RULE_UNKNOWN);		/* ends too early */
	assert_int_equal(RULE_AFTER(0x3f), SL_RULE_UNKNOWN);		/* is no instruction */
	assert_int_equal(RULE_AFTER(0x0f, 200, 0x77), SL_RULE_UNKNOWN); /* a block too long */
	assert_int_equal(
		RULE_AFTER(0x0c, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		SL_RULE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_say_what_libdw_says),
		cmocka_unit_test(damaged_tables_are_refused),
		cmocka_unit_test(searches_stay_inside_hostile_tables),
		cmocka_unit_test(programs_are_followed),
		cmocka_unit_test(programs_that_make_no_sense_end_unknown),
	};
	const int r = cmocka_run_group_tests(tests, NULL, NULL);

	buf_done(&table_buf);
	return r;
}
