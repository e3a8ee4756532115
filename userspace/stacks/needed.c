/* SPDX-License-Identifier: MIT */
/* See needed.h. */
#include "userspace/stacks/needed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gelf.h>
#include <libelf.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/vec.h"
#include "userspace/stacks/elf_open.h"

#define ORIGIN	    "$ORIGIN"
#define MAX_ENTRIES 1024 /* of a dynamic section */

static const char usual[] = "/usr/local/lib:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib64:"
			    "/usr/lib64:/lib:/usr/lib";

struct wants {
	const char *rpath, *runpath;
	struct VEC(const char *) names; /* without a directory */
};

/* ---- what it says ---- */

static int read_entries(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct wants *ret)
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
		else if (strchr(text, '/') == NULL && vec_push(&ret->names, text) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int read_wants(Elf *elf, struct wants *ret)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	int r = 0;
	while (r == 0 && (section = elf_nextscn(elf, section)) != NULL)
		if (gelf_getshdr(section, &header) != NULL && header.sh_type == SHT_DYNAMIC)
			r = read_entries(elf, section, &header, ret);
	return r;
}

/* Its dynamic loader; false: it names none. */
static bool read_loader(Elf *elf, int fd, char ret[static NEEDED_PATH])
{
	size_t n = 0;
	GElf_Phdr p;
	(void)elf_getphdrnum(elf, &n);
	for (size_t i = 0; i < n && gelf_getphdr(elf, (int)i, &p) != NULL; i++) {
		if (p.p_type != PT_INTERP || p.p_filesz == 0 || p.p_filesz >= NEEDED_PATH)
			continue;
		memset(ret, 0, NEEDED_PATH);
		return pread(fd, ret, p.p_filesz, (off_t)p.p_offset) == (ssize_t)p.p_filesz;
	}
	return false;
}

/* ---- where that is ---- */

/* @directory of @n bytes, $ORIGIN being where @program is. */
static bool is_in(const char *directory, size_t n, const char *program, const char *library,
		  char ret[static NEEDED_PATH])
{
	const size_t origin = sizeof(ORIGIN) - 1;
	const char *slash = strrchr(program, '/');
	const bool is_relative = n >= origin && memcmp(directory, ORIGIN, origin) == 0;
	const int n_base = is_relative && slash != NULL ? (int)(slash - program) : 0;
	const size_t skip = is_relative ? origin : 0;
	return n > 0 &&
	       snprintf(ret, NEEDED_PATH, "%.*s%.*s/%s", n_base, program, (int)(n - skip),
			directory + skip, library) < NEEDED_PATH &&
	       access(ret, R_OK) == 0;
}

static bool search(const char *directories, const char *program, const char *library,
		   char ret[static NEEDED_PATH])
{
	while (directories != NULL && *directories != '\0') {
		const size_t n = strcspn(directories, ":");
		if (is_in(directories, n, program, library, ret))
			return true;
		directories += n + (directories[n] == ':');
	}
	return false;
}

static bool locate(const struct wants *wants, const char *program, const char *library,
		   char ret[static NEEDED_PATH])
{
	const char *const places[] = { wants->runpath == NULL ? wants->rpath : NULL,
				       getenv("LD_LIBRARY_PATH"), wants->runpath, usual };
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (search(places[i], program, library, ret))
			return true;
	return false;
}

int needed_find(int fd, const char *program, bool is_wanted(const char *name),
		char ret[static NEEDED_PATH])
{
	struct wants wants = { .rpath = NULL };
	Elf *elf = elf_version(EV_CURRENT) != EV_NONE ? elf_open(fd, ELF_C_READ) : NULL;
	int r = elf != NULL ? read_wants(elf, &wants) : -ENOENT;
	bool is_found = false;
	for (size_t i = wants.names.n; r == 0 && i-- > 0 && !is_found;)
		is_found = is_wanted(wants.names.items[i]) &&
			   locate(&wants, program, wants.names.items[i], ret);
	vec_done(&wants.names);
	(void)elf_end(elf);
	return is_found ? 0 : -ENOENT;
}

/* ---- all of them ---- */

struct walk {
	struct VEC(char *) paths; /* those that were met; the later ones were not looked into yet */
};

static int meet(struct walk *w, const char *path)
{
	vec_foreach(known, &w->paths)
		if (strcmp(*known, path) == 0)
			return 0;
	if (w->paths.n >= NEEDED_MAX)
		return 0;
	char *copy = strdup(path);
	if (copy == NULL || vec_push(&w->paths, copy) < 0) {
		free(copy);
		return -ENOMEM;
	}
	return 0;
}

static int look_into(struct walk *w, const char *path)
{
	char found[NEEDED_PATH];
	struct wants wants = { .rpath = NULL };
	struct stat status;
	_cleanup_close_ int fd = stat(path, &status) == 0 && S_ISREG(status.st_mode)
					 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
					 : -1;
	Elf *elf = fd >= 0 ? elf_open(fd, ELF_C_READ) : NULL;
	int r = elf != NULL ? read_wants(elf, &wants) : 0;
	if (r == 0 && elf != NULL && read_loader(elf, fd, found))
		r = meet(w, found);
	for (size_t i = 0; r == 0 && i < wants.names.n; i++)
		if (locate(&wants, path, wants.names.items[i], found))
			r = meet(w, found);
	vec_done(&wants.names);
	(void)elf_end(elf);
	return r;
}

int needed_walk(const char *path, void found(void *data, const char *path), void *data)
{
	struct walk w = { 0 };
	int r = elf_version(EV_CURRENT) == EV_NONE ? 0 : meet(&w, path);
	for (size_t i = 0; r == 0 && i < w.paths.n; i++) {
		found(data, w.paths.items[i]);
		r = look_into(&w, w.paths.items[i]);
	}
	vec_foreach(p, &w.paths)
		free(*p);
	vec_done(&w.paths);
	return r;
}
