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

/* Of a live process, by process_vm_readv(2). */
struct memory_reader memory_of_process(pid_t pid);

#endif
