/* SPDX-License-Identifier: MIT */
/* See memory.h. */
#include "userspace/stacks/memory.h"

#include <errno.h>
#include <sys/uio.h>

int memory_read(struct memory_reader memory, uint64_t address, uint32_t offset, void *to, size_t n)
{
	return address == 0 ? -EFAULT : memory.read(memory.data, address + offset, to, n);
}

uint64_t memory_pointer(struct memory_reader memory, uint64_t address, uint32_t offset)
{
	uint64_t pointer = 0;
	return memory_read(memory, address, offset, &pointer, sizeof(pointer)) < 0 ? 0 : pointer;
}

static int read_process(void *data, uint64_t address, void *to, size_t n)
{
	struct iovec here = { .iov_base = to, .iov_len = n };
	struct iovec there = { .iov_base = (void *)(uintptr_t)address, .iov_len = n };
	const ssize_t r = process_vm_readv((pid_t)(uintptr_t)data, &here, 1, &there, 1, 0);
	if (r < 0)
		return -errno;
	return (size_t)r == n ? 0 : -EFAULT;
}

struct memory_reader memory_of_process(pid_t pid)
{
	return (struct memory_reader){ read_process, (void *)(uintptr_t)pid };
}
