/* SPDX-License-Identifier: MIT */
/* What the kernel shows as a process's environment (/proc/PID/environ) is a region of memory whose
 * bounds a process may move. */
#ifndef PRELOAD_REGION_H
#define PRELOAD_REGION_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

/* What the kernel made of the program file, as the auxiliary vector tells. */
struct region_image {
	const Elf64_Phdr *headers;
	size_t n_headers;
	uintptr_t bias;
};

/* Moves the bounds to @start .. @end. @envp is as the program was given it, its first text @first.
 * To be called before anything moves the break. Does nothing where the kernel refuses or where things
 * do not lie as the kernel puts them. */
void region_set(const struct region_image *image, char *const *envp, const char *first,
		const char *start, const char *end);

#endif
