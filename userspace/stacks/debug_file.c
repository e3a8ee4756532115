/* SPDX-License-Identifier: MIT */
/* Where debug files lie is gdb's convention ("Separate Debug Files" of its manual). */
#include "userspace/stacks/debug_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>
#include <zlib.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/stacks/elf_open.h"
#include "userspace/stacks/module_file.h"

enum { PATH_LIMIT = 4096, LINK_MAX_BYTES = 512 };
#define SUMMED_MAX ((uint64_t)256 << 20) /* a checksum takes 0.1 s for that */

bool debug_file_use(int fd, struct elf_image *ret)
{
	struct stat st;
	_cleanup_close_ int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0 || fstat(copy, &st) < 0)
		return false;
	const bool is_safe = st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
	Elf *elf = elf_open(copy, is_safe ? ELF_C_READ_MMAP : ELF_C_READ);
	if (elf == NULL)
		return false;
	*ret = (struct elf_image){ .elf = elf, .fd = take_fd(copy), .is_mapped = is_safe };
	return true;
}

static bool open_elf(const char *path, struct elf_image *ret)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = root < 0 ? -1 : open_regular(root, path, 0);
	return fd >= 0 && debug_file_use(fd, ret);
}

void debug_file_close(struct elf_image *image)
{
	if (image->elf == NULL)
		return;
	(void)elf_end(image->elf);
	(void)close(image->fd);
	*image = (struct elf_image){ .fd = -1 };
}

static bool has_build_id(const struct elf_image *image, const struct file_identity *identity)
{
	const void *build_id = NULL;
	return dwelf_elf_gnu_build_id(image->elf, &build_id) == (ssize_t)identity->n_build_id &&
	       memcmp(build_id, identity->build_id, identity->n_build_id) == 0;
}

static bool has_checksum(const struct elf_image *image, uint32_t wanted)
{
	uint8_t piece[64 << 10];
	uint64_t at = 0;
	uLong sum = crc32(0, NULL, 0);
	ssize_t n;
	while ((n = pread(image->fd, piece, sizeof(piece), (off_t)at)) > 0 && at <= SUMMED_MAX) {
		sum = crc32(sum, piece, (uInt)n);
		at += (uint64_t)n;
	}
	return n == 0 && sum == wanted;
}

/* What .gnu_debuglink says: a name, and at the end of the section a checksum. */
struct debug_link {
	char name[LINK_MAX_BYTES];
	uint32_t checksum;
};

static bool read_link(const struct elf_image *image, struct debug_link *ret)
{
	const Elf64_Shdr *section = elf_image_section(image, ".gnu_debuglink");
	char content[LINK_MAX_BYTES];
	if (section == NULL || section->sh_size > sizeof(content) ||
	    section->sh_size <= sizeof(ret->checksum) ||
	    !elf_image_read(image, section->sh_offset, content, section->sh_size))
		return false;
	const size_t n = section->sh_size - sizeof(ret->checksum);
	memcpy(&ret->checksum, content + n, sizeof(ret->checksum));
	/* A name, and no way to somewhere else. */
	if (memchr(content, '\0', n) == NULL || content[0] == '\0' || strchr(content, '/') != NULL)
		return false;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", content);
	return true;
}

static bool open_if_same(const char *path, const struct module *module,
			 const struct debug_link *link, struct elf_image *ret)
{
	if (!open_elf(path, ret))
		return false;
	const struct file_identity *identity = &module->identity;
	if (identity->n_build_id > 0 ? has_build_id(ret, identity)
				     : link != NULL && has_checksum(ret, link->checksum))
		return true;
	debug_file_close(ret);
	return false;
}

static bool open_by_build_id(const struct module *module, struct elf_image *ret)
{
	const struct file_identity *identity = &module->identity;
	_cleanup_(buf_done) struct buf path = { .limit = PATH_LIMIT };
	if (identity->n_build_id < 2)
		return false;
	(void)buf_addf(&path, "/usr/lib/debug/.build-id/%02x/", identity->build_id[0]);
	for (size_t i = 1; i < identity->n_build_id; i++)
		(void)buf_addf(&path, "%02x", identity->build_id[i]);
	(void)buf_adds(&path, ".debug");
	return path.error == 0 && open_if_same(buf_str(&path), module, NULL, ret);
}

static bool open_by_link(const struct module *module, const struct elf_image *image,
			 struct elf_image *ret)
{
	static const struct {
		const char *before, *behind; /* the directory */
	} places[] = { { "", "" }, { "", "/.debug" }, { "/usr/lib/debug", "" } };
	const char *slash = strrchr(module->path, '/');
	struct debug_link link;
	if (slash == NULL || !read_link(image, &link))
		return false;
	const int n_directory = (int)(slash - module->path);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		char path[PATH_LIMIT];
		const int n = snprintf(path, sizeof(path), "%s%.*s%s/%s", places[i].before,
				       n_directory, module->path, places[i].behind, link.name);
		if (n > 0 && (size_t)n < sizeof(path) && strcmp(path, module->path) != 0 &&
		    open_if_same(path, module, &link, ret))
			return true;
	}
	return false;
}

bool debug_file_open(const struct module *module, const struct elf_image *image,
		     struct elf_image *ret)
{
	return (module->debug_path != NULL &&
		open_if_same(module->debug_path, module, NULL, ret)) ||
	       open_by_build_id(module, ret) || open_by_link(module, image, ret);
}
