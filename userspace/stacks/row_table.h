/* SPDX-License-Identifier: MIT */
/* All rows of a file at once, compiled into a table that is searched where no libdw is: in the target
 * (bpf/rows.h). For the few hundred places that samples meet, rows.h is cheaper.
 *
 * .eh_frame is gone through once, by our own evaluation: libdw would look up and run an entry for each
 * row anew. What a table cannot hold is unknown in it, and nothing is guessed. */
#ifndef USERSPACE_STACKS_ROW_TABLE_H
#define USERSPACE_STACKS_ROW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libelf.h>

#include "bpf/rows.h"
#include "userspace/base/buf.h"

/* Appends the table of @elf (of elf_open()) to @ret. -ENOENT: it has no call-frame information, or more
 * than a linker makes; -ENOEXEC: it has no build-id; -ENOMEM, -EFBIG. */
int row_table_make(Elf *elf, struct buf *ret);

/* The file's build-id, by which its table is found; it lasts as long as @elf. 0: it has none. */
size_t row_table_id(Elf *elf, const uint8_t **ret);

/* Whether @n bytes at @data are a whole table, undamaged, of the file with that build-id. */
bool row_table_check(const void *data, size_t n, const uint8_t *build_id, size_t n_build_id);

#endif
