/* SPDX-License-Identifier: MIT */
/* Memory of a program, as somebody can read it. */
#ifndef USERSPACE_STACKS_MEMORY_H
#define USERSPACE_STACKS_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Copies @n bytes at @address of the program. 0, or a negative errno; all or nothing. */
struct memory_reader {
	int (*read)(void *data, uint64_t address, void *to, size_t n);
	void *data;
};

/* @n bytes at @address + @offset, likewise; a null pointer leads nowhere. */
int memory_read(struct memory_reader memory, uint64_t address, uint32_t offset, void *to, size_t n);
/* The pointer there. 0 when it cannot be read, so that it ends every walk. */
uint64_t memory_pointer(struct memory_reader memory, uint64_t address, uint32_t offset);

/* Of a live process, by process_vm_readv(2). */
struct memory_reader memory_of_process(pid_t pid);

#endif
