/* SPDX-License-Identifier: MIT */
/* Symbol tables, packed ones, stubs, debug information that somebody made up: a name is text of that
 * file, and the search comes to its end. The first byte says what the rest is: a table of symbols and,
 * from as many times 24 bytes on, its strings; .gnu_debugdata; a name; or a whole file. */

#include <errno.h>

#include "tests/fuzz/elf_around.h"
#include "tests/fuzz/fuzzing.h"
#include "userspace/base/units.h"
#include "userspace/stacks/demangle.h"
#include "userspace/stacks/symbols.h"

enum { PLACES = 64 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	elf_begin_file();
	return 0;
}

static void write_table(uint32_t type, size_t n_symbols, const uint8_t *data, size_t n)
{
	const size_t n_table =
		n_symbols * sizeof(Elf64_Sym) < n ? n_symbols * sizeof(Elf64_Sym) : n;
	const struct elf_part parts[] = {
		{ .name = ".symtab",
		  .type = type,
		  .link = 3,
		  .entry_size = sizeof(Elf64_Sym),
		  .data = data,
		  .n = n_table },
		{ .name = ".strtab", .type = SHT_STRTAB, .data = data + n_table, .n = n - n_table },
	};
	elf_write(parts, 2);
}

static void check_name(const uint8_t *data, size_t n)
{
	char name[MANGLED_MAX + 2];
	struct buf readable = { .limit = 1 << 20 };
	n = n < sizeof(name) - 1 ? n : sizeof(name) - 1;
	memcpy(name, data, n);
	name[n] = '\0';
	if (demangle(name, &readable) < 0)
		abort();
	buf_done(&readable);
}

static int check_found(void *user, const struct code_function *f)
{
	size_t *n = user;
	if (f->name == NULL || f->name[0] == '\0' || f->id >= PLACES || ++*n > PLACES * 64)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 1 << 18)
		return 0;
	const struct elf_part packed = {
		.name = ".gnu_debugdata", .type = SHT_PROGBITS, .data = data + 1, .n = size - 1
	};
	switch (data[0] % 8) {
	case 0:
		write_table(SHT_SYMTAB, data[0] / 8, data + 1, size - 1);
		break;
	case 1:
		write_table(SHT_DYNSYM, data[0] / 8, data + 1, size - 1);
		break;
	case 2:
		elf_write(&packed, 1);
		break;
	case 3:
		check_name(data + 1, size - 1);
		return 0;
	default:
		elf_write_raw(data + 1, size - 1);
	}
	struct modules *modules = modules_new();
	struct module *module = modules != NULL ? elf_module(modules) : NULL;
	struct code_place places[PLACES];
	size_t n = 0;
	for (uint32_t i = 0; i < PLACES; i++)
		places[i] = (struct code_place){ .offset = ELF_TEXT + (uint64_t)i * i, .id = i };
	const int r = module != NULL ? symbols_find(modules, module, places, PLACES, NS_PER_S,
						    check_found, &n)
				     : -ENOMEM;
	if (r < 0 && r != -ETIME)
		abort();
	modules_free(modules);
	return 0;
}
