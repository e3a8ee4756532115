/* SPDX-License-Identifier: MIT */
/* .gnu_debugdata: a symbol table of what a distribution has stripped, packed by xz inside the file. */
#ifndef USERSPACE_STACKS_ELF_PACKED_H
#define USERSPACE_STACKS_ELF_PACKED_H

#include "userspace/base/buf.h"
#include "userspace/stacks/elf_symbols.h"

#define PACKED_MAX   ((size_t)8 << 20)
#define UNPACKED_MAX ((size_t)24 << 20) /* that of libLLVM has 5 MB */

/* The ELF file that is packed in @image. To be ended with elf_end(ret->elf), before @ret_data is done,
 * which it lies in. False: there is none, or none that makes sense. */
bool elf_unpack(const struct elf_image *image, struct buf *ret_data, struct elf_image *ret);

#endif
