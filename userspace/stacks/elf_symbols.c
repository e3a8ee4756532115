/* SPDX-License-Identifier: MIT */
/* For each place the best symbol so far is kept, and its name is read when all have been seen. */
#include "userspace/stacks/elf_symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/clock.h"

enum {
	CHUNK = 4096,
	NAME_MAX_BYTES = 4096,
	STRINGS_MAX = 8 << 20, /* of a table that is searched for a name … */
	NAMED_MAX = 1 << 20,   /* … symbols there, and places where the name is found */
	PLACES_MAX = 8,
};
#define WORK_MAX ((uint64_t)64 << 20) /* places looked at; symbols may lie over each other */

/* The symbol that a place has so far. */
struct candidate {
	uint64_t start;
	uint32_t name; /* in the table of strings; 0: none yet */
	uint8_t rank;
	bool is_sized;
};

struct table {
	const struct elf_image *image;
	const struct symbol_search *search;
	Elf64_Shdr symbols;
	Elf64_Shdr strings;
	struct candidate *covering; /* per place: a symbol whose size says that it covers it */
	struct candidate *
		nearest; /* per place: of all that begin between the place before and it, the last */
	uint64_t work;
};

bool elf_image_read(const struct elf_image *image, uint64_t offset, void *ret, size_t n)
{
	if (image->fd >= 0)
		return offset <= INT64_MAX && pread(image->fd, ret, n, (off_t)offset) == (ssize_t)n;
	if (offset > image->n || n > image->n - offset)
		return false;
	memcpy(ret, image->data + offset, n);
	return true;
}

Elf64_Shdr *elf_image_section(const struct elf_image *image, const char *wanted)
{
	size_t names = 0;
	if (elf_getshdrstrndx(image->elf, &names) < 0)
		return NULL;
	for (Elf_Scn *section = NULL; (section = elf_nextscn(image->elf, section)) != NULL;) {
		Elf64_Shdr *header = elf64_getshdr(section);
		const char *name =
			header != NULL ? elf_strptr(image->elf, names, header->sh_name) : NULL;
		if (name != NULL && header->sh_type != SHT_NOBITS && strcmp(name, wanted) == 0)
			return header;
	}
	return NULL;
}

static bool find_table(struct table *t, uint32_t type)
{
	for (Elf_Scn *section = NULL; (section = elf_nextscn(t->image->elf, section)) != NULL;) {
		const Elf64_Shdr *header = elf64_getshdr(section);
		if (header == NULL || header->sh_type != type ||
		    header->sh_entsize != sizeof(Elf64_Sym))
			continue;
		Elf_Scn *strings = elf_getscn(t->image->elf, header->sh_link);
		const Elf64_Shdr *strings_header = strings != NULL ? elf64_getshdr(strings) : NULL;
		if (strings_header == NULL)
			return false;
		t->symbols = *header;
		t->strings = *strings_header;
		return true;
	}
	return false;
}

bool symbol_search_is_late(const struct symbol_search *s)
{
	return clock_ns(CLOCK_MONOTONIC) > s->until_ns;
}

size_t symbol_search_from(const struct symbol_search *s, uint64_t address)
{
	size_t low = 0, high = s->n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (s->places[middle].offset < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Of several names of one place the one that others use. */
static uint8_t rank_of(const Elf64_Sym *symbol)
{
	switch (ELF64_ST_BIND(symbol->st_info)) {
	case STB_GLOBAL:
		return 3;
	case STB_WEAK:
		return 2;
	default:
		return 1;
	}
}

static bool is_better(const struct candidate *candidate, const struct candidate *than)
{
	if (than->name == 0 || candidate->start != than->start)
		return than->name == 0 || candidate->start > than->start;
	return candidate->is_sized != than->is_sized ? candidate->is_sized
						     : candidate->rank > than->rank;
}

static bool is_code(const Elf64_Sym *symbol)
{
	const unsigned int type = ELF64_ST_TYPE(symbol->st_info);
	return symbol->st_name != 0 && symbol->st_shndx != SHN_UNDEF &&
	       (symbol->st_shndx < SHN_LORESERVE || symbol->st_shndx == SHN_XINDEX) &&
	       (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE);
}

static void consider(struct table *t, const Elf64_Sym *symbol)
{
	const struct symbol_search *s = t->search;
	if (!is_code(symbol))
		return;
	const struct candidate candidate = { .start = symbol->st_value,
					     .name = symbol->st_name,
					     .rank = rank_of(symbol),
					     .is_sized = symbol->st_size > 0 };
	const size_t first = symbol_search_from(s, symbol->st_value);
	if (first == s->n)
		return;
	if (is_better(&candidate, &t->nearest[first]))
		t->nearest[first] = candidate;
	for (size_t i = first; i < s->n && s->places[i].offset - symbol->st_value < symbol->st_size;
	     i++, t->work++)
		if (is_better(&candidate, &t->covering[i]))
			t->covering[i] = candidate;
}

/* Whether all symbols were seen. */
static bool read_symbols(struct table *t)
{
	Elf64_Sym chunk[CHUNK];
	const uint64_t n = t->symbols.sh_size / sizeof(*chunk);
	for (uint64_t i = 0; i < n;) {
		const uint64_t now = n - i < CHUNK ? n - i : CHUNK;
		if (symbol_search_is_late(t->search) || t->work > WORK_MAX ||
		    !elf_image_read(t->image, t->symbols.sh_offset + i * sizeof(*chunk), chunk,
				    now * sizeof(*chunk)))
			return false;
		for (uint64_t k = 0; k < now; k++)
			consider(t, &chunk[k]);
		i += now;
	}
	return true;
}

/* Where the section ends that @address is in; 0: in none. */
static uint64_t section_end(const struct table *t, uint64_t address)
{
	for (Elf_Scn *section = NULL; (section = elf_nextscn(t->image->elf, section)) != NULL;) {
		const Elf64_Shdr *header = elf64_getshdr(section);
		if (header != NULL && (header->sh_flags & SHF_EXECINSTR) &&
		    address >= header->sh_addr && address - header->sh_addr < header->sh_size)
			return header->sh_addr + header->sh_size;
	}
	return 0;
}

/* Reads the string at @at of the table. NULL: there is none. */
static const char *read_name(const struct table *t, uint32_t at)
{
	char name[NAME_MAX_BYTES];
	if (at >= t->strings.sh_size)
		return NULL;
	const uint64_t left = t->strings.sh_size - at;
	size_t n = left < sizeof(name) ? (size_t)left : sizeof(name);
	if (!elf_image_read(t->image, t->strings.sh_offset + at, name, n))
		return NULL;
	n = strnlen(name, n);
	/* The version of a symbol stands behind it. */
	const char *version = memchr(name, '@', n);
	if (version != NULL && version > name)
		n = (size_t)(version - name);
	return n > 0 ? arena_internn(t->search->names_arena, name, n) : NULL;
}

/* Of a place that no sized symbol covers: the nearest one before it, if that has no size, and nothing but
 * its section ends it. */
static bool is_covered_by_nearest(const struct table *t, const struct candidate *nearest,
				  uint64_t address)
{
	return nearest->name != 0 && !nearest->is_sized &&
	       section_end(t, nearest->start) == section_end(t, address) &&
	       section_end(t, address) != 0;
}

static void give_names(const struct table *t, bool is_whole)
{
	const struct symbol_search *s = t->search;
	struct candidate nearest = { .name = 0 };
	for (size_t i = 0; i < s->n; i++) {
		if (t->nearest[i].name != 0)
			nearest = t->nearest[i];
		if (s->names[i] != NULL)
			continue;
		if (t->covering[i].name != 0)
			s->names[i] = read_name(t, t->covering[i].name);
		else if (is_whole && is_covered_by_nearest(t, &nearest, s->places[i].offset))
			s->names[i] = read_name(t, nearest.name);
	}
}

int elf_symbols_find(const struct elf_image *image, uint32_t type, bool is_whole,
		     const struct symbol_search *search)
{
	struct table t = { .image = image, .search = search };
	if (!find_table(&t, type))
		return 0;
	_cleanup_free_ struct candidate *candidates = calloc(search->n, 2 * sizeof(*candidates));
	if (candidates == NULL)
		return -ENOMEM;
	t.covering = candidates;
	t.nearest = candidates + search->n;
	/* Where not all were seen, who knows what comes next. */
	const bool all = read_symbols(&t);
	give_names(&t, is_whole && all);
	return 0;
}

/* The first symbol whose name is at @at of the table of strings. */
static bool find_by_string(const struct table *t, uint64_t at, Elf64_Sym *ret)
{
	Elf64_Sym chunk[CHUNK];
	const uint64_t n = t->symbols.sh_size / sizeof(*chunk);
	for (uint64_t i = 0; i < n && i < NAMED_MAX; i += CHUNK) {
		const uint64_t now = n - i < CHUNK ? n - i : CHUNK;
		if (!elf_image_read(t->image, t->symbols.sh_offset + i * sizeof(*chunk), chunk,
				    now * sizeof(*chunk)))
			return false;
		for (uint64_t k = 0; k < now; k++) {
			if (chunk[k].st_name != at || chunk[k].st_shndx == SHN_UNDEF)
				continue;
			*ret = chunk[k];
			return true;
		}
	}
	return false;
}

bool elf_symbol_named(const struct elf_image *image, const char *name, Elf64_Sym *ret)
{
	struct table t = { .image = image };
	const size_t length = strlen(name) + 1;
	if (!find_table(&t, SHT_DYNSYM) || t.strings.sh_size > STRINGS_MAX)
		return false;
	const size_t n = (size_t)t.strings.sh_size;
	_cleanup_free_ char *strings = malloc(n > 0 ? n : 1);
	if (strings == NULL || !elf_image_read(image, t.strings.sh_offset, strings, n))
		return false;
	/* Names may be the ends of others. */
	const char *at = strings;
	for (int i = 0; i < PLACES_MAX; i++, at++) {
		at = memmem(at, n - (size_t)(at - strings), name, length);
		if (at == NULL)
			return false;
		if (find_by_string(&t, (uint64_t)(at - strings), ret))
			return true;
	}
	return false;
}
