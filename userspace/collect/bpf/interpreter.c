/* SPDX-License-Identifier: MIT */
/* From a command to its interpreter, and from that one's notes to its probes. */
#include "userspace/collect/bpf/interpreter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <unistd.h>

#include <gelf.h>
#include <libelf.h>

#include "userspace/base/cleanup.h"

#define MAX_SCRIPTS 4	/* a script's interpreter may be a script: as the kernel does */
#define LINE_BYTES  256 /* of its first line: BINPRM_BUF_SIZE of Linux */
#define NOTE_WORDS  3	/* place, where .stapsdt.base was, counter */
#define PROVIDER    "python"
#define BLANKS	    " \t"

/* ---- which program ---- */

static int search_path(const char *name, char ret[static INTERPRETER_PATH])
{
	const char *path = getenv("PATH");
	if (strchr(name, '/') != NULL)
		return snprintf(ret, INTERPRETER_PATH, "%s", name) < INTERPRETER_PATH ? 0 : -ENOENT;
	while (path != NULL && *path != '\0') {
		const int n = (int)strcspn(path, ":");
		if (snprintf(ret, INTERPRETER_PATH, "%.*s/%s", n, path, name) < INTERPRETER_PATH &&
		    access(ret, X_OK) == 0)
			return 0;
		path += path[n] == ':' ? n + 1 : n;
	}
	return -ENOENT;
}

static const char *next_word(const char *text)
{
	return text + strspn(text, BLANKS);
}

/* The program that "#!" names; behind env the one that it looks for. False: it is no script. */
static bool read_script(const char *path, char ret[static LINE_BYTES])
{
	char line[LINE_BYTES + 1] = "";
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || read(fd, line, LINE_BYTES) < 2 || line[0] != '#' || line[1] != '!')
		return false;
	line[strcspn(line, "\n")] = '\0';
	const char *word = next_word(line + 2);
	size_t n = strcspn(word, BLANKS);
	if (n >= 4 && memcmp(word + n - 4, "/env", 4) == 0)
		do
			word = next_word(word + n);
		while (n = strcspn(word, BLANKS), word[0] == '-');
	return n > 0 && snprintf(ret, LINE_BYTES, "%.*s", (int)n, word) < LINE_BYTES;
}

static int find_program(const char *argv0, char ret[static INTERPRETER_PATH])
{
	char found[INTERPRETER_PATH], name[LINE_BYTES];
	int r = search_path(argv0, found);
	for (int i = 0; r == 0 && i < MAX_SCRIPTS && read_script(found, name); i++)
		r = search_path(name, found);
	char *real = r == 0 ? realpath(found, NULL) : NULL;
	if (real != NULL && snprintf(ret, INTERPRETER_PATH, "%s", real) >= INTERPRETER_PATH)
		r = -ENOENT;
	const bool is_there = real != NULL;
	free(real);
	return is_there ? r : -ENOENT;
}

static bool is_python(const char *path)
{
	const char *slash = strrchr(path, '/');
	return strncmp(slash != NULL ? slash + 1 : path, "python", 6) == 0;
}

/* ---- its probes ---- */

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

static int read_probes(struct interpreter *to)
{
	_cleanup_close_ int fd = open(to->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
	    elf_version(EV_CURRENT) == EV_NONE)
		return -ENOENT;
	struct notes n = { .elf = elf_begin(fd, ELF_C_READ, NULL), .to = to };
	if (n.elf != NULL && gelf_getclass(n.elf) == ELFCLASS64)
		read_sections(&n);
	(void)elf_end(n.elf);
	return n.has_begin && n.has_end ? 0 : -ENOENT;
}

int interpreter_find(const char *argv0, struct interpreter *ret)
{
	const int r = argv0 != NULL ? find_program(argv0, ret->path) : -ENOENT;
	if (r < 0 || !is_python(ret->path))
		return -ENOENT;
	return read_probes(ret);
}
