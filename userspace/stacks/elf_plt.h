/* SPDX-License-Identifier: MIT */
/* Stubs through which a file calls functions of others. */
#ifndef USERSPACE_STACKS_ELF_PLT_H
#define USERSPACE_STACKS_ELF_PLT_H

#include "userspace/stacks/elf_symbols.h"

/* Names places in stubs "NAME@plt", by the slot that the stub jumps through and the relocation that says
 * what is put there. */
void elf_plt_find(const struct elf_image *image, const struct symbol_search *search);

#endif
