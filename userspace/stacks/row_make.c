/* SPDX-License-Identifier: MIT */
/* libdw finds the entry that covers an address and runs its program; here the outcome is reduced to what
 * a row holds. */
#include "userspace/stacks/row_make.h"

#include <dwarf.h>
#include <elf.h>
#include <string.h>

#include "userspace/base/clock.h"
#include "userspace/stacks/elf_open.h"
#include "userspace/stacks/module_file.h"
#include "userspace/stacks/row_bytes.h"
#include "userspace/stacks/row_expression.h"
#include "userspace/stacks/row_go.h"

#define EH_FRAME_MAX	((size_t)24 << 20) /* node has 8 MB, libLLVM 6 */
#define UNINDEXED_MAX	((size_t)2 << 20)  /* libdw keeps every entry it comes by */
#define DEBUG_FRAME_MAX ((size_t)24 << 20) /* with all other sections of debugging, unpacked */

/* A row takes a few microseconds, but for the first of a file that has no index. Who makes them dearer has
 * none left when that has added up. */
#define ROWS_NS_FREE (300 * NS_PER_MS)
#define ROW_NS_MAX   (1 * NS_PER_MS)

/* ---- opening what a file tells ---- */

static Dwarf_CFI *eh_frame_of(struct modules *modules, struct module *module)
{
	struct module_file *f = module->file;
	if (f->looked_for_rows)
		return f->eh_frame;
	f->looked_for_rows = true;
	struct elf_sizes sizes;
	elf_measure(f->elf, &sizes);
	if (sizes.eh_frame == 0 || sizes.eh_frame > EH_FRAME_MAX ||
	    sizes.eh_frame_hdr > EH_FRAME_MAX ||
	    (sizes.eh_frame_hdr == 0 && sizes.eh_frame > UNINDEXED_MAX) ||
	    modules_charge(modules, module, sizes.eh_frame + sizes.eh_frame_hdr) < 0)
		return NULL;
	f->eh_frame = dwarf_getcfi_elf(f->elf);
	return f->eh_frame;
}

static Dwarf_CFI *debug_frame_of(struct modules *modules, struct module *module)
{
	struct module_file *f = module->file;
	if (f->looked_for_debug_frame)
		return f->debug_frame;
	f->looked_for_debug_frame = true;
	struct elf_sizes sizes;
	elf_measure(f->elf, &sizes);
	/* It has no index: libdw keeps an entry of a hundred bytes for some fifty of it. */
	if (sizes.debug_frame == 0 || sizes.debug > DEBUG_FRAME_MAX ||
	    modules_charge(modules, module, sizes.debug + 2 * sizes.debug_frame) < 0)
		return NULL;
	f->dwarf = dwarf_begin_elf(f->elf, DWARF_C_READ, NULL);
	f->debug_frame = f->dwarf != NULL ? dwarf_getcfi(f->dwarf) : NULL;
	return f->debug_frame;
}

/* ---- from what libdw says to a row ---- */

static bool reduce_cfa(Dwarf_Frame *frame, uint64_t address, struct row *row)
{
	Dwarf_Op *ops;
	size_t n;
	struct row_value value;
	if (dwarf_frame_cfa(frame, &ops, &n) < 0 || !row_evaluate(ops, n, address, &value) ||
	    value.base < 0 || value.base > REGISTER_RIP || value.offset < INT32_MIN ||
	    value.offset > INT32_MAX)
		return false;
	row->cfa_register = (uint8_t)value.base;
	row->cfa_offset = (int32_t)value.offset;
	row->flags |= value.is_at ? ROW_CFA_AT : 0;
	return true;
}

/* Where register @i of the saved ones is. */
static void reduce_saved(Dwarf_Frame *frame, uint64_t address, int number, size_t i,
			 struct row *row)
{
	Dwarf_Op memory[3], *ops = NULL;
	size_t n = 0;
	struct row_value value;
	row->saved[i] = SAVED_LOST;
	if (dwarf_frame_register(frame, number, memory, &ops, &n) < 0)
		return;
	if (n == 0) {
		if (ops == NULL)
			row->saved[i] = SAVED_UNCHANGED;
		else if (i == SAVED_RIP)
			row->flags |= ROW_END;
		return;
	}
	if (!row_evaluate(ops, n, address, &value) || value.is_at || value.is_value ||
	    value.offset % WORD != 0)
		return;
	int64_t offset = value.offset;
	if (value.base == REGISTER_RBP)
		row->by_rbp |= (uint8_t)(1u << i);
	else if (value.base != ROW_BASE_CFA && value.base == row->cfa_register &&
		 !(row->flags & ROW_CFA_AT))
		offset -= row->cfa_offset;
	else if (value.base != ROW_BASE_CFA)
		return;
	if (offset / WORD > SAVED_LOST && offset / WORD <= INT16_MAX)
		row->saved[i] = (int16_t)(offset / WORD);
}

/* The one frame whose CFI gives every register from the context that RSP points to. */
static bool is_context(const struct row *row)
{
	static const uint8_t order[] = SIGNAL_REGISTERS;
	size_t at = 0;
	while (order[at] != REGISTER_RSP)
		at++;
	return (row->flags & ROW_SIGNAL) && (row->flags & ROW_CFA_AT) &&
	       row->cfa_register == REGISTER_RSP &&
	       row->cfa_offset == SIGNAL_CONTEXT + (int)at * WORD;
}

static bool row_from_frame(Dwarf_Frame *frame, uint64_t address, struct row *row)
{
	static const int saved[N_SAVED] = SAVED_REGISTERS;
	Dwarf_Addr start, end;
	bool is_signal = false;
	*row = (struct row){ .flags = 0 };
	const int return_register = dwarf_frame_info(frame, &start, &end, &is_signal);
	if (return_register != REGISTER_RIP)
		return false;
	row->flags = is_signal ? ROW_SIGNAL : 0;
	const bool has_cfa = reduce_cfa(frame, address, row);
	if (has_cfa && is_context(row)) {
		row->flags = ROW_SIGNAL | ROW_CONTEXT;
		return true;
	}
	for (size_t i = 0; i < N_SAVED; i++)
		reduce_saved(frame, address, saved[i], i, row);
	return (has_cfa && row->saved[SAVED_RIP] != SAVED_LOST) || (row->flags & ROW_END);
}

/* 1: a row; 0: no entry covers the address; -1: one does, and cannot be followed. */
static int row_from(Dwarf_CFI *cfi, uint64_t address, struct row *row)
{
	Dwarf_Frame *frame = NULL;
	if (cfi == NULL || dwarf_cfi_addrframe(cfi, address, &frame) != 0)
		return 0;
	const bool ok = row_from_frame(frame, address, row);
	free(frame);
	return ok ? 1 : -1;
}

/* The same, of either kind of entries. */
static int row_from_entries(struct modules *modules, struct module *module, uint64_t address,
			    struct row *row)
{
	Dwarf_CFI *eh_frame = eh_frame_of(modules, module);
	const uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	int r = row_from(eh_frame, address, row);
	if (r == 0)
		r = row_from(debug_frame_of(modules, module), address, row);
	module->file->rows_ns += clock_ns(CLOCK_MONOTONIC) - start_ns;
	module->file->n_rows++;
	return r;
}

static void row_of_file(struct modules *modules, struct module *module, uint64_t address,
			bool is_caller, pid_t pid, struct row *ret)
{
	const struct module_file *f = modules_open(modules, module, pid);
	if (f == NULL || f->rows_ns > ROWS_NS_FREE + f->n_rows * ROW_NS_MAX)
		return;
	const struct code code = { .file = f };
	int r = row_from_go(f, address, ret);
	if (r == 0)
		r = row_from_entries(modules, module, address, ret);
	if (r == 0)
		row_from_bytes(&code, address, is_caller, ret);
	else if (r < 0)
		*ret = (struct row){ .flags = ROW_NONE };
	else
		row_give_back_popped(f, address, ret);
	ret->flags |= row_is_in_call(&code, address) ? ROW_IN_CALL : 0;
}

void row_make(struct modules *modules, struct module *module, uint64_t address, bool is_caller,
	      pid_t pid, struct row *ret)
{
	*ret = (struct row){ .flags = ROW_NONE };
	if (module->type != MODULE_ANONYMOUS) {
		row_of_file(modules, module, address, is_caller, pid, ret);
		return;
	}
	const struct code memory = { .pid = pid };
	row_from_bytes(&memory, address, is_caller, ret);
	ret->flags |= row_is_in_call(&memory, address) ? ROW_IN_CALL : 0;
}
