/* SPDX-License-Identifier: MIT */
/* Static probes that a language's interpreter brings along (USDT, as <sys/sdt.h> makes them), and that
 * tell when it begins to load a module and when that is done. CPython has them where it was built so,
 * as distributions do. */
#ifndef USERSPACE_COLLECT_BPF_INTERPRETER_H
#define USERSPACE_COLLECT_BPF_INTERPRETER_H

#include <stdint.h>

#define INTERPRETER_PATH 4096
#define INTERPRETER_NAME "python" /* the file's name begins so */

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

/* The one that the command @argv (NULL: none) is, or that its script is for; else the first of which its
 * arguments, or its script, speak: it will probably be started. 0; -ENOENT: there is none that is known and
 * has such probes. */
int interpreter_find(char *const *argv, struct interpreter *ret);
/* The program @path, likewise. */
int interpreter_open(const char *path, struct interpreter *ret);
/* The probes of the program that is open as @fd: all of @to but its path. 0; -ENOENT: it has none. */
int interpreter_probes(int fd, struct interpreter *to);

#endif
