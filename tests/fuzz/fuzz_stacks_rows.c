/* SPDX-License-Identifier: MIT */
/* Call-frame information that somebody made up: each row is one or none, and a walk over such rows ends.
 * The first byte says what the rest is: .eh_frame, .debug_frame, .eh_frame behind an index of that many
 * times four bytes, or a whole file. */

#include "tests/fuzz/elf_around.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/walk.h"
#include "userspace/stacks/row_make.h"

enum { PLACES = 16 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	elf_begin_file();
	return 0;
}

static void write_file(uint8_t kind, const uint8_t *data, size_t n)
{
	const size_t n_index = (size_t)kind / 8 * 4 < n ? (size_t)kind / 8 * 4 : n;
	const struct elf_part eh_frame = { .name = ".eh_frame",
					   .type = SHT_PROGBITS,
					   .data = data,
					   .n = n },
			      debug_frame = { .name = ".debug_frame",
					      .type = SHT_PROGBITS,
					      .data = data,
					      .n = n };
	const struct elf_part both[] = {
		{ .name = ".eh_frame_hdr", .type = SHT_PROGBITS, .data = data, .n = n_index },
		{ .name = ".eh_frame",
		  .type = SHT_PROGBITS,
		  .data = data + n_index,
		  .n = n - n_index },
	};
	switch (kind % 4) {
	case 0:
		elf_write(&eh_frame, 1);
		break;
	case 1:
		elf_write(&debug_frame, 1);
		break;
	case 2:
		elf_write(both, 2);
		break;
	default:
		elf_write_raw(data, n);
	}
}

static void check_row(const struct row *row)
{
	if (!(row->flags & (ROW_NONE | ROW_END | ROW_CONTEXT)) && row->cfa_register > REGISTER_RIP)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 1 << 18)
		return 0;
	write_file(data[0], data + 1, size - 1);
	struct modules *modules = modules_new();
	struct module *module = modules != NULL ? elf_module(modules) : NULL;
	if (module == NULL)
		abort();
	struct row row;
	for (uint64_t i = 0; i < PLACES; i++) {
		row_make(modules, module, ELF_TEXT + i * ELF_TEXT_SIZE / PLACES, i % 2 != 0, 0,
			 &row);
		check_row(&row);
	}
	if (size % 8 == 0)
		fuzz_walk(modules, module, data, size);
	modules_free(modules);
	return 0;
}
