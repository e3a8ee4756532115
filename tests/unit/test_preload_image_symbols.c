/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload/image_symbols.h"
#include "tests/unit/cmocka.h"

enum { SYMBOLS = 3, STRINGS = 20000, RANDOM_ROUNDS = 997 };

/* A file of nothing but a symbol table: three functions, whose names lie where a piece ends. */
struct file {
	Elf64_Ehdr head;
	Elf64_Shdr sections[3];
	Elf64_Sym symbols[SYMBOLS];
	char strings[STRINGS];
};

static Elf64_Sym function(uint32_t name, uint64_t value)
{
	return (Elf64_Sym){ .st_name = name,
			    .st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC),
			    .st_shndx = 1,
			    .st_value = value };
}

static struct file *new_file(void)
{
	struct file *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->head.e_shoff = offsetof(struct file, sections);
	f->head.e_shentsize = sizeof(Elf64_Shdr);
	f->head.e_shnum = 3;
	f->sections[1] = (Elf64_Shdr){ .sh_type = SHT_SYMTAB,
				       .sh_offset = offsetof(struct file, symbols),
				       .sh_size = sizeof(f->symbols),
				       .sh_link = 2 };
	f->sections[2] = (Elf64_Shdr){ .sh_type = SHT_STRTAB,
				       .sh_offset = offsetof(struct file, strings),
				       .sh_size = sizeof(f->strings) };
	memcpy(f->strings + 1, "je_mallctl", 11);
	memcpy(f->strings + (16 << 10) - 3, "mallctlbymib", 13);
	memcpy(f->strings + STRINGS - 11, "tc_version", 11);
	f->symbols[0] = function(4, 0x1000); /* the end of a longer name */
	f->symbols[1] = function((16 << 10) - 3, 0x2000);
	f->symbols[2] = function(STRINGS - 11, 0x3000);
	return f;
}

static void find_in(const void *bytes, size_t n, struct image_names *names)
{
	const int fd = memfd_create("program", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	image_symbols_find(fd, names);
	(void)close(fd);
}

static struct image_names wanted(void)
{
	return (struct image_names){ .names = { "mallctl", "mallctlbymib", "tc_version",
						"mi_version" } };
}

static void functions_are_found_by_name(void **state)
{
	(void)state;
	struct file *f = new_file();
	struct image_names names = wanted();

	find_in(f, sizeof(*f), &names);
	assert_int_equal(names.values[0], 0x1000);
	assert_int_equal(names.values[1], 0x2000);
	assert_int_equal(names.values[2], 0x3000);
	assert_int_equal(names.values[3], 0);
	free(f);
}

static void what_is_no_function_here_is_not_taken(void **state)
{
	(void)state;
	struct file *f = new_file();
	struct image_names names = wanted();

	f->symbols[0].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
	f->symbols[1].st_shndx = SHN_UNDEF;
	/* Neither "tc_version2" nor "tc_versio". */
	f->strings[STRINGS - 1] = '2';
	find_in(f, sizeof(*f), &names);
	for (int i = 0; i < 4; i++)
		assert_int_equal(names.values[i], 0);
	free(f);
}

static void a_damaged_file_harms_nobody(void **state)
{
	(void)state;
	struct file *f = new_file();

	srand(1);
	for (int round = 0; round < RANDOM_ROUNDS; round++) {
		struct file *damaged = malloc(sizeof(*f));
		struct image_names names = wanted();
		assert_non_null(damaged);
		memcpy(damaged, f, sizeof(*f));
		for (int i = 0; i < 9; i++)
			((unsigned char *)
				 damaged)[(size_t)rand() % offsetof(struct file, strings)] =
				(unsigned char)rand();
		find_in(damaged, round % 2 == 0 ? sizeof(*f) : (size_t)rand() % sizeof(*f), &names);
		free(damaged);
	}
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_found_by_name),
		cmocka_unit_test(what_is_no_function_here_is_not_taken),
		cmocka_unit_test(a_damaged_file_harms_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
