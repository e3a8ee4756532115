/* SPDX-License-Identifier: MIT */
/* Static probes that a language's interpreter brings along (USDT, as <sys/sdt.h> makes them), and that
 * tell when it begins to load a module and when that is done. CPython has them where it was built so,
 * as distributions do. */
#ifndef USERSPACE_COLLECT_BPF_INTERPRETER_H
#define USERSPACE_COLLECT_BPF_INTERPRETER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/collect/run/program.h"

#define INTERPRETER_NAME "python" /* the file's name begins so */

struct static_probe {	  /* both are offsets in the file */
	uint64_t place;	  /* of the instruction */
	uint64_t counter; /* of the word that says how many listen; 0: there is none */
};

struct interpreter {
	char path[PROGRAM_PATH]; /* of the program, or of the library that has all of it */
	dev_t device;
	ino_t inode;
	struct static_probe begin, end;
	uint32_t
		name_offset; /* of the register that points to the module's name, in struct pt_regs */
};

/* The one that the command @argv (NULL: none) is, has in a library, or is a script for; else those of which its
 * arguments, or its script, speak: they will probably be started. Returns how many there are, of those that
 * are known and have such probes, up to @max. */
size_t interpreter_find(char *const *argv, size_t max, struct interpreter *ret);
/* The program or library @path, likewise. -EEXIST: it is one of @known. */
int interpreter_open(const char *path, const struct interpreter *known, size_t n_known,
		     struct interpreter *ret);

/* Whether a file of that name is a library that has the interpreter: "libpython3.11.so.1.0". */
bool interpreter_is_library(const char *name);
/* The probes of the file that is open as @fd: of @to what does not say which file it is. 0; -ENOENT: it has
 * none. */
int interpreter_probes(int fd, struct interpreter *to);

#endif
