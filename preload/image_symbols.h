/* SPDX-License-Identifier: MIT */
/* Functions of the program that it does not export: from the symbol table of its file, where that was not
 * stripped. The file is read, never mapped: it may be cut while it is looked at. */
#ifndef PRELOAD_IMAGE_SYMBOLS_H
#define PRELOAD_IMAGE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

enum { IMAGE_NAMES = 8, IMAGE_NAME_SIZE = 48 };

struct image_names {
	const char *names[IMAGE_NAMES]; /* the rest NULL; shorter than IMAGE_NAME_SIZE */
	uint64_t values[IMAGE_NAMES];	/* what is found, as the file has it; 0: not there */
};

/* Looks for functions in the open file @fd, which may be hostile. */
void image_symbols_find(int fd, struct image_names *names);

#endif
