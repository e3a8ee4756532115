/* SPDX-License-Identifier: MIT */
/* Of the first bytes and the tables that they tell of, without libelf. */
#include "userspace/stacks/elf_open.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"

enum {
	SECTIONS_MAX = 4096, /* a linker makes some 40; more than 65,279 are counted elsewhere */
	SEGMENTS_MAX = 1024,
	WHOLE_MAX = 1 << 20, /* bytes of what is read whole: names of sections, notes */
};

static bool read_all(int fd, uint64_t offset, void *ret, size_t n)
{
	return offset <= INT64_MAX && pread(fd, ret, n, (off_t)offset) == (ssize_t)n;
}

/* Where the table lies behind the end, libelf takes it that there are no sections. */
static bool are_sections_sane(int fd, const Elf64_Ehdr *header)
{
	const size_t n = header->e_shnum;
	if (n > SECTIONS_MAX || (n == 0 && header->e_shoff != 0))
		return false;
	_cleanup_free_ Elf64_Shdr *sections = calloc(n > 0 ? n : 1, sizeof(*sections));
	if (sections == NULL)
		return false;
	if (n == 0 || !read_all(fd, header->e_shoff, sections, n * sizeof(*sections)))
		return true;
	for (size_t i = 0; i < n; i++)
		if ((i == header->e_shstrndx || sections[i].sh_type == SHT_NOTE) &&
		    sections[i].sh_size > WHOLE_MAX)
			return false;
	return header->e_shstrndx < n;
}

static bool are_segments_sane(int fd, const Elf64_Ehdr *header)
{
	const size_t n = header->e_phnum;
	if (n > SEGMENTS_MAX)
		return false;
	_cleanup_free_ Elf64_Phdr *segments = calloc(n > 0 ? n : 1, sizeof(*segments));
	if (segments == NULL)
		return false;
	if (n == 0 || !read_all(fd, header->e_phoff, segments, n * sizeof(*segments)))
		return true;
	for (size_t i = 0; i < n; i++)
		if (segments[i].p_type == PT_NOTE && segments[i].p_filesz > WHOLE_MAX)
			return false;
	return true;
}

Elf *elf_open(int fd, Elf_Cmd command)
{
	Elf64_Ehdr header;
	if (!read_all(fd, 0, &header, sizeof(header)) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    !are_sections_sane(fd, &header) || !are_segments_sane(fd, &header))
		return NULL;
	return elf_begin(fd, command, NULL);
}

/* ---- sizes ---- */

static void add(uint64_t *sum, uint64_t n)
{
	if (__builtin_add_overflow(*sum, n, sum))
		*sum = UINT64_MAX;
}

/* What was packed in the old way (.zdebug_info) does not say in its header how large it was. */
static uint64_t unpacked_size(Elf_Scn *section, const Elf64_Shdr *header, bool is_old)
{
	const Elf64_Chdr *packed =
		header->sh_flags & SHF_COMPRESSED ? elf64_getchdr(section) : NULL;
	return is_old ? UINT64_MAX : packed != NULL ? packed->ch_size : header->sh_size;
}

static void add_debug(Elf_Scn *section, const Elf64_Shdr *header, const char *name,
		      struct elf_sizes *ret)
{
	const bool is_old = strncmp(name, ".zdebug_", 8) == 0;
	if (strcmp(name, ".gnu_debugaltlink") == 0)
		ret->has_other_file = true;
	else if (!is_old && strncmp(name, ".debug_", 7) != 0 &&
		 strncmp(name, ".gnu.debuglto_", 14) != 0)
		return;
	const uint64_t n = unpacked_size(section, header, is_old);
	add(&ret->debug, n);
	if (is_old || (header->sh_flags & SHF_COMPRESSED))
		add(&ret->debug_packed, n);
	if (strcmp(name + 1 + is_old, "debug_frame") == 0)
		add(&ret->debug_frame, n);
}

void elf_measure(Elf *elf, struct elf_sizes *ret)
{
	size_t names = 0;
	*ret = (struct elf_sizes){ 0 };
	if (elf_getshdrstrndx(elf, &names) < 0)
		return;
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;) {
		const Elf64_Shdr *header = elf64_getshdr(section);
		const char *name = header != NULL && header->sh_type != SHT_NOBITS
					   ? elf_strptr(elf, names, header->sh_name)
					   : NULL;
		if (name == NULL)
			continue;
		if (strcmp(name, ".eh_frame") == 0)
			add(&ret->eh_frame, header->sh_size);
		else if (strcmp(name, ".eh_frame_hdr") == 0)
			add(&ret->eh_frame_hdr, header->sh_size);
		else
			add_debug(section, header, name, ret);
	}
}
