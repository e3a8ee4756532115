/* SPDX-License-Identifier: MIT */
/* The static probes that an ELF file tells of in its notes, as <sys/sdt.h> makes them. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/user.h>

#include <gelf.h>
#include <libelf.h>

#include "userspace/collect/bpf/interpreter.h"
#include "userspace/stacks/elf_open.h"

#define NOTE_WORDS 3 /* place, where .stapsdt.base was, counter */
#define PROVIDER   "python"

/* Where in the file the byte at @address comes from. */
static bool file_offset(Elf *elf, uint64_t address, uint64_t *ret)
{
	size_t n = 0;
	if (elf_getphdrnum(elf, &n) != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;
		if (gelf_getphdr(elf, (int)i, &p) == NULL || p.p_type != PT_LOAD ||
		    address < p.p_vaddr || address - p.p_vaddr >= p.p_filesz)
			continue;
		*ret = address - p.p_vaddr + p.p_offset;
		return true;
	}
	return false;
}

/* "8@%rax" */
static bool register_offset(const char *arguments, uint32_t *ret)
{
#define REGISTER(name, member)                                        \
	{                                                             \
		"8@%" name, offsetof(struct user_regs_struct, member) \
	}
	static const struct {
		const char *text;
		size_t offset;
	} registers[] = {
		REGISTER("rax", rax), REGISTER("rbx", rbx), REGISTER("rcx", rcx),
		REGISTER("rdx", rdx), REGISTER("rsi", rsi), REGISTER("rdi", rdi),
		REGISTER("rbp", rbp), REGISTER("r8", r8),   REGISTER("r9", r9),
		REGISTER("r10", r10), REGISTER("r11", r11), REGISTER("r12", r12),
		REGISTER("r13", r13), REGISTER("r14", r14), REGISTER("r15", r15),
	};
#undef REGISTER
	const size_t n = strcspn(arguments, " ");
	for (size_t i = 0; i < sizeof(registers) / sizeof(*registers); i++) {
		if (strlen(registers[i].text) != n || memcmp(registers[i].text, arguments, n) != 0)
			continue;
		*ret = (uint32_t)registers[i].offset;
		return true;
	}
	return false;
}

struct notes {
	Elf *elf;
	uint64_t base; /* address of .stapsdt.base, which moves with prelinked code */
	struct interpreter *to;
	bool has_begin, has_end;
};

/* Three words, then provider, name and arguments, each with a NUL. */
static void take_note(struct notes *n, const char *data, size_t size)
{
	uint64_t words[NOTE_WORDS];
	const char *texts[3];
	size_t at = sizeof(words);
	if (size < at)
		return;
	memcpy(words, data, sizeof(words));
	for (size_t i = 0; i < 3; i++) {
		const size_t length = strnlen(data + at, size - at);
		if (at + length >= size)
			return;
		texts[i] = data + at;
		at += length + 1;
	}
	const bool is_begin = strcmp(texts[1], "import__find__load__start") == 0;
	if (strcmp(texts[0], PROVIDER) != 0 ||
	    (!is_begin && strcmp(texts[1], "import__find__load__done") != 0))
		return;
	struct static_probe probe = { 0 };
	const uint64_t moved = n->base - words[1];
	if (!file_offset(n->elf, words[0] + moved, &probe.place) ||
	    (words[2] != 0 && !file_offset(n->elf, words[2] + moved, &probe.counter)))
		return;
	if (is_begin && register_offset(texts[2], &n->to->name_offset)) {
		n->to->begin = probe;
		n->has_begin = true;
	} else if (!is_begin) {
		n->to->end = probe;
		n->has_end = true;
	}
}

static void read_notes(struct notes *n, Elf_Data *data)
{
	GElf_Nhdr header;
	size_t name, content;
	for (size_t at = 0, next; data != NULL && data->d_buf != NULL &&
				  (next = gelf_getnote(data, at, &header, &name, &content)) > 0;
	     at = next)
		take_note(n, (const char *)data->d_buf + content, header.n_descsz);
}

static const char *section_name(Elf *elf, const GElf_Shdr *header)
{
	size_t names;
	const char *name = elf_getshdrstrndx(elf, &names) == 0
				   ? elf_strptr(elf, names, header->sh_name)
				   : NULL;
	return name != NULL ? name : "";
}

static void read_sections(struct notes *n)
{
	Elf_Scn *section = NULL, *notes = NULL;
	while ((section = elf_nextscn(n->elf, section)) != NULL) {
		GElf_Shdr header;
		if (gelf_getshdr(section, &header) == NULL)
			continue;
		const char *name = section_name(n->elf, &header);
		if (strcmp(name, ".stapsdt.base") == 0)
			n->base = header.sh_addr;
		else if (strcmp(name, ".note.stapsdt") == 0 && header.sh_type == SHT_NOTE)
			notes = section;
	}
	if (notes != NULL && n->base != 0)
		read_notes(n, elf_getdata(notes, NULL));
}

int interpreter_probes(int fd, struct interpreter *to)
{
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOENT;
	struct notes n = { .elf = elf_open(fd, ELF_C_READ), .to = to };
	if (n.elf != NULL)
		read_sections(&n);
	(void)elf_end(n.elf);
	return n.has_begin && n.has_end ? 0 : -ENOENT;
}
