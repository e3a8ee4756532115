/* SPDX-License-Identifier: MIT */
/* Finds the file that was mapped, and nothing else under its name. */
#include "userspace/stacks/module_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <elfutils/libdwelf.h>

#include "userspace/stacks/elf_open.h"
#include "userspace/stacks/module_file_internal.h"

#define VDSO_MAX ((size_t)64 << 10) /* it has two pages */

/* For reading what @found, of O_PATH, leads to. */
static int open_found(int found)
{
	struct stat st;
	if (fstat(found, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	char again[32];
	(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", found);
	const int fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int open_regular(int root, const char *path, int flags)
{
	/* O_PATH waits for nobody and wakes no device; links stay inside. */
	const struct open_how how = { .flags = (uint64_t)(O_PATH | O_CLOEXEC | flags),
				      .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	_cleanup_close_ int found = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (found < 0)
		return -errno;
	return open_found(found);
}

/* In the process's mount namespace, or in ours when it has gone. */
static int open_by_path(const char *path, pid_t pid)
{
	char name[32] = "/";
	if (pid > 0)
		(void)snprintf(name, sizeof(name), "/proc/%d/root", (int)pid);
	_cleanup_close_ int root = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -errno : open_regular(root, path, 0);
}

/* Also what was deleted since. Who may not do so gets it by its path. */
static int open_mapped(pid_t pid, uint64_t start, uint64_t end)
{
	char path[96];
	(void)snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)pid,
		       (unsigned long long)start, (unsigned long long)end);
	_cleanup_close_ int found = open(path, O_PATH | O_CLOEXEC);
	if (found < 0)
		return -errno;
	return open_found(found);
}

/* Whether the open file is what was mapped. Notes its build-id where the mapping did not tell it. */
static bool is_what_was_mapped(struct module *module, int fd, Elf *elf)
{
	struct file_identity *identity = &module->identity;
	const void *build_id = NULL;
	const ssize_t n = dwelf_elf_gnu_build_id(elf, &build_id);
	const size_t n_build_id = n > 0 && n <= BUILD_ID_MAX ? (size_t)n : 0;

	if (identity->n_build_id > 0)
		return identity->n_build_id == n_build_id &&
		       memcmp(identity->build_id, build_id, n_build_id) == 0;
	struct stat st;
	if (module->type == MODULE_FILE &&
	    (identity->inode == 0 || fstat(fd, &st) < 0 || st.st_ino != identity->inode ||
	     major(st.st_dev) != identity->device_major ||
	     minor(st.st_dev) != identity->device_minor))
		return false;
	if (n_build_id > 0) {
		memcpy(identity->build_id, build_id, n_build_id);
		identity->n_build_id = n_build_id;
	}
	return true;
}

/* What the loader makes of it. False: it is not for this machine. */
static bool read_header(struct module_file *f)
{
	size_t n = 0;
	const Elf64_Ehdr *header = elf_kind(f->elf) == ELF_K_ELF ? elf64_getehdr(f->elf) : NULL;
	if (header == NULL || header->e_machine != EM_X86_64 || elf_getphdrnum(f->elf, &n) < 0)
		return false;
	const Elf64_Phdr *program = elf64_getphdr(f->elf);
	if (program == NULL)
		return false;
	f->entry = header->e_entry;
	f->n_segments = 0;
	for (size_t i = 0; i < n && f->n_segments < SEGMENTS_MAX; i++)
		if (program[i].p_type == PT_LOAD)
			f->segments[f->n_segments++] =
				(struct segment){ .offset = program[i].p_offset,
						  .size = program[i].p_filesz,
						  .address = program[i].p_vaddr };
	return f->n_segments > 0;
}

/* Takes @fd, whatever comes of it. */
static int use_fd(struct module *module, int fd)
{
	struct module_file *f = module->file;
	f->fd = fd;
	/* Read and not mapped: who cuts a mapped file kills who reads it. */
	f->elf = elf_open(fd, ELF_C_READ);
	if (f->elf != NULL && read_header(f) && is_what_was_mapped(module, fd, f->elf))
		return 0;
	module_file_close(f);
	return -ENOEXEC;
}

/* All processes have the same; ours is at hand. */
static int use_vdso(struct module *module)
{
	struct module_file *f = module->file;
	char *image = (char *)getauxval(AT_SYSINFO_EHDR); // NOLINT(performance-no-int-to-ptr)
	if (image == NULL)
		return -ENOENT;
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
	const size_t size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
	f->elf = size <= VDSO_MAX ? elf_memory(image, size) : NULL;
	if (f->elf != NULL && read_header(f) && is_what_was_mapped(module, -1, f->elf))
		return 0;
	module_file_close(f);
	return -ENOEXEC;
}

int module_file_reopen(struct module *module, pid_t pid)
{
	if (module->type == MODULE_VDSO)
		return use_vdso(module);
	if (module->type != MODULE_FILE)
		return -ENOENT;
	int fd = pid > 0 ? open_by_path(module->path, pid) : -ESRCH;
	if (fd >= 0 && use_fd(module, fd) == 0)
		return 0;
	fd = open_by_path(module->path, 0);
	return fd < 0 ? fd : use_fd(module, fd);
}

void module_file_begin(struct module *module, pid_t pid, uint64_t start, uint64_t end)
{
	struct module_file *f = module->file;
	*f = (struct module_file){ .fd = -1 };
	const int fd = module->type == MODULE_FILE && pid > 0 && end > start
			       ? open_mapped(pid, start, end)
			       : -ENOENT;
	f->is_usable = (fd >= 0 && use_fd(module, fd) == 0) || module_file_reopen(module, pid) == 0;
	if (f->is_usable)
		go_table_open(f);
}

void module_file_close(struct module_file *f)
{
	(void)dwarf_cfi_end(f->eh_frame);
	(void)dwarf_end(f->dwarf);
	(void)elf_end(f->elf);
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
	f->elf = NULL;
	f->eh_frame = f->debug_frame = NULL;
	f->dwarf = NULL;
	f->looked_for_rows = f->looked_for_debug_frame = false;
	f->n_bytes = 0;
}

bool module_file_address(const struct module_file *f, uint64_t offset, uint64_t *ret)
{
	for (size_t i = 0; i < f->n_segments; i++) {
		const struct segment *s = &f->segments[i];
		/* Mappings are of whole pages, so that they begin before it and end behind it. */
		if (offset >= s->offset && offset - s->offset < s->size) {
			*ret = s->address + (offset - s->offset);
			return true;
		}
	}
	return false;
}

const uint8_t *module_file_image(const struct module_file *f, size_t *ret_n)
{
	return f->fd < 0 && f->elf != NULL ? (const uint8_t *)elf_rawfile(f->elf, ret_n) : NULL;
}

size_t module_file_read(const struct module_file *f, uint64_t address, void *ret, size_t n)
{
	for (size_t i = 0; i < f->n_segments && f->fd >= 0; i++) {
		const struct segment *s = &f->segments[i];
		if (address < s->address || address - s->address >= s->size)
			continue;
		const uint64_t at = address - s->address;
		if (n > s->size - at)
			n = s->size - at;
		const ssize_t got = pread(f->fd, ret, n, (off_t)(s->offset + at));
		return got > 0 ? (size_t)got : 0;
	}
	return 0;
}
