/* SPDX-License-Identifier: MIT */
/* The options of `run`, parsed. */
#ifndef USERSPACE_CMD_RUN_OPTIONS_H
#define USERSPACE_CMD_RUN_OPTIONS_H

#include <argp.h>
#include <regex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/vec.h"
#include "userspace/collect/collect.h"
#include "userspace/trace/ready.h"

struct run_options {
	unsigned int runs, warmup;
	enum until until;
	bool has_until;
	uint64_t duration_ns;
	struct ready_rules VEC(struct ready_rule) ready;
	bool has_timeout;
	uint64_t timeout_ns;
	int stop_signal;
	unsigned int probes;
	bool count_heap;
	const char *trace_path;
	const char *output_path;
	const char *user;
	const char *follow_cgroup;
	bool has_redact;
	regex_t redact;
	int format; /* enum table_format */
	bool is_quiet;
	size_t ring_bytes;
	char **command; /* NULL-terminated */
};

/* Ends the program with status 125 and a message on a mistake. */
void run_options_parse(int argc, char **argv, struct run_options *ret);
void run_options_done(struct run_options *o);

#endif
