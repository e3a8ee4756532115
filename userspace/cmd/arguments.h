/* SPDX-License-Identifier: MIT */
/* The command line of a command. */
#ifndef USERSPACE_CMD_ARGUMENTS_H
#define USERSPACE_CMD_ARGUMENTS_H

#include <argp.h>

/* As argp_parse() without an index, with what its messages about options leave out: which one was meant,
 * and what its value is. Not 0: a mistake, which was said. */
int arguments_parse(const struct argp *argp, int argc, char **argv, unsigned int flags,
		    void *input);

#endif
