/* SPDX-License-Identifier: MIT */
/* First all entries, by address; then the rows of each, and none between them. */
#include "userspace/stacks/row_table.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/vec.h"
#include "userspace/stacks/elf_open.h"
#include "userspace/stacks/row_program.h"

#define EH_FRAME_MAX ((size_t)24 << 20) /* as in row_make.c */

enum {
	ENTRIES_MAX = 1 << 20,
	COMMON_MAX = 1 << 16,
	REGISTER_OF_RETURN = 16,
};

struct entry {
	uint64_t start, end;
	uint32_t common; /* index */
	struct row_bytes program;
};

struct row_list VEC(struct sl_row);

struct table {
	struct VEC(struct entry) entries;
	struct VEC(struct row_common) commons;
	struct VEC(uint64_t) common_offsets; /* in the section, ascending */
	struct row_list rows;
	uint64_t start, end; /* of the code */
	uint64_t limit;	     /* of the entry that is run */
	int error;
};

static void table_done(struct table *t)
{
	vec_done(&t->entries);
	vec_done(&t->commons);
	vec_done(&t->common_offsets);
	vec_done(&t->rows);
}

/* ---- entries ---- */

/* False: it says what nothing is known of. */
static bool common_read(const Dwarf_CIE *cie, uint64_t address, struct row_common *ret)
{
	struct row_bytes data = { .at = cie->augmentation_data,
				  .end = cie->augmentation_data + cie->augmentation_data_size };

	*ret = (struct row_common){
		.code_factor = cie->code_alignment_factor,
		.data_factor = cie->data_alignment_factor,
		.encoding = DW_EH_PE_absptr,
		.has_data = cie->augmentation[0] == 'z',
		.program = { .at = cie->initial_instructions,
			     .end = cie->initial_instructions_end },
	};
	if (cie->return_address_register != REGISTER_OF_RETURN ||
	    (!ret->has_data && cie->augmentation[0] != '\0'))
		return false;
	for (const char *c = cie->augmentation + ret->has_data; *c != '\0'; c++) {
		uint8_t encoding = 0;
		switch (*c) {
		case 'R':
			ret->encoding = (uint8_t)row_bytes_number(&data, 1);
			break;
		case 'L':
			(void)row_bytes_number(&data, 1);
			break;
		case 'P':
			encoding = (uint8_t)row_bytes_number(&data, 1);
			(void)row_bytes_pointer(&data, encoding, address);
			break;
		case 'S':
			ret->is_signal = true;
			break;
		default:
			return false;
		}
	}
	return !data.is_over;
}

/* An entry comes behind what it has in common with others. */
static const uint64_t *common_find(const struct table *t, uint64_t offset)
{
	size_t low = 0, high = t->common_offsets.n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (t->common_offsets.items[middle] < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->common_offsets.n && t->common_offsets.items[low] == offset
		       ? &t->common_offsets.items[low]
		       : NULL;
}

static int common_add(struct table *t, const Dwarf_CIE *cie, uint64_t offset, uint64_t address)
{
	struct row_common common;

	if (!common_read(cie, address, &common) || t->commons.n == COMMON_MAX)
		return 0;
	return vec_push(&t->commons, common) < 0 || vec_push(&t->common_offsets, offset) < 0
		       ? -ENOMEM
		       : 0;
}

static int entry_add(struct table *t, const Dwarf_FDE *fde, const uint8_t *data, uint64_t address)
{
	const uint64_t *found = common_find(t, fde->CIE_pointer);
	struct row_bytes b = { .at = fde->start, .end = fde->end };

	if (found == NULL)
		return 0;
	struct entry entry = { .common = (uint32_t)(found - t->common_offsets.items) };
	const struct row_common *common = &t->commons.items[entry.common];
	entry.start = row_bytes_pointer(&b, common->encoding, address + (uint64_t)(b.at - data));
	const uint64_t length = row_bytes_pointer(&b, common->encoding & 0x0f, 0);
	const uint64_t n_data = common->has_data ? row_bytes_uleb(&b) : 0;
	if (b.is_over || n_data > (uint64_t)(b.end - b.at) || length == 0 ||
	    __builtin_add_overflow(entry.start, length, &entry.end) || entry.start == 0)
		return 0;
	b.at += n_data;
	entry.program = b;
	if (t->entries.n == ENTRIES_MAX)
		return -EFBIG;
	return vec_push(&t->entries, entry);
}

static int read_entries(struct table *t, const unsigned char *ident, Elf_Data *data,
			uint64_t address)
{
	Dwarf_Off next = 0;
	int r = 0;

	for (Dwarf_Off at = 0; r == 0 && next != (Dwarf_Off)-1; at = next) {
		Dwarf_CFI_Entry entry;
		const int got = dwarf_next_cfi(ident, data, true, at, &next, &entry);
		if (got > 0 || (got < 0 && next <= at))
			break;
		if (got < 0)
			continue;
		if (dwarf_cfi_cie_p(&entry))
			r = common_add(t, &entry.cie, at, address);
		else
			r = entry_add(t, &entry.fde, data->d_buf, address);
	}
	return r;
}

static int by_start(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	return left->start < right->start ? -1 : left->start > right->start;
}

/* ---- rows ---- */

static bool add_row(struct table *t, uint64_t address, uint32_t rule)
{
	const uint32_t start = (uint32_t)(address - t->start);
	struct sl_row *last = t->rows.n > 0 ? &t->rows.items[t->rows.n - 1] : NULL;

	/* What comes later at the same place is what holds there. */
	if (last != NULL && last->start == start) {
		last->rule = rule;
		return true;
	}
	if (last != NULL && last->rule == rule)
		return true;
	t->error = t->rows.n >= SL_ROWS_MAX
			   ? -EFBIG
			   : vec_push(&t->rows, (struct sl_row){ .start = start, .rule = rule });
	return t->error == 0;
}

static bool take_row(void *user, uint64_t address, uint32_t rule)
{
	struct table *t = user;

	return address < t->limit && add_row(t, address, rule);
}

static uint64_t last_end(const struct table *t)
{
	uint64_t end = 0;

	vec_foreach(entry, &t->entries)
		end = entry->end > end ? entry->end : end;
	return end;
}

static int make_rows(struct table *t)
{
	if (t->entries.n == 0)
		return -ENOENT;
	qsort(t->entries.items, t->entries.n, sizeof(*t->entries.items), by_start);
	t->start = t->entries.items[0].start;
	t->end = last_end(t);
	if (t->end - t->start > SL_ROWS_CODE_MAX)
		return -EFBIG;
	uint64_t done = t->start;
	for (size_t i = 0; i < t->entries.n && t->error == 0; i++) {
		const struct entry *e = &t->entries.items[i];
		/* Two that lie over each other: no linker makes such. */
		if (e->start < done)
			continue;
		t->limit = e->end;
		row_program_run(&t->commons.items[e->common], e->program, e->start, take_row, t);
		(void)add_row(t, e->end, SL_RULE_UNKNOWN);
		done = e->end;
	}
	return t->error;
}

/* ---- the table ---- */

/* Of words, since it is of megabytes; what is left over counts as one. */
static uint64_t check_of(const void *data, size_t n)
{
	const uint8_t *at = data;
	uint64_t sum = n;

	for (; n > 0; at += sizeof(uint64_t)) {
		uint64_t word = 0;
		const size_t take = n < sizeof(word) ? n : sizeof(word);
		memcpy(&word, at, take);
		sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		sum ^= sum >> 29;
		n -= take;
	}
	return sum;
}

static const void *checked_part(const struct sl_rows *table, size_t *ret_n)
{
	const size_t before = offsetof(struct sl_rows, check) + sizeof(table->check);

	*ret_n = table->bytes - before;
	return (const uint8_t *)table + before;
}

static void set_pages(const struct table *t, uint32_t n_pages, uint32_t *pages)
{
	uint32_t row = 0;

	for (uint32_t i = 0; i < n_pages; i++) {
		while (row + 1 < t->rows.n && t->rows.items[row + 1].start <= i << SL_ROWS_SHIFT)
			row++;
		pages[i] = row;
	}
	pages[n_pages] = (uint32_t)t->rows.n - 1;
}

static int put_table(const struct table *t, const void *build_id, size_t n_build_id,
		     struct buf *ret)
{
	const uint32_t length = (uint32_t)(t->end - t->start);
	const uint32_t n_pages = (length + SL_ROWS_PAGE - 1) / SL_ROWS_PAGE;
	const size_t bytes = sizeof(struct sl_rows) + (n_pages + 1) * sizeof(uint32_t) +
			     t->rows.n * sizeof(struct sl_row);
	_cleanup_free_ struct sl_rows *table = calloc(1, bytes);

	if (table == NULL)
		return -ENOMEM;
	*table = (struct sl_rows){
		.magic = SL_ROWS_MAGIC,
		.version = SL_ROWS_VERSION,
		.bytes = (uint32_t)bytes,
		.start = t->start,
		.length = length,
		.n_rows = (uint32_t)t->rows.n,
		.n_pages = n_pages,
		.n_build_id = (uint32_t)n_build_id,
	};
	memcpy(table->build_id, build_id, n_build_id);
	uint32_t *pages = (uint32_t *)(table + 1);
	set_pages(t, n_pages, pages);
	memcpy(pages + n_pages + 1, t->rows.items, t->rows.n * sizeof(struct sl_row));
	size_t n = 0;
	const void *part = checked_part(table, &n);
	table->check = check_of(part, n);
	return buf_add(ret, table, bytes);
}

static Elf_Scn *section_of(Elf *elf, const char *wanted)
{
	size_t names = 0;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return NULL;
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;) {
		const Elf64_Shdr *header = elf64_getshdr(section);
		const char *name = header != NULL && header->sh_type != SHT_NOBITS
					   ? elf_strptr(elf, names, header->sh_name)
					   : NULL;
		if (name != NULL && strcmp(name, wanted) == 0)
			return section;
	}
	return NULL;
}

int row_table_make(Elf *elf, struct buf *ret)
{
	_cleanup_(table_done) struct table t = { 0 };
	struct elf_sizes sizes;
	const void *build_id = NULL;
	const ssize_t n_build_id = dwelf_elf_gnu_build_id(elf, &build_id);

	if (n_build_id <= 0 || n_build_id > (ssize_t)SL_BUILD_ID_BYTES)
		return -ENOEXEC;
	elf_measure(elf, &sizes);
	Elf_Scn *section = section_of(elf, ".eh_frame");
	if (section == NULL || sizes.eh_frame == 0 || sizes.eh_frame > EH_FRAME_MAX)
		return -ENOENT;
	const Elf64_Ehdr *header = elf64_getehdr(elf);
	Elf_Data *data = elf_rawdata(section, NULL);
	if (header == NULL || data == NULL || data->d_buf == NULL ||
	    (elf64_getshdr(section)->sh_flags & SHF_COMPRESSED) != 0)
		return -ENOENT;
	int r = read_entries(&t, header->e_ident, data, elf64_getshdr(section)->sh_addr);
	if (r == 0)
		r = make_rows(&t);
	return r < 0 ? r : put_table(&t, build_id, (size_t)n_build_id, ret);
}

bool row_table_check(const void *data, size_t n, const uint8_t *build_id, size_t n_build_id)
{
	const struct sl_rows *table = data;
	size_t n_part = 0;

	if (!sl_rows_fits(table, n) || table->n_build_id != n_build_id ||
	    memcmp(table->build_id, build_id, n_build_id) != 0)
		return false;
	const void *part = checked_part(table, &n_part);
	return table->check == check_of(part, n_part);
}

size_t row_table_id(Elf *elf, const uint8_t **ret)
{
	const void *id = NULL;
	const ssize_t n = dwelf_elf_gnu_build_id(elf, &id);
	*ret = id;
	return n > 0 && n <= (ssize_t)SL_BUILD_ID_BYTES ? (size_t)n : 0;
}
