/* SPDX-License-Identifier: MIT */
/* The file that has the debug information of another one. */
#ifndef USERSPACE_STACKS_DEBUG_FILE_H
#define USERSPACE_STACKS_DEBUG_FILE_H

#include "userspace/stacks/elf_symbols.h"
#include "userspace/stacks/modules.h"

/* The file that is open as @fd, for debug information: @ret has its own copy of the descriptor. What only
 * root can change is mapped; anybody else may cut it, and it is read. */
bool debug_file_use(int fd, struct elf_image *ret);

/* Opens the separate debug file of @module, whose file @image is: the one that is known, or by build-id, or by
 * the name and checksum that .gnu_debuglink tells. Looked for below /usr/lib/debug and beside the file. False: there
 * is none here that is of this very file. */
bool debug_file_open(const struct module *module, const struct elf_image *image,
		     struct elf_image *ret);

/* Of both. Accepts one that is all zero. */
void debug_file_close(struct elf_image *image);

#endif
