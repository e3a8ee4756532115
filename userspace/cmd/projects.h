/* SPDX-License-Identifier: MIT */
/* What there is to measure in a directory, by the files that build tools, test runners and service managers
 * leave in it. To add a kind of project: a row in THE table in projects.c. */
#ifndef USERSPACE_CMD_PROJECTS_H
#define USERSPACE_CMD_PROJECTS_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/base/arena.h"

/* More would be deleted again. */
#define PROPOSALS_MAX 12

/* A scenario that somebody may want. */
struct proposal {
	const char *name;
	const char *command;
	const char *ready; /* NULL: it runs to its end */
	const char *why;   /* "Makefile has the target 'test'" */
	const char *more;  /* further lines of YAML, indented as a scenario's, or "" */
	bool needs_shell;
};

struct proposals {
	struct proposal items[PROPOSALS_MAX];
	size_t n;
};

/* Looks at the current directory. Names are unique, commands one line of printable text that startline.yml
 * takes; all texts are in @arena. -ENOMEM, logged. */
int projects_look(struct arena *arena, struct proposals *ret);

#endif
