/* SPDX-License-Identifier: MIT */
/* Runtimes, by what their linkers put into each program. A library of such a runtime inside another
 * program is not found, and need not be: a connection tells about it as about any other. */

#include "userspace/collect/ready/runtime.h"

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"

#define SEGMENTS_MAX 64u
/* Go's own reader (debug/buildinfo) looks so far into the first writable segment. */
#define MARK_REACH (64u * 1024)
#define NOTES_MAX  4096u

static const struct {
	const char *name;
	const char *note; /* owner of a note of type `note_type` */
	uint32_t note_type;
	const char *mark; /* at 16-byte alignment, near the beginning of the writable data */
} runtimes[] = {
	/* netFD.accept calls accept4 first and parks on EAGAIN. The build id may have been left out,
	 * the build information not. */
	{ "Go", "Go", 4, "\xff Go buildinf:" },
};
#define N_RUNTIMES (sizeof(runtimes) / sizeof(runtimes[0]))

static size_t read_segment(int fd, const Elf64_Phdr *segment, char *bytes, size_t size)
{
	const size_t wanted = segment->p_filesz < size ? (size_t)segment->p_filesz : size;
	const ssize_t n = pread(fd, bytes, wanted, (off_t)segment->p_offset);
	return n > 0 ? (size_t)n : 0;
}

static const char *by_note(int fd, const Elf64_Phdr *segment)
{
	_Alignas(Elf64_Nhdr) char bytes[NOTES_MAX];
	const size_t n = read_segment(fd, segment, bytes, sizeof(bytes));
	for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= n;) {
		Elf64_Nhdr note;
		memcpy(&note, bytes + at, sizeof(note));
		at += sizeof(note);
		const size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
		const size_t rest = ((size_t)note.n_descsz + 3) & ~(size_t)3;
		for (size_t i = 0; i < N_RUNTIMES && name <= n - at; i++) {
			const size_t length = strlen(runtimes[i].note) + 1;
			if (note.n_type == runtimes[i].note_type && note.n_namesz >= length &&
			    memcmp(bytes + at, runtimes[i].note, length) == 0)
				return runtimes[i].name;
		}
		if (name > n - at || rest > n - at - name)
			break;
		at += name + rest;
	}
	return NULL;
}

static const char *by_mark(int fd, const Elf64_Phdr *segment)
{
	static char bytes[MARK_REACH];
	const size_t n = read_segment(fd, segment, bytes, sizeof(bytes));
	for (size_t i = 0; i < N_RUNTIMES; i++) {
		const size_t length = strlen(runtimes[i].mark);
		for (size_t at = 0; at + length <= n; at += 16) {
			if (memcmp(bytes + at, runtimes[i].mark, length) == 0)
				return runtimes[i].name;
		}
	}
	return NULL;
}

static const char *runtime_of(int fd)
{
	Elf64_Ehdr header;
	bool has_data = false;
	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr))
		return NULL;
	for (size_t i = 0; i < header.e_phnum && i < SEGMENTS_MAX; i++) {
		Elf64_Phdr segment;
		const char *name = NULL;
		if (pread(fd, &segment, sizeof(segment),
			  (off_t)(header.e_phoff + i * sizeof(segment))) !=
		    (ssize_t)sizeof(segment))
			return NULL;
		if (segment.p_type == PT_NOTE)
			name = by_note(fd, &segment);
		else if (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) != 0 && !has_data)
			name = by_mark(fd, &segment);
		has_data |= segment.p_type == PT_LOAD && (segment.p_flags & PF_W) != 0;
		if (name != NULL)
			return name;
	}
	return NULL;
}

const char *runtime_that_tries_first(pid_t pid)
{
	char path[32];
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	_cleanup_close_ const int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? NULL : runtime_of(fd);
}
