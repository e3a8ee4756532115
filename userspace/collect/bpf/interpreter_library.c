/* SPDX-License-Identifier: MIT */
/* The library in which a program has its interpreter, and where the dynamic loader will find that: by what
 * the program's dynamic section says, LD_LIBRARY_PATH and the directories that are usual. Where the loader
 * alone knows it, from its cache, the library is found once it was opened (imports.c). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gelf.h>
#include <libelf.h>

#include "userspace/base/cleanup.h"
#include "userspace/collect/bpf/interpreter.h"
#include "userspace/stacks/elf_open.h"

#define ORIGIN	    "$ORIGIN"
#define MAX_ENTRIES 1024 /* of a dynamic section */

static const char usual[] = "/usr/local/lib:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib64:"
			    "/usr/lib64:/lib:/usr/lib";

struct wants {
	const char *library; /* NULL: none of these */
	const char *rpath, *runpath;
};

static void read_entries(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct wants *ret)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Dyn entry;
	for (int i = 0; data != NULL && i < MAX_ENTRIES && gelf_getdyn(data, i, &entry) != NULL;
	     i++) {
		const char *text = entry.d_tag == DT_NEEDED || entry.d_tag == DT_RPATH ||
						   entry.d_tag == DT_RUNPATH
					   ? elf_strptr(elf, header->sh_link, entry.d_un.d_val)
					   : NULL;
		if (text == NULL)
			continue;
		if (entry.d_tag == DT_RPATH)
			ret->rpath = text;
		else if (entry.d_tag == DT_RUNPATH)
			ret->runpath = text;
		else if (interpreter_is_library(text) && strchr(text, '/') == NULL)
			ret->library = text;
	}
}

static struct wants read_wants(Elf *elf)
{
	struct wants wants = { .library = NULL };
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	while ((section = elf_nextscn(elf, section)) != NULL)
		if (gelf_getshdr(section, &header) != NULL && header.sh_type == SHT_DYNAMIC)
			read_entries(elf, section, &header, &wants);
	return wants;
}

/* @directory of @n bytes, $ORIGIN being where @program is. */
static bool is_in(const char *directory, size_t n, const char *program, const char *library,
		  char ret[static INTERPRETER_PATH])
{
	const size_t origin = sizeof(ORIGIN) - 1;
	const char *slash = strrchr(program, '/');
	const bool is_relative = n >= origin && memcmp(directory, ORIGIN, origin) == 0;
	const int n_base = is_relative && slash != NULL ? (int)(slash - program) : 0;
	const size_t skip = is_relative ? origin : 0;
	return n > 0 &&
	       snprintf(ret, INTERPRETER_PATH, "%.*s%.*s/%s", n_base, program, (int)(n - skip),
			directory + skip, library) < INTERPRETER_PATH &&
	       access(ret, R_OK) == 0;
}

static bool search(const char *directories, const char *program, const char *library,
		   char ret[static INTERPRETER_PATH])
{
	while (directories != NULL && *directories != '\0') {
		const size_t n = strcspn(directories, ":");
		if (is_in(directories, n, program, library, ret))
			return true;
		directories += n + (directories[n] == ':');
	}
	return false;
}

int interpreter_library(int fd, const char *program, char ret[static INTERPRETER_PATH])
{
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOENT;
	Elf *elf = elf_open(fd, ELF_C_READ);
	const struct wants wants = elf != NULL ? read_wants(elf) : (struct wants){ 0 };
	const char *const places[] = { wants.runpath == NULL ? wants.rpath : NULL,
				       getenv("LD_LIBRARY_PATH"), wants.runpath, usual };
	bool is_found = false;
	for (size_t i = 0; wants.library != NULL && !is_found && i < 4; i++)
		is_found = search(places[i], program, wants.library, ret);
	(void)elf_end(elf);
	return is_found ? 0 : -ENOENT;
}
