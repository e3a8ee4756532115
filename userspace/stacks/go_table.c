/* SPDX-License-Identifier: MIT */
/* Everything is read from the file where it lies; what leads out of the section ends the search. */
#include "userspace/stacks/go_table.h"

#include <string.h>

#include "userspace/stacks/elf_symbols.h"
#include "userspace/stacks/module_file.h"

enum {
	FUNCTIONS_MAX = 1 << 24,
	GROWTH_BYTES_MAX = 16 << 10, /* of one function; more than a few hundred has none */
	GROWTH_MAX = 64 << 20,
	PIECE = 128,
};

struct header {
	uint32_t magic;
	uint8_t zero[2], least_instruction, pointer_size;
	uint64_t n_functions, n_files, text, names, units, files, growth, functions;
};
_Static_assert(sizeof(struct header) == 72, "as it lies in the file");

struct entry { /* the last one is only an end */
	uint32_t start, function;
};

/* Members of a function, in words of 32 bits. */
enum { WORD_NAME = 1, WORD_GROWTH = 4, WORD_FLAGS = 9, N_WORDS = 11 };

#define MAGIC_1_18 0xfffffff0u
#define MAGIC_1_20 0xfffffff1u

static bool read_at(const struct module_file *f, uint64_t offset, void *ret, size_t n)
{
	const struct go_table *t = &f->go;
	return offset <= t->size && n <= t->size - offset &&
	       module_file_read(f, t->address + offset, ret, n) == n;
}

static bool read_entry(const struct module_file *f, uint64_t i, struct entry *ret)
{
	return read_at(f, f->go.functions + i * sizeof(*ret), ret, sizeof(*ret));
}

/* ---- the table ---- */

static const Elf64_Shdr *find_section(Elf *elf, const char *wanted, const char *also)
{
	size_t names = 0;
	if (elf_getshdrstrndx(elf, &names) < 0)
		return NULL;
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;) {
		const Elf64_Shdr *header = elf64_getshdr(section);
		const char *name = header != NULL ? elf_strptr(elf, names, header->sh_name) : NULL;
		if (name != NULL && (strcmp(name, wanted) == 0 || strcmp(name, also) == 0))
			return header;
	}
	return NULL;
}

/* Where the table does not tell: the whole section of code, if a function begins at the entry. */
static bool guess_text(struct module_file *f)
{
	const Elf64_Shdr *text = find_section(f->elf, ".text", ".text");
	struct go_function entry;
	f->go.text = text != NULL ? text->sh_addr : 0;
	return go_function_find(f, f->entry, &entry) && entry.start == f->entry;
}

static bool read_table(struct module_file *f, const Elf64_Shdr *section)
{
	struct header h;
	f->go = (struct go_table){ .address = section->sh_addr, .size = section->sh_size };
	if (!read_at(f, 0, &h, sizeof(h)) || (h.magic != MAGIC_1_18 && h.magic != MAGIC_1_20) ||
	    h.pointer_size != sizeof(uint64_t) || h.least_instruction != 1 ||
	    h.n_functions > FUNCTIONS_MAX || h.names > section->sh_size ||
	    h.growth > section->sh_size || h.functions > section->sh_size)
		return false;
	f->go.n_functions = h.n_functions;
	f->go.names = h.names;
	f->go.growth = h.growth;
	f->go.functions = h.functions;
	f->go.has_start_line = h.magic == MAGIC_1_20;
	f->go.text = h.text;
	return h.text != 0 || guess_text(f);
}

void go_table_open(struct module_file *f)
{
	const Elf64_Shdr *section = find_section(f->elf, ".gopclntab", ".data.rel.ro.gopclntab");
	f->is_go = section != NULL;
	if (!f->is_go || !read_table(f, section))
		f->go = (struct go_table){ .n_functions = 0 };
}

/* ---- one function ---- */

static bool read_function(const struct module_file *f, const struct entry *entry, uint64_t end,
			  struct go_function *ret)
{
	uint32_t words[N_WORDS];
	const struct go_table *t = &f->go;
	if (!read_at(f, t->functions + entry->function, words, sizeof(words)) ||
	    words[0] != entry->start)
		return false;
	*ret = (struct go_function){
		.start = t->text + entry->start,
		.end = end,
		.name = words[WORD_NAME],
		.growth = words[WORD_GROWTH],
		.flags = (uint8_t)(words[WORD_FLAGS + t->has_start_line] >> 8),
	};
	return true;
}

bool go_function_find(const struct module_file *f, uint64_t address, struct go_function *ret)
{
	const uint64_t wanted = address - f->go.text; /* of one below it, too large */
	struct entry entry;
	uint64_t low = 0, high = f->go.n_functions;
	while (low < high) { /* the first that begins behind it */
		const uint64_t middle = low + (high - low) / 2;
		if (!read_entry(f, middle, &entry))
			return false;
		if (entry.start <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	uint32_t end = 0;
	if (low == 0 || !read_entry(f, low - 1, &entry) ||
	    !read_at(f, f->go.functions + low * sizeof(entry), &end, sizeof(end)))
		return false;
	return wanted >= entry.start && wanted < end &&
	       read_function(f, &entry, f->go.text + end, ret);
}

/* ---- how far the stack grew ---- */

struct bytes {
	const struct module_file *f;
	uint64_t offset; /* of what comes behind the piece */
	uint8_t piece[PIECE];
	size_t n, at, n_left;
};

static int next_byte(struct bytes *b)
{
	if (b->at == b->n) {
		const struct go_table *t = &b->f->go;
		const uint64_t left = b->offset < t->size ? t->size - b->offset : 0;
		b->n = left < PIECE ? (size_t)left : PIECE;
		b->at = 0;
		if (b->n == 0 || b->n_left < PIECE || !read_at(b->f, b->offset, b->piece, b->n))
			return -1;
		b->offset += b->n;
		b->n_left -= PIECE;
	}
	return b->piece[b->at++];
}

static bool next_number(struct bytes *b, uint32_t *ret)
{
	uint32_t number = 0;
	for (unsigned int shift = 0; shift < 32; shift += 7) {
		const int byte = next_byte(b);
		if (byte < 0)
			return false;
		number |= (uint32_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret = number;
			return true;
		}
	}
	return false;
}

/* Pairs: by how much more, sign in the lowest bit; for how many bytes of code. */
int32_t go_function_growth(const struct module_file *f, const struct go_function *function,
			   uint64_t address)
{
	struct bytes b = { .f = f,
			   .offset = f->go.growth + function->growth,
			   .n_left = GROWTH_BYTES_MAX };
	uint64_t pc = function->start;
	int32_t growth = -1;
	uint32_t change, length;
	if (function->growth == 0)
		return -1;
	while (pc <= address) {
		if (!next_number(&b, &change) || (change == 0 && pc > function->start) ||
		    !next_number(&b, &length) || length == 0)
			return -1;
		growth = (int32_t)((uint32_t)growth + ((change >> 1) ^ -(change & 1)));
		pc += length;
	}
	return growth >= 0 && growth <= GROWTH_MAX ? growth : -1;
}

void go_function_name(const struct module_file *f, const struct go_function *function,
		      char ret[static GO_NAME_MAX])
{
	const struct go_table *t = &f->go;
	const uint64_t offset = t->names + function->name;
	const uint64_t left = offset < t->size ? t->size - offset : 0;
	const size_t n = left < GO_NAME_MAX ? (size_t)left : GO_NAME_MAX;
	memset(ret, 0, GO_NAME_MAX);
	if (!read_at(f, offset, ret, n))
		ret[0] = '\0';
	ret[GO_NAME_MAX - 1] = '\0';
}

void go_names_find(const struct module_file *f, const struct symbol_search *search)
{
	struct go_function function = { .end = 0 };
	char name[GO_NAME_MAX] = "";
	for (size_t i = 0; i < search->n && f->go.n_functions > 0; i++) {
		const uint64_t at = search->places[i].offset;
		if (search->names[i] != NULL)
			continue;
		if (at < function.start || at >= function.end) {
			if (!go_function_find(f, at, &function))
				continue;
			go_function_name(f, &function, name);
		}
		if (name[0] != '\0')
			search->names[i] = arena_intern(search->names_arena, name);
	}
}
