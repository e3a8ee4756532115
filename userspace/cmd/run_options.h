/* SPDX-License-Identifier: MIT */
/* The options of `run`, parsed. */
#ifndef USERSPACE_CMD_RUN_OPTIONS_H
#define USERSPACE_CMD_RUN_OPTIONS_H

#include <argp.h>
#include <stdbool.h>

#include "userspace/cmd/output.h"
#include "userspace/cmd/record_options.h"

struct run_options {
	unsigned int runs, warmup;
	struct record_options record;
	const char *save_name; /* of a baseline */
	const char *against;   /* a REF */
	struct output_options output;
	char **command; /* NULL-terminated */
};

/* Ends the program with status 125 and a message on a mistake. */
void run_options_parse(int argc, char **argv, struct run_options *ret);
void run_options_done(struct run_options *o);

#endif
