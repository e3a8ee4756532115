/* SPDX-License-Identifier: MIT */
/* The options that say how a command is recorded: shared by all commands that record. A command has
 * record_argp among the children of its argp, and at ARGP_KEY_INIT gives it a struct record_options; its
 * fields are valid after parsing, defaults included. */
#ifndef USERSPACE_CMD_RECORD_OPTIONS_H
#define USERSPACE_CMD_RECORD_OPTIONS_H

#include <argp.h>
#include <regex.h>
#include <stdbool.h>

#include "userspace/base/vec.h"
#include "userspace/collect/run/collect.h"
#include "userspace/trace/ready.h"

/* How long readiness is waited for, where nothing else is said. */
#define READY_TIMEOUT_NS (60 * NS_PER_S)

struct ready_rules VEC(struct ready_rule);
/* Adds what @spec means. -EINVAL, -ENOMEM, logged. */
int ready_rules_add(struct ready_rules *rules, const char *spec);
void ready_rules_done(struct ready_rules *rules);

struct record_options {
	struct collect_spec spec; /* but for what is below, the command, runs and warm-ups */
	bool has_until, has_timeout, has_heap;
	struct ready_rules ready;
	const char *trace_path;
	const char *user;
	bool has_redact;
	regex_t redact; /* of all that were given */
	char *redact_text;
};

extern const struct argp record_argp;

/* Fills @ret but for command, runs and warm-ups. What it points to is @o's. -EINVAL, -EPERM, logged:
 * such a user cannot be had. */
int record_options_spec(const struct record_options *o, struct collect_spec *ret);
void record_options_done(struct record_options *o);

#endif
