/* SPDX-License-Identifier: MIT */
/* From a process in one system call, but for what ends at the end of a mapping. */
#include "userspace/stacks/code.h"

#include "userspace/stacks/memory.h"

static size_t read_memory(pid_t pid, uint64_t address, void *ret, size_t n)
{
	const struct memory_reader memory = memory_of_process(pid);
	return memory.read(memory.data, address, ret, n) == 0 ? n : 0;
}

size_t code_read(const struct code *code, uint64_t address, void *ret, size_t n)
{
	enum { PAGE = 4096 };
	if (code->file != NULL)
		return module_file_read(code->file, address, ret, n);
	const size_t got = read_memory(code->pid, address, ret, n), to_end = PAGE - address % PAGE;
	return got > 0 || to_end >= n ? got : read_memory(code->pid, address, ret, to_end);
}
