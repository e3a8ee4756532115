/* SPDX-License-Identifier: MIT */
/* First the names are looked for in the string table, which has each once, then the symbols that have
 * them. Both are read in pieces, once, so a large program costs a millisecond or two. */
#include "preload/image_symbols.h"

#include <elf.h>
#include <stdbool.h>

#include "preload/sys.h"

enum {
	PIECE = 16 << 10, /* on the first thread's stack, before main */
	MAX_SECTIONS = 256,
	/* A program of half a million functions has no more; beyond it nothing is looked for. */
	MAX_TABLE = 64 << 20,
	MAX_PLACES = 4, /* of one name: the end of a longer one may be the same text */
};

struct search {
	int fd;
	struct image_names *names;
	uint64_t symbols, n_symbols, strings, n_strings;
	size_t lengths[IMAGE_NAMES]; /* of the names; 0: no more */
	uint32_t places[IMAGE_NAMES][MAX_PLACES];
	uint32_t n_places[IMAGE_NAMES];
};

static long read_some(int fd, void *to, size_t n, uint64_t at)
{
	return at > INT64_MAX ? -1 : sys_call4(SYS_pread64, fd, (long)to, (long)n, (long)at);
}

static bool section_at(const struct search *s, const Elf64_Ehdr *e, unsigned int i, Elf64_Shdr *ret)
{
	uint64_t at;

	return i < e->e_shnum && !__builtin_add_overflow(e->e_shoff, i * sizeof(*ret), &at) &&
	       read_some(s->fd, ret, sizeof(*ret), at) == (long)sizeof(*ret);
}

static bool find_tables(struct search *s)
{
	Elf64_Ehdr e;
	Elf64_Shdr table, strings;

	if (read_some(s->fd, &e, sizeof(e), 0) != (long)sizeof(e) || e.e_shnum > MAX_SECTIONS ||
	    e.e_shentsize != sizeof(table))
		return false;
	for (unsigned int i = 0; i < e.e_shnum; i++) {
		if (!section_at(s, &e, i, &table))
			return false;
		if (table.sh_type != SHT_SYMTAB)
			continue;
		if (!section_at(s, &e, table.sh_link, &strings) || table.sh_size > MAX_TABLE ||
		    strings.sh_size > MAX_TABLE)
			return false;
		s->symbols = table.sh_offset;
		s->n_symbols = table.sh_size / sizeof(Elf64_Sym);
		s->strings = strings.sh_offset;
		s->n_strings = strings.sh_size;
		return true;
	}
	return false;
}

/* Whether @name ends where @end is, which is a NUL. */
static bool ends_with(const char *end, const char *name, size_t n)
{
	for (size_t i = 1; i <= n; i++)
		if (end[-(ptrdiff_t)i] != name[n - i])
			return false;
	return true;
}

/* Ends are looked for, of which there are fewer than places at which a name could begin. */
static void note_names(struct search *s, const char *end, uint64_t offset)
{
	for (int i = 0; i < IMAGE_NAMES && s->lengths[i] > 0; i++)
		if (s->n_places[i] < MAX_PLACES && offset >= s->lengths[i] &&
		    ends_with(end, s->names->names[i], s->lengths[i]))
			s->places[i][s->n_places[i]++] = (uint32_t)(offset - s->lengths[i]);
}

static __attribute__((noinline)) void find_names(struct search *s)
{
	/* In front of each piece is the end of the one before. */
	char text[IMAGE_NAME_SIZE + PIECE] = { 0 };
	char *piece = text + IMAGE_NAME_SIZE;

	for (uint64_t at = 0; at < s->n_strings; at += PIECE) {
		const uint64_t left = s->n_strings - at;
		const long n =
			read_some(s->fd, piece, left < PIECE ? left : PIECE, s->strings + at);
		for (long i = 0; i < n; i++)
			if (piece[i] == '\0')
				note_names(s, &piece[i], at + (uint64_t)i);
		if (n != PIECE)
			return;
		copy_bytes(text, piece + PIECE - IMAGE_NAME_SIZE, IMAGE_NAME_SIZE);
	}
}

static void note_symbol(struct search *s, const Elf64_Sym *symbol)
{
	if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF ||
	    symbol->st_name == 0)
		return;
	for (int i = 0; i < IMAGE_NAMES; i++)
		for (uint32_t k = 0; k < s->n_places[i]; k++)
			if (s->places[i][k] == symbol->st_name)
				s->names->values[i] = symbol->st_value;
}

static __attribute__((noinline)) void find_symbols(struct search *s)
{
	Elf64_Sym piece[PIECE / sizeof(Elf64_Sym)];
	const uint64_t most = sizeof(piece) / sizeof(piece[0]);

	for (uint64_t at = 0; at < s->n_symbols; at += most) {
		const uint64_t left = s->n_symbols - at;
		const size_t want = (left < most ? left : most) * sizeof(piece[0]);
		const long n = read_some(s->fd, piece, want, s->symbols + at * sizeof(piece[0]));
		if (n != (long)want)
			return;
		for (size_t i = 0; i < want / sizeof(piece[0]); i++)
			note_symbol(s, &piece[i]);
	}
}

void image_symbols_find(int fd, struct image_names *names)
{
	struct search s = { .fd = fd, .names = names };

	if (!find_tables(&s))
		return;
	for (int i = 0; i < IMAGE_NAMES && names->names[i] != NULL; i++)
		s.lengths[i] = text_length(names->names[i]);
	find_names(&s);
	for (int i = 0; i < IMAGE_NAMES; i++) {
		if (s.n_places[i] == 0)
			continue;
		find_symbols(&s);
		return;
	}
}
