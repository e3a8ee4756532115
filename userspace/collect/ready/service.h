/* SPDX-License-Identifier: MIT */
/* A command in the background that is waited for until it is ready, and not recorded. */
#ifndef USERSPACE_COLLECT_READY_SERVICE_H
#define USERSPACE_COLLECT_READY_SERVICE_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/collect/run/aside.h"
#include "userspace/trace/ready.h"

struct service_spec {
	struct aside_spec command;
	const struct ready_rule *rules; /* that can be watched for: ready_rule_is_watched() */
	size_t n_rules;			/* 0: it is ready when it runs */
	uint64_t timeout_ns;
};

/* Starts it, and returns when it is ready: 0. -ECHILD: it failed or took too long, @why says how; -EINTR:
 * startline was asked to end (aside_hold_signals() comes first); another errno, logged. It is the caller's to
 * stop whatever came out. */
int service_start(const struct service_spec *spec, struct aside *ret, char *why, size_t size);

#endif
