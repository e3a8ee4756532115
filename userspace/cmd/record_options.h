/* SPDX-License-Identifier: MIT */
/* The options that say how a command is recorded: shared by all commands that record. A command has
 * record_argp among the children of its argp, and at ARGP_KEY_INIT gives it a struct record_options; its
 * fields are valid after parsing, defaults included. */
#ifndef USERSPACE_CMD_RECORD_OPTIONS_H
#define USERSPACE_CMD_RECORD_OPTIONS_H

#include <argp.h>
#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/vec.h"
#include "userspace/collect/run/collect.h"
#include "userspace/trace/ready.h"

struct record_options {
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
	const char *user;
	const char *follow_cgroup;
	bool has_redact;
	regex_t redact; /* of all that were given */
	char *redact_text;
	size_t ring_bytes;
	bool no_connect;
};

extern const struct argp record_argp;

/* Fills @spec but for command, runs and warm-ups. What it points to is @o's. -EINVAL, -EPERM,
 * logged: such a user cannot be had. */
int record_options_spec(const struct record_options *o, struct collect_spec *spec);
void record_options_done(struct record_options *o);

#endif
