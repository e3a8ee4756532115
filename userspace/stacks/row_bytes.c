/* SPDX-License-Identifier: MIT */
/* Code is looked at itself where no entry covers it: what it is shows in its first bytes. */
#include "userspace/stacks/row_bytes.h"

#include <string.h>

#include "userspace/stacks/row_exit.h"
#include "userspace/stacks/row_way.h"

#define IS(code, n, text) ((n) >= sizeof(text) - 1 && memcmp(code, text, sizeof(text) - 1) == 0)

/* pop, ret, or the jump of a tail call: what is below RSP there has been popped. */
static bool is_leaving(const uint8_t *code, size_t n)
{
	const size_t prefix = n > 0 && (code[0] == 0x41 || code[0] == 0xf3 || code[0] == 0xf2);
	if (n < prefix + 2)
		return false;
	const uint8_t op = code[prefix];
	return (op >= 0x58 && op <= 0x5f) || op == 0xc3 || op == 0xc2 || op == 0xe9 || op == 0xeb ||
	       (op == 0xff && (code[prefix + 1] & 0x30) == 0x20);
}

void row_give_back_popped(const struct module_file *f, uint64_t address, struct row *row)
{
	bool has_popped = false;
	uint8_t code[16];
	if (row->cfa_register != REGISTER_RSP || (row->flags & ROW_CFA_AT))
		return;
	for (size_t i = 0; i < SAVED_RIP; i++)
		has_popped |= row->saved[i] > SAVED_LOST && row->saved[i] * WORD < -row->cfa_offset;
	if (!has_popped || !is_leaving(code, module_file_read(f, address, code, sizeof(code))))
		return;
	for (size_t i = 0; i < SAVED_RIP; i++)
		if (row->saved[i] > SAVED_LOST && row->saved[i] * WORD < -row->cfa_offset)
			row->saved[i] = SAVED_UNCHANGED;
}

/* ---- code without an entry ---- */

/* mov $15,%eax (or %rax); syscall: rt_sigreturn, as every C library has it. */
static bool is_sigreturn(const uint8_t *code, size_t n)
{
	return IS(code, n, "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05") ||
	       IS(code, n, "\xb8\x0f\x00\x00\x00\x0f\x05");
}

enum {
	PAGE = 4096,
	BEFORE = 64 << 10, /* where a function may begin; V8 has some of 40 KiB */
};
#define SET_UP "\x55\x48\x89\xe5" /* push %rbp; mov %rsp,%rbp */

/* Whether the function that the last byte of code[0..n) is in sets up its frame pointer, as far as these
 * bytes show: 1, -1: it does not, 0: it begins before them. */
static int sets_up_frame_pointer(const uint8_t *code, size_t n)
{
	for (size_t i = n; i-- > 0;) {
		if (code[i] == SET_UP[0] && IS(code + i, n - i, SET_UP))
			return 1;
		/* A return, and filling behind it: what stands before is another function. */
		if (code[i] == 0xc3 &&
		    (IS(code + i, n - i, "\xc3\xcc") || IS(code + i, n - i, "\xc3\x66\x90") ||
		     IS(code + i, n - i, "\xc3\x0f\x1f") || IS(code + i, n - i, "\xc3\x90")))
			return -1;
	}
	return 0;
}

static bool has_frame_pointer(const struct code *code, uint64_t address)
{
	enum { ACROSS = sizeof(SET_UP) - 2 }; /* of it may lie behind the cut */
	uint8_t bytes[PAGE + ACROSS];
	uint64_t end = address;
	int found = 0;
	while (found == 0 && end > 0 && address - end < BEFORE) {
		const uint64_t begin = (end - 1) / PAGE * PAGE;
		const size_t n = end - begin + (end < address ? ACROSS : 0);
		if (code_read(code, begin, bytes, n) != n)
			return false;
		found = sets_up_frame_pointer(bytes, n);
		end = begin;
	}
	return found > 0;
}

bool row_is_in_call(const struct code *code, uint64_t address)
{
	enum { LONGEST = 7 };
	uint8_t bytes[LONGEST];
	if (address < LONGEST ||
	    code_read(code, address + 1 - LONGEST, bytes, sizeof(bytes)) != sizeof(bytes))
		return false;
	if (bytes[LONGEST - 5] == 0xe8)
		return true;
	for (size_t n = 2; n <= LONGEST; n++)
		if (bytes[LONGEST - n] == 0xff && (bytes[LONGEST - n + 1] & 0x38) == 0x10)
			return true;
	return false;
}

/* The entry of a program, and what returns from a handler of a signal. */
static bool is_special(const struct code *code, uint64_t address, struct row *ret)
{
	enum { ENTRY_SIZE = 64 }; /* of _start and, in the loader, _dl_start_user behind it */
	uint8_t bytes[16];
	if (code->file == NULL)
		return false;
	const size_t n = code_read(code, address, bytes, sizeof(bytes));
	if (address >= code->file->entry && address - code->file->entry < ENTRY_SIZE)
		ret->flags = ROW_END;
	/* As a caller it is asked for one byte too early. */
	else if (is_sigreturn(bytes, n) || (n > 0 && is_sigreturn(bytes + 1, n - 1)))
		ret->flags = ROW_SIGNAL | ROW_CONTEXT;
	else if (code->file->is_go && code->file->go.n_functions == 0)
		*ret = row_of_frame_pointer();
	else
		return false;
	return true;
}

void row_from_bytes(const struct code *code, uint64_t address, bool is_caller, struct row *ret)
{
	*ret = (struct row){ .flags = ROW_NONE };
	if (is_special(code, address, ret))
		return;
	const enum row_exit r = row_from_exit(code, address + is_caller, ret);
	if (r != ROW_EXIT_FOUND && (is_caller || r == ROW_EXIT_CALLS) &&
	    has_frame_pointer(code, address))
		*ret = row_of_frame_pointer();
}
