/* SPDX-License-Identifier: MIT */
/* Go's table of functions, made up: each address is in one of them or in none, the stack has grown by something
 * sensible there or nothing is told, and a name ends. */

#include "tests/fuzz/elf_around.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/walk.h"
#include "userspace/stacks/module_file.h"
#include "userspace/stacks/row_make.h"

enum { PLACES = 64 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	elf_begin_file();
	return 0;
}

static void check_place(const struct module_file *f, uint64_t address)
{
	struct go_function function;
	char name[GO_NAME_MAX];
	if (!go_function_find(f, address, &function))
		return;
	if (address < function.start || address >= function.end)
		abort();
	if (go_function_growth(f, &function, address) < -1)
		abort();
	go_function_name(f, &function, name);
	if (strnlen(name, GO_NAME_MAX) == GO_NAME_MAX)
		abort();
}

/* Then much of it is behind a call, where the rows of some functions are others. */
static void fill_with_calls(void)
{
	static uint8_t calls[ELF_TEXT_SIZE];
	for (size_t i = 0; i < sizeof(calls); i++)
		calls[i] = i % 2 == 0 ? 0xff : 0xd0; /* call *%rax */
	const int fd = open(elf_path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, calls, sizeof(calls), ELF_TEXT) != (ssize_t)sizeof(calls))
		abort();
	(void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct elf_part table = {
		.name = ".gopclntab", .type = SHT_PROGBITS, .data = data, .n = size
	};
	if (size > 1 << 18)
		return 0;
	elf_write(&table, 1);
	fill_with_calls();
	struct modules *modules = modules_new();
	struct module *module = modules != NULL ? elf_module(modules) : NULL;
	if (module == NULL)
		abort();
	const struct module_file *f = modules_look(modules, module, 0, 0, 0);
	for (uint64_t i = 0; f != NULL && i < PLACES; i++) {
		struct row row;
		const uint64_t address = ELF_TEXT + i * ELF_TEXT_SIZE / PLACES;
		check_place(f, address);
		row_make(modules, module, address, false, 0, &row);
		if (!(row.flags & (ROW_NONE | ROW_END | ROW_CONTEXT)) &&
		    row.cfa_register > REGISTER_RIP)
			abort();
	}
	if (size % 4 == 0)
		fuzz_walk(modules, module, data, size);
	modules_free(modules);
	return 0;
}
