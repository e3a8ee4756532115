/* SPDX-License-Identifier: MIT */
/* Files before libelf and libdw get them: these believe what a file says of itself. They take memory for
 * as many sections as it claims to have, and read whole what they need of them. */
#ifndef USERSPACE_STACKS_ELF_OPEN_H
#define USERSPACE_STACKS_ELF_OPEN_H

#include <stdbool.h>
#include <stdint.h>

#include <libelf.h>

/* elf_begin() of a file of 64 bits. NULL: it is none, or claims what no linker makes. */
Elf *elf_open(int fd, Elf_Cmd command);

/* Bytes of all sections of a name together; UINT64_MAX: too many to count. */
struct elf_sizes {
	uint64_t eh_frame;
	uint64_t eh_frame_hdr;
	uint64_t debug_frame;
	uint64_t debug;	       /* all that libdw loads at once, unpacked */
	uint64_t debug_packed; /* what is packed of that, unpacked */
	bool has_other_file; /* .gnu_debugaltlink, whose file libdw opens by path, whatever it is */
};

void elf_measure(Elf *elf, struct elf_sizes *ret);

#endif
