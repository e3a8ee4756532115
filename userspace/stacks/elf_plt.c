/* SPDX-License-Identifier: MIT */
/* A stub is "jmp *SLOT(%rip)", with or without something around it, and aligned to its size. */
#include "userspace/stacks/elf_plt.h"

#include <string.h>

enum { STUB = 16, SMALL_STUB = 8, SYMBOL_MAX = 512 };
#define RELOCATIONS_MAX ((uint64_t)4 << 20) /* bytes; libLLVM has 0.3 MB for its stubs */

static bool read_slot(const struct elf_image *image, const Elf64_Shdr *section, uint64_t address,
		      uint64_t *ret)
{
	enum { LENGTH = 6 };
	const uint64_t size = section->sh_entsize == SMALL_STUB ? SMALL_STUB : STUB;
	const uint64_t start = (address - section->sh_addr) / size * size;
	uint8_t code[STUB];
	int32_t distance;
	if (section->sh_size - start < size ||
	    !elf_image_read(image, section->sh_offset + start, code, size))
		return false;
	for (size_t i = 0; i + LENGTH <= size; i++) {
		if (code[i] != 0xff || code[i + 1] != 0x25)
			continue;
		memcpy(&distance, code + i + 2, sizeof(distance));
		*ret = section->sh_addr + start + i + LENGTH + (uint64_t)(int64_t)distance;
		return true;
	}
	return false;
}

/* The name of symbol @index of the table that the relocations' section names. */
static const char *read_symbol(const struct elf_image *image, const Elf64_Shdr *relocations,
			       uint64_t index, const struct symbol_search *search)
{
	static const char suffix[] = "@plt";
	char name[SYMBOL_MAX];
	Elf64_Sym symbol;
	Elf_Scn *table = elf_getscn(image->elf, relocations->sh_link);
	const Elf64_Shdr *symbols = table != NULL ? elf64_getshdr(table) : NULL;
	Elf_Scn *text = symbols != NULL ? elf_getscn(image->elf, symbols->sh_link) : NULL;
	const Elf64_Shdr *strings = text != NULL ? elf64_getshdr(text) : NULL;
	if (strings == NULL || index == 0 || index >= symbols->sh_size / sizeof(symbol) ||
	    !elf_image_read(image, symbols->sh_offset + index * sizeof(symbol), &symbol,
			    sizeof(symbol)) ||
	    symbol.st_name >= strings->sh_size)
		return NULL;
	const uint64_t left = strings->sh_size - symbol.st_name;
	const size_t room = sizeof(name) - sizeof(suffix);
	const size_t n = left < room ? (size_t)left : room;
	if (!elf_image_read(image, strings->sh_offset + symbol.st_name, name, n))
		return NULL;
	const size_t length = strnlen(name, n);
	memcpy(name + length, suffix, sizeof(suffix));
	return length > 0 ? arena_intern(search->names_arena, name) : NULL;
}

static const char *name_of_slot(const struct elf_image *image, uint64_t slot,
				const struct symbol_search *search)
{
	for (Elf_Scn *section = NULL; (section = elf_nextscn(image->elf, section)) != NULL;) {
		const Elf64_Shdr *header = elf64_getshdr(section);
		if (header == NULL || header->sh_type != SHT_RELA ||
		    header->sh_size > RELOCATIONS_MAX)
			continue;
		const Elf_Data *data = elf_getdata(section, NULL);
		const Elf64_Rela *all = data != NULL ? data->d_buf : NULL;
		for (size_t i = 0; all != NULL && i < data->d_size / sizeof(*all); i++)
			if (all[i].r_offset == slot)
				return read_symbol(image, header, ELF64_R_SYM(all[i].r_info),
						   search);
	}
	return NULL;
}

void elf_plt_find(const struct elf_image *image, const struct symbol_search *search)
{
	size_t names = 0;
	if (elf_getshdrstrndx(image->elf, &names) < 0)
		return;
	for (Elf_Scn *section = NULL; (section = elf_nextscn(image->elf, section)) != NULL;) {
		const Elf64_Shdr *header = elf64_getshdr(section);
		const char *name =
			header != NULL ? elf_strptr(image->elf, names, header->sh_name) : NULL;
		if (name == NULL || strncmp(name, ".plt", 4) != 0 ||
		    header->sh_type != SHT_PROGBITS)
			continue;
		for (size_t i = symbol_search_from(search, header->sh_addr);
		     i < search->n &&
		     search->places[i].offset - header->sh_addr < header->sh_size &&
		     !symbol_search_is_late(search);
		     i++) {
			uint64_t slot;
			if (search->names[i] == NULL &&
			    read_slot(image, header, search->places[i].offset, &slot))
				search->names[i] = name_of_slot(image, slot, search);
		}
	}
}
