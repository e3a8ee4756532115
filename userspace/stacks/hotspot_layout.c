/* SPDX-License-Identifier: MIT */
/* Two tables of the JVM: fields by the names of their structure and their own, and sizes of structures. They
 * and their names are in a few pages of libjvm.so, which are read once each. */
#include "userspace/stacks/hotspot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"

#define ENTRIES_MAX 4096u /* of a table; 17 has 788 */
#define OFFSET_MAX  4096u
#define PAGE	    4096u
#define PAGES	    32u /* kept; a power of two */
#define NAME_BYTES  64u /* longer ones are not looked for */

/* VMStructEntry and VMTypeEntry, vmStructs.hpp, unchanged since 6. */
struct struct_entry {
	uint64_t type, field, field_type;
	int32_t is_static, padding;
	uint64_t offset, address;
};

struct type_entry {
	uint64_t type, super;
	int32_t is_oop, is_integer, is_unsigned, padding;
	uint64_t bytes;
};

#define MEMBER(member_) offsetof(struct hotspot_layout, member_)

static const struct {
	const char *type, *field;
	size_t member; /* of uint64_t, if static */
} fields[] = {
	{ "CodeCache", "_heaps", MEMBER(heap_list) },
	{ "CodeCache", "_heap", MEMBER(heap) },
	{ "GrowableArrayBase", "_len", MEMBER(array_length) },
	{ "GenericGrowableArray", "_len", MEMBER(array_length) },
	{ "GrowableArray<int>", "_data", MEMBER(array_items) },
	{ "CodeHeap", "_memory", MEMBER(heap_memory) },
	{ "CodeHeap", "_segmap", MEMBER(heap_segments) },
	{ "CodeHeap", "_log2_segment_size", MEMBER(segment_shift) },
	{ "VirtualSpace", "_low", MEMBER(space_low) },
	{ "VirtualSpace", "_high", MEMBER(space_high) },
	{ "CodeBlob", "_name", MEMBER(blob_name) },
	{ "CodeBlob", "_size", MEMBER(blob_bytes) },
	{ "CodeBlob", "_frame_size", MEMBER(blob_frame_words) },
	{ "CodeBlob", "_frame_complete_offset", MEMBER(blob_complete) },
	{ "CodeBlob", "_code_begin", MEMBER(code_begin) },
	{ "CodeBlob", "_code_end", MEMBER(code_end) },
	{ "CodeBlob", "_code_offset", MEMBER(code_begin_at) },
	{ "CodeBlob", "_data_offset", MEMBER(code_end_at) },
	{ "CompiledMethod", "_method", MEMBER(method) },
	{ "nmethod", "_method", MEMBER(method) },
	{ "Method", "_constMethod", MEMBER(constant_method) },
	{ "ConstMethod", "_constants", MEMBER(constants) },
	{ "ConstMethod", "_name_index", MEMBER(name_index) },
	{ "ConstantPool", "_pool_holder", MEMBER(pool_holder) },
	{ "ConstantPool", "_length", MEMBER(pool_length) },
	{ "Klass", "_name", MEMBER(class_name) },
	{ "Symbol", "_length", MEMBER(text_length) },
	{ "Symbol", "_length_and_refcount", MEMBER(text_length_high) },
	{ "Symbol", "_body", MEMBER(text) },
	{ "Symbol", "_body[0]", MEMBER(text) },
};

static const struct {
	const char *type;
	size_t member;
} sizes[] = {
	{ "HeapBlock", MEMBER(block_bytes) },
	{ "ConstantPool", MEMBER(pool_bytes) },
};

/* Any of a group must be there. */
static const size_t needed[][2] = {
	{ MEMBER(heap_memory) },
	{ MEMBER(heap_segments) },
	{ MEMBER(segment_shift) },
	{ MEMBER(space_low) },
	{ MEMBER(space_high) },
	{ MEMBER(block_bytes) },
	{ MEMBER(blob_name) },
	{ MEMBER(blob_bytes) },
	{ MEMBER(blob_complete) },
	{ MEMBER(blob_frame_words) },
	{ MEMBER(method) },
	{ MEMBER(constant_method) },
	{ MEMBER(constants) },
	{ MEMBER(name_index) },
	{ MEMBER(pool_holder) },
	{ MEMBER(pool_length) },
	{ MEMBER(pool_bytes) },
	{ MEMBER(class_name) },
	{ MEMBER(text_length), MEMBER(text_length_high) },
	{ MEMBER(text) },
	{ MEMBER(code_begin), MEMBER(code_begin_at) },
	{ MEMBER(code_end), MEMBER(code_end_at) },
};

/* ---- pages ---- */

struct pages {
	struct memory_reader memory;
	uint64_t addresses[PAGES]; /* 0: empty */
	uint8_t bytes[PAGES][PAGE];
};

static int read_in_page(struct pages *p, uint64_t address, void *to, size_t n)
{
	const uint64_t page = address - address % PAGE;
	const size_t at = (page / PAGE) % PAGES;
	if (p->addresses[at] != page) {
		p->addresses[at] = 0;
		const int r = p->memory.read(p->memory.data, page, p->bytes[at], PAGE);
		if (r < 0)
			return r;
		p->addresses[at] = page;
	}
	memcpy(to, p->bytes[at] + address % PAGE, n);
	return 0;
}

static int read_by_pages(struct pages *p, uint64_t address, void *to, size_t n)
{
	uint8_t *bytes = to;
	while (n > 0) {
		const size_t left = PAGE - address % PAGE;
		const size_t piece = n < left ? n : left;
		/* The first page is nobody's. */
		const int r = address < PAGE ? -EFAULT : read_in_page(p, address, bytes, piece);
		if (r < 0)
			return r;
		address += piece;
		bytes += piece;
		n -= piece;
	}
	return 0;
}

/* Whatever is too long, or cannot be read, equals none that is looked for. */
static void read_name(struct pages *p, uint64_t address, char ret[static NAME_BYTES])
{
	for (size_t n = 0; n < NAME_BYTES && read_by_pages(p, address + n, &ret[n], 1) == 0; n++)
		if (ret[n] == '\0')
			return;
	ret[0] = '\0';
}

/* ---- tables ---- */

static uint32_t *member_at(struct hotspot_layout *l, size_t member)
{
	return (uint32_t *)((char *)l + member);
}

static bool is_variable(size_t member)
{
	return member == MEMBER(heap_list) || member == MEMBER(heap);
}

static int take_field(const struct struct_entry *entry, const char *type, const char *field,
		      struct hotspot_layout *l)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (strcmp(fields[i].field, field) != 0 || strcmp(fields[i].type, type) != 0)
			continue;
		if (is_variable(fields[i].member) != (entry->is_static != 0))
			return -EBADMSG;
		if (entry->is_static != 0) {
			memcpy((char *)l + fields[i].member, &entry->address, sizeof(uint64_t));
			return 0;
		}
		if (entry->offset > OFFSET_MAX)
			return -EBADMSG;
		*member_at(l, fields[i].member) = (uint32_t)entry->offset;
	}
	return 0;
}

static bool has_type(const char *type)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (strcmp(fields[i].type, type) == 0)
			return true;
	return false;
}

static int read_structs(struct pages *p, uint64_t table, struct hotspot_layout *l)
{
	char type[NAME_BYTES] = "", field[NAME_BYTES];
	uint64_t last = 0;
	for (unsigned int i = 0; i < ENTRIES_MAX; i++) {
		struct struct_entry entry;
		int r = read_by_pages(p, table + i * sizeof(entry), &entry, sizeof(entry));
		if (r < 0 || entry.type == 0)
			return r;
		if (entry.type != last)
			read_name(p, entry.type, type);
		last = entry.type;
		if (!has_type(type))
			continue;
		read_name(p, entry.field, field);
		r = take_field(&entry, type, field, l);
		if (r < 0)
			return r;
	}
	return -EBADMSG;
}

static int read_types(struct pages *p, uint64_t table, struct hotspot_layout *l)
{
	char type[NAME_BYTES];
	for (unsigned int i = 0; i < ENTRIES_MAX; i++) {
		struct type_entry entry;
		const int r = read_by_pages(p, table + i * sizeof(entry), &entry, sizeof(entry));
		if (r < 0 || entry.type == 0)
			return r;
		read_name(p, entry.type, type);
		for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
			if (strcmp(sizes[k].type, type) != 0)
				continue;
			if (entry.bytes > OFFSET_MAX)
				return -EBADMSG;
			*member_at(l, sizes[k].member) = (uint32_t)entry.bytes;
		}
	}
	return -EBADMSG;
}

static bool is_whole(struct hotspot_layout *l)
{
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		const bool has_other =
			needed[i][1] != 0 && *member_at(l, needed[i][1]) != HOTSPOT_ABSENT;
		if (*member_at(l, needed[i][0]) == HOTSPOT_ABSENT && !has_other)
			return false;
	}
	if (l->heap_list == 0)
		return l->heap != 0;
	return l->array_length != HOTSPOT_ABSENT && l->array_items != HOTSPOT_ABSENT;
}

int hotspot_layout_read(const struct hotspot_tables *tables, struct memory_reader memory,
			struct hotspot_layout *ret)
{
	struct hotspot_layout layout;
	uint64_t structs = 0, types = 0;
	_cleanup_free_ struct pages *pages = calloc(1, sizeof(*pages));
	if (pages == NULL)
		return -ENOMEM;
	pages->memory = memory;
	memset(&layout, 0xff, sizeof(layout));
	layout.heap_list = layout.heap = 0;
	int r = read_by_pages(pages, tables->structs, &structs, sizeof(structs));
	if (r >= 0)
		r = read_by_pages(pages, tables->types, &types, sizeof(types));
	if (r >= 0)
		r = read_structs(pages, structs, &layout);
	if (r >= 0)
		r = read_types(pages, types, &layout);
	if (r >= 0 && !is_whole(&layout))
		r = -EBADMSG;
	if (r >= 0)
		*ret = layout;
	return r < 0 ? r : 0;
}
