/* SPDX-License-Identifier: MIT */
/* A library with 41,000 addresses of symbols of its own, each of which the loader looks up by its name. */
int tables_size = 41000;

__asm__(".altmacro\n"
	".macro entry n\n"
	".globl table_entry_\\n\n"
	".type table_entry_\\n, @object\n"
	".size table_entry_\\n, 8\n"
	"table_entry_\\n: .quad table_entry_\\n\n"
	".endm\n"
	".data\n"
	".balign 8\n"
	".set i, 0\n"
	".rept 41000\n"
	"entry %i\n"
	".set i, i + 1\n"
	".endr\n"
	".noaltmacro\n"
	".text\n");
