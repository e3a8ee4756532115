/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/target_check.h"
#include "tests/unit/cmocka.h"

enum { RANDOM_ROUNDS = 2003, ELF_BYTES = 4096 };

static enum target check_bytes(const void *bytes, size_t n)
{
	const int fd = memfd_create("program", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	const enum target target = target_check(fd, "", NULL);
	(void)close(fd);
	return target;
}

static void the_systems_own_programs_fit(void **state)
{
	(void)state;
	assert_int_equal(target_check(AT_FDCWD, "/bin/true", NULL), TARGET_FITS);
	assert_int_equal(target_check(AT_FDCWD, "/bin/sh", NULL), TARGET_FITS);
	/* The loader, run as a program, preloads. */
	assert_int_equal(target_check(AT_FDCWD, "/lib64/ld-linux-x86-64.so.2", NULL),
			 TARGET_LOADER);
}

static void what_cannot_be_executed_is_left_to_the_kernel(void **state)
{
	(void)state;
	assert_int_equal(target_check(AT_FDCWD, "/nonexistent", NULL), TARGET_FITS);
	assert_int_equal(target_check(AT_FDCWD, "/", NULL), TARGET_FITS);
	assert_int_equal(check_bytes("hello", 5), TARGET_FITS);
	assert_int_equal(check_bytes("\177ELF", 4), TARGET_FITS);
}

static void scripts_are_judged_by_their_interpreter(void **state)
{
	(void)state;
	assert_int_equal(check_bytes("#!/bin/sh\n", 10), TARGET_FITS);
	assert_int_equal(check_bytes("#! \t/bin/sh -e\n", 15), TARGET_FITS);
	assert_int_equal(check_bytes("#!\n", 3), TARGET_FITS);
	assert_int_equal(check_bytes("#!/nonexistent", 14), TARGET_FITS);
}

static Elf64_Ehdr plain_header(void)
{
	Elf64_Ehdr e = { .e_machine = EM_X86_64, .e_type = ET_DYN, .e_phoff = sizeof(e) };

	memcpy(e.e_ident, ELFMAG, SELFMAG);
	e.e_ident[EI_CLASS] = ELFCLASS64;
	return e;
}

static void the_kind_of_program_is_seen(void **state)
{
	(void)state;
	Elf64_Ehdr e = plain_header();

	assert_int_equal(check_bytes(&e, sizeof(e)), TARGET_STATIC);
	e.e_machine = EM_AARCH64;
	assert_int_equal(check_bytes(&e, sizeof(e)), TARGET_FOREIGN);
	e.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(check_bytes(&e, sizeof(e)), TARGET_32BIT);
}

/* A program with an interpreter that needs one library, whose name is at string offset 8. */
static void fill_program(unsigned char *bytes, const char *library)
{
	const Elf64_Ehdr e = plain_header();
	Elf64_Phdr p[3] = { { .p_type = PT_INTERP },
			    { .p_type = PT_LOAD, .p_filesz = ELF_BYTES, .p_memsz = ELF_BYTES },
			    { .p_type = PT_DYNAMIC, .p_offset = 512, .p_filesz = 48 } };
	const Elf64_Dyn d[3] = { { .d_tag = DT_NEEDED, .d_un.d_val = 8 },
				 { .d_tag = DT_STRTAB, .d_un.d_ptr = 1024 },
				 { .d_tag = DT_NULL } };

	memset(bytes, 0, ELF_BYTES);
	memcpy(bytes, &e, sizeof(e));
	((Elf64_Ehdr *)(void *)bytes)->e_phnum = 3;
	memcpy(bytes + sizeof(e), p, sizeof(p));
	memcpy(bytes + 512, d, sizeof(d));
	memcpy(bytes + 1032, library, strlen(library) + 1);
}

static void sanitizer_runtimes_are_seen(void **state)
{
	(void)state;
	_Alignas(8) unsigned char bytes[ELF_BYTES];

	fill_program(bytes, "libasan.so.8");
	assert_int_equal(check_bytes(bytes, sizeof(bytes)), TARGET_SANITIZER);
	fill_program(bytes, "libclang_rt.asan-x86_64.so");
	assert_int_equal(check_bytes(bytes, sizeof(bytes)), TARGET_SANITIZER);
	fill_program(bytes, "libc.so.6");
	assert_int_equal(check_bytes(bytes, sizeof(bytes)), TARGET_FITS);
}

static enum target check_environment(char *variable)
{
	char other[] = "A=libasan.so.8";
	char *const envp[] = { other, variable, NULL };

	char *argv[] = { NULL, NULL };
	const struct execution e = { AT_FDCWD, "/bin/true", argv, envp };
	struct reader reader = { 0 };
	return target_check_exec(&e, &reader, NULL);
}

static void the_environment_may_be_in_the_way(void **state)
{
	(void)state;
	char asan[] = "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libasan.so.8";
	char second[] = "LD_PRELOAD=a.so libclang_rt.asan-x86_64.so";
	char listed[] = "LD_TRACE_LOADED_OBJECTS=1";
	char harmless[] = "LD_PRELOAD=/usr/lib/libas.so:lib";

	assert_int_equal(check_environment(asan), TARGET_SANITIZER);
	assert_int_equal(check_environment(second), TARGET_SANITIZER);
	assert_int_equal(check_environment(listed), TARGET_LISTED);
	assert_int_equal(check_environment(harmless), TARGET_FITS);
}

static enum target check_loader(const char *first, const char *second)
{
	char *argv[] = { (char *)(uintptr_t) "ld.so", (char *)(uintptr_t)first,
			 (char *)(uintptr_t)second, NULL };
	char *none[] = { NULL };
	const struct execution e = { AT_FDCWD, "/lib64/ld-linux-x86-64.so.2", argv, none };
	struct reader reader = { 0 };
	return target_check_exec(&e, &reader, NULL);
}

static void a_loader_that_only_lists_is_told_apart(void **state)
{
	(void)state;
	assert_int_equal(check_loader("--list", "/bin/true"), TARGET_LISTED);
	assert_int_equal(check_loader("--inhibit-cache", "--list-diagnostics"), TARGET_LISTED);
	assert_int_equal(check_loader("--help", NULL), TARGET_LISTED);
	assert_int_equal(check_loader("/bin/ls", "--help"), TARGET_LOADER);
	assert_int_equal(check_loader("--argv0", "--help"), TARGET_LOADER);
}

static void what_cannot_be_read_is_told_apart(void **state)
{
	(void)state;
	char *none[] = { NULL }, *eight[] = { (char *)8, NULL };
	const struct execution bad[] = { { AT_FDCWD, (char *)8, none, none },
					 { AT_FDCWD, "/bin/true", none, (char **)8 },
					 { AT_FDCWD, "/bin/true", none, eight } };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct reader reader = { 0 };
		assert_int_equal(target_check_exec(&bad[i], &reader, NULL), TARGET_UNREADABLE);
	}
}

static void what_is_known_is_not_looked_at_again(void **state)
{
	(void)state;
	struct sl_tree cache = { 0 };
	size_t n = 0;

	assert_int_equal(target_check(AT_FDCWD, "/bin/true", &cache), TARGET_FITS);
	for (size_t i = 0; i < SL_TREE_TARGETS; i++) {
		if (cache.targets[i] == 0)
			continue;
		n++;
		cache.targets[i] = (cache.targets[i] & ~15ull) | TARGET_STATIC;
	}
	assert_int_equal(n, 1);
	assert_int_equal(target_check(AT_FDCWD, "/bin/true", &cache), TARGET_STATIC);
}

static void damaged_programs_do_no_harm(void **state)
{
	(void)state;
	_Alignas(8) unsigned char bytes[ELF_BYTES];
	unsigned int seed = 23;

	for (int round = 0; round < RANDOM_ROUNDS; round++) {
		fill_program(bytes, "libc.so.6");
		for (int i = 0; i < 24; i++) {
			seed = seed * 1664525u + 1013904223u;
			/* The header's class and machine stay: behind them is what is tested. */
			bytes[32 + (seed >> 8) % 1100] = (unsigned char)(seed >> 24);
		}
		const enum target target = check_bytes(bytes, sizeof(bytes) - seed % 1000);
		assert_in_range(target, TARGET_FITS, TARGET_SECURE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_systems_own_programs_fit),
		cmocka_unit_test(what_cannot_be_executed_is_left_to_the_kernel),
		cmocka_unit_test(scripts_are_judged_by_their_interpreter),
		cmocka_unit_test(the_kind_of_program_is_seen),
		cmocka_unit_test(sanitizer_runtimes_are_seen),
		cmocka_unit_test(the_environment_may_be_in_the_way),
		cmocka_unit_test(a_loader_that_only_lists_is_told_apart),
		cmocka_unit_test(what_cannot_be_read_is_told_apart),
		cmocka_unit_test(what_is_known_is_not_looked_at_again),
		cmocka_unit_test(damaged_programs_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
