/* SPDX-License-Identifier: MIT */
/* Static probes that a language's interpreter brings along (USDT, as <sys/sdt.h> makes them), and that
 * tell when it begins to load a module and when that is done. CPython has them where it was built so,
 * as distributions do. */
#ifndef USERSPACE_COLLECT_BPF_INTERPRETER_H
#define USERSPACE_COLLECT_BPF_INTERPRETER_H

#include <stdint.h>

#define INTERPRETER_PATH 4096

struct static_probe {	  /* both are offsets in the file */
	uint64_t place;	  /* of the instruction */
	uint64_t counter; /* of the word that says how many listen; 0: there is none */
};

struct interpreter {
	char path[INTERPRETER_PATH];
	struct static_probe begin, end;
	uint32_t
		name_offset; /* of the register that points to the module's name, in struct pt_regs */
};

/* Of the program that @argv0 (NULL: none) is, or that its script is for. 0; -ENOENT: it is no interpreter that is
 * known, or has no such probes. */
int interpreter_find(const char *argv0, struct interpreter *ret);

#endif
