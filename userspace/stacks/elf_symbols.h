/* SPDX-License-Identifier: MIT */
/* Symbol tables of ELF files, gone through in pieces for the places that are asked for. */
#ifndef USERSPACE_STACKS_ELF_SYMBOLS_H
#define USERSPACE_STACKS_ELF_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libelf.h>

#include "userspace/base/arena.h"
#include "userspace/stacks/symbols.h"

/* An open ELF file, or one in memory. */
struct elf_image {
	Elf *elf;
	int fd;		     /* -1: in memory */
	bool is_mapped;	     /* takes no memory of ours */
	const uint8_t *data; /* then these */
	size_t n;
};

/* All of it or nothing. */
bool elf_image_read(const struct elf_image *image, uint64_t offset, void *ret, size_t n);
/* The section of that name with content; NULL: it has none. */
Elf64_Shdr *elf_image_section(const struct elf_image *image, const char *wanted);

struct symbol_search {
	const struct code_place *places; /* sorted by offset */
	size_t n;
	const char **names; /* for each place; as the file has it. NULL: not found yet */
	struct arena *names_arena;
	uint64_t until_ns; /* CLOCK_MONOTONIC: no longer than that */
};

bool symbol_search_is_late(const struct symbol_search *s);

/* The first place at or behind @address; n: none. */
size_t symbol_search_from(const struct symbol_search *s, uint64_t address);

/* Looks in the table of @type (SHT_SYMTAB, SHT_DYNSYM) for places that have no name yet. @is_whole: the
 * table has all functions, so that a symbol of size 0 covers what lies up to the next one.
 * 0, also when there is no such table or no time to see all of it, or -ENOMEM. */
int elf_symbols_find(const struct elf_image *image, uint32_t type, bool is_whole,
		     const struct symbol_search *search);

/* The symbol called @name in .dynsym; false: there is none. */
bool elf_symbol_named(const struct elf_image *image, const char *name, Elf64_Sym *ret);

#endif
