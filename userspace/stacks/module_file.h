/* SPDX-License-Identifier: MIT */
/* The file of a module: what was found out about it, and what is open of it now. */
#ifndef USERSPACE_STACKS_MODULE_FILE_H
#define USERSPACE_STACKS_MODULE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <elfutils/libdw.h>

#include "userspace/stacks/go_table.h"
#include "userspace/stacks/modules.h"

enum {
	SEGMENTS_MAX = 16,
	FILES_OPEN_MAX = 128,
};
#define FILE_BYTES_MAX \
	((size_t)32 << 20) /* that libelf and libdw hold for all open files together */

/* What the loader maps (PT_LOAD). */
struct segment {
	uint64_t offset; /* in the file */
	uint64_t size;
	uint64_t address; /* as symbols count */
};

struct module_file {
	bool is_usable; /* it was read, and it is what was mapped */
	bool is_go;
	struct go_table go;
	struct segment segments[SEGMENTS_MAX];
	size_t n_segments;
	uint64_t entry;
	uint64_t n_rows; /* that were asked for, and what it took */
	uint64_t rows_ns;
	/* As long as it is open. */
	int fd; /* -1: closed, or no file (vDSO) */
	Elf *elf;
	Dwarf_CFI *eh_frame;
	Dwarf *dwarf; /* that debug_frame is of */
	Dwarf_CFI *debug_frame;
	bool looked_for_rows;
	bool looked_for_debug_frame;
	size_t n_bytes; /* of FILE_BYTES_MAX */
	uint64_t last_use;
};

/* The file as far as @module was looked into; it is, if it was not. @pid and @region say who has it
 * mapped where; @pid 0: nobody any more. NULL: it cannot be read, or is not what was mapped; looked for
 * again in other processes. */
struct module_file *modules_look(struct modules *m, struct module *module, pid_t pid,
				 uint64_t start, uint64_t end);

/* The same, with .elf open. Closes others that were not used for long. */
struct module_file *modules_open(struct modules *m, struct module *module, pid_t pid);

/* Says that reading rows of it takes @n bytes of memory from now on. Closes others if that is too
 * much. -EFBIG: it is too much alone. */
int modules_charge(struct modules *m, struct module *module, size_t n);

/* Of an offset in the file; false: the loader does not map that. */
bool module_file_address(const struct module_file *f, uint64_t offset, uint64_t *ret);

/* Reads up to @n bytes of its code at @address. Returns how many. */
size_t module_file_read(const struct module_file *f, uint64_t address, void *ret, size_t n);

/* The vDSO's bytes; NULL: it is another file. */
const uint8_t *module_file_image(const struct module_file *f, size_t *ret_n);

/* A regular file by path inside @root, a directory; never waits for anything. @flags: O_NOFOLLOW, or 0.
 * Negative errno. */
int open_regular(int root, const char *path, int flags);

#endif
