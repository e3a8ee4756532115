/* SPDX-License-Identifier: MIT */
/* Notes about static probes that somebody made up: what is found lies in the file, and a register is one.
 * The first byte says what the rest is: the notes, or a whole file. */
#include <sys/user.h>

#include "tests/fuzz/elf_around.h"
#include "tests/fuzz/fuzzing.h"
#include "userspace/collect/bpf/interpreter.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	elf_begin_file();
	return 0;
}

static void write_notes(const uint8_t *data, size_t n)
{
	static const uint8_t base;
	const struct elf_part parts[] = {
		{ .name = ".stapsdt.base", .type = SHT_PROGBITS, .data = &base, .n = 1 },
		{ .name = ".note.stapsdt", .type = SHT_NOTE, .data = data, .n = n },
	};
	elf_write(parts, 2);
}

static void check_place(uint64_t place, int fd, bool is_whole)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || (is_whole && place >= (uint64_t)st.st_size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct interpreter found = { .path = "" };
	if (size < 1 || size > 1 << 18)
		return 0;
	/* A program header may promise more than the file has. */
	const bool is_whole = data[0] % 2 == 0;
	if (is_whole)
		write_notes(data + 1, size - 1);
	else
		elf_write_raw(data + 1, size - 1);
	const int fd = open(elf_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		abort();
	if (interpreter_probes(fd, &found) == 0) {
		check_place(found.begin.place, fd, is_whole);
		check_place(found.begin.counter, fd, is_whole);
		check_place(found.end.place, fd, is_whole);
		if (found.name_offset >= sizeof(struct user_regs_struct) ||
		    found.name_offset % sizeof(uint64_t) != 0)
			abort();
	}
	(void)close(fd);
	return 0;
}
