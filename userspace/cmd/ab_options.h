/* SPDX-License-Identifier: MIT */
/* The options of `ab`, parsed. */
#ifndef USERSPACE_CMD_AB_OPTIONS_H
#define USERSPACE_CMD_AB_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/vec.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/outs.h"
#include "userspace/cmd/record_options.h"

struct ab_options {
	struct record_options record;
	const char *base, *head; /* as typed; NULL: not given */
	const char *base_worktree;
	const char *base_directory, *head_directory;
	const char *setup;
	struct metric_ids VEC(const char *) gate;
	struct outs outs;
	bool has_seed;
	uint64_t seed;
	size_t pairs;
	uint64_t max_time_ns;
	bool shows_output;
	struct output_options output;
	char **command; /* behind "--", NULL-terminated; NULL: none */
};

/* Ends the program with status 2 and a message on a mistake. */
void ab_options_parse(int argc, char **argv, struct ab_options *ret);
void ab_options_done(struct ab_options *o);

#endif
