/* SPDX-License-Identifier: MIT */
/* Build ids of the libraries we run with ourselves. They are in memory already: no file is opened. */

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "userspace/collect/proc/facts.h"

#define ID_MAX 64 /* sha1 has 20 bytes; --build-id=0x… may be anything */

struct wanted {
	const char *name;
	char *ret;
};

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* The id in the notes from @at on, @size bytes in all. */
static void read_notes(const char *at, size_t size, char *ret)
{
	while (size >= sizeof(ElfW(Nhdr))) {
		ElfW(Nhdr) note;
		memcpy(&note, at, sizeof(note));
		const size_t name = padded(note.n_namesz), id = padded(note.n_descsz);
		if (size - sizeof(note) < name || size - sizeof(note) - name < id)
			return;
		const unsigned char *bytes = (const unsigned char *)at + sizeof(note) + name;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(at + sizeof(note), ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 &&
		    note.n_descsz <= ID_MAX) {
			for (size_t i = 0; i < note.n_descsz; i++)
				(void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
			return;
		}
		at += sizeof(note) + name + id;
		size -= sizeof(note) + name + id;
	}
}

static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
	struct wanted *wanted = data;
	const char *slash = strrchr(info->dlpi_name, '/');
	const char *name = slash != NULL ? slash + 1 : info->dlpi_name;
	(void)size;
	if (strncmp(name, wanted->name, strlen(wanted->name)) != 0)
		return 0;
	for (int i = 0; i < info->dlpi_phnum && wanted->ret[0] == '\0'; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		if (header->p_type == PT_NOTE)
			/* The loader has mapped it: an address, not an offset. */
			read_notes((const char *)(uintptr_t)(info->dlpi_addr + header->p_vaddr),
				   header->p_memsz, wanted->ret);
	}
	return 1;
}

void build_id_of(const char *name, char ret[static FACT_MAX])
{
	struct wanted wanted = { name, ret };
	ret[0] = '\0';
	(void)dl_iterate_phdr(look_at, &wanted);
}
