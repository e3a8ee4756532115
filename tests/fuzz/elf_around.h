/* SPDX-License-Identifier: MIT */
/* An ELF file around a fuzzer's bytes, on disk where modules are looked for. */
#ifndef TESTS_FUZZ_ELF_AROUND_H
#define TESTS_FUZZ_ELF_AROUND_H

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "userspace/stacks/modules.h"

enum {
	ELF_TEXT = 0x1000, /* address and offset of its code */
	ELF_TEXT_SIZE = 0x1000,
	ELF_SECTIONS_MAX = 8,
};

struct elf_part {
	const char *name;
	uint32_t type;
	uint32_t link; /* the section with its strings */
	uint64_t entry_size;
	const uint8_t *data;
	size_t n;
};

static char elf_path[64];

static inline void elf_remove(void)
{
	(void)unlink(elf_path);
}

/* Where the file is, from now on. */
static inline void elf_begin_file(void)
{
	(void)snprintf(elf_path, sizeof(elf_path), "/tmp/fuzz-stacks-%d", (int)getpid());
	(void)atexit(elf_remove);
}

static inline void elf_write_raw(const void *data, size_t n)
{
	const int fd = open(elf_path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	(void)close(fd);
}

/* Code of nops with the entry at its begin, and the parts as sections 2, 3, ... */
static inline void elf_write(const struct elf_part *parts, size_t n_parts)
{
	static uint8_t file[1 << 20];
	char names[256] = "\0.text";
	size_t n_names = sizeof("\0.text"), at = ELF_TEXT + ELF_TEXT_SIZE;
	Elf64_Shdr sections[ELF_SECTIONS_MAX + 3] = {
		[1] = { .sh_name = 1,
			.sh_type = SHT_PROGBITS,
			.sh_flags = SHF_ALLOC | SHF_EXECINSTR,
			.sh_addr = ELF_TEXT,
			.sh_offset = ELF_TEXT,
			.sh_size = ELF_TEXT_SIZE },
	};
	memset(file, 0, ELF_TEXT);
	memset(file + ELF_TEXT, 0x90, ELF_TEXT_SIZE);
	for (size_t i = 0; i < n_parts; i++) {
		const struct elf_part *part = &parts[i];
		at = (at + 15) & ~(size_t)15;
		if (part->n > sizeof(file) - at - 4096)
			return;
		memcpy(file + at, part->data, part->n);
		sections[i + 2] = (Elf64_Shdr){ .sh_name = (uint32_t)n_names,
						.sh_type = part->type,
						.sh_flags = SHF_ALLOC,
						.sh_addr = at,
						.sh_offset = at,
						.sh_size = part->n,
						.sh_link = part->link,
						.sh_entsize = part->entry_size,
						.sh_addralign = 1 };
		memcpy(names + n_names, part->name, strlen(part->name) + 1);
		n_names += strlen(part->name) + 1;
		at += part->n;
	}
	sections[n_parts + 2] =
		(Elf64_Shdr){ .sh_type = SHT_STRTAB, .sh_offset = at, .sh_size = n_names };
	memcpy(file + at, names, n_names);
	at = (at + n_names + 15) & ~(size_t)15;
	memcpy(file + at, sections, (n_parts + 3) * sizeof(*sections));
	const Elf64_Ehdr header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
						 ELFDATA2LSB, EV_CURRENT },
				    .e_type = ET_DYN,
				    .e_machine = EM_X86_64,
				    .e_version = EV_CURRENT,
				    .e_entry = ELF_TEXT,
				    .e_phoff = sizeof(header),
				    .e_shoff = at,
				    .e_ehsize = sizeof(header),
				    .e_phentsize = sizeof(Elf64_Phdr),
				    .e_phnum = 1,
				    .e_shentsize = sizeof(Elf64_Shdr),
				    .e_shnum = (uint16_t)(n_parts + 3),
				    .e_shstrndx = (uint16_t)(n_parts + 2) };
	const Elf64_Phdr load = {
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = at, .p_memsz = at
	};
	memcpy(file, &header, sizeof(header));
	memcpy(file + sizeof(header), &load, sizeof(load));
	elf_write_raw(file, at + (n_parts + 3) * sizeof(*sections));
}

/* The file as a module. */
static inline struct module *elf_module(struct modules *modules)
{
	struct stat st;
	if (stat(elf_path, &st) < 0)
		abort();
	const struct file_identity identity = { .device_major = major(st.st_dev),
						.device_minor = minor(st.st_dev),
						.inode = st.st_ino };
	return modules_intern(modules, MODULE_FILE, elf_path, &identity, 0);
}

#endif
