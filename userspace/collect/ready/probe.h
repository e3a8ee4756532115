/* SPDX-License-Identifier: MIT */
/* Watching for the --ready conditions that events do not tell: notify, file, quiet (told by the
 * kernel), and tcp, http, cmd (probed). Each appends MARK READY once, when it comes to hold. */
#ifndef USERSPACE_COLLECT_READY_PROBE_H
#define USERSPACE_COLLECT_READY_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/collect/run/source.h"
#include "userspace/trace/ready.h"

/* From a failed probe to the next. */
#define PROBE_BACKOFF_NS 20000000ull

struct probes;

struct probe_context {
	const struct ready_rule *rules;
	size_t n_rules;
	const struct rights_user *user; /* commands are probed as this one; NULL: as ourselves */
	struct sink sink;
	/* Since when no thread of the tree has been running; 0: one runs, or there is none. */
	uint64_t (*idle_since)(void *data);
	bool (*is_of_tree)(void *data, pid_t pid);
	void *data;
};

/* Prepares everything before the command starts. *ret is NULL when no rule is watched. Negative
 * errno, logged. */
int probes_new(const struct probe_context *context, struct probes **ret);
/* "NOTIFY_SOCKET=…" for the command's environment, or NULL. */
const char *probes_environment(const struct probes *p);
/* The command was released. */
void probes_start(struct probes *p, uint64_t now);
/* Readable when something may have happened; to be polled. */
int probes_fd(const struct probes *p);
/* Looks at all conditions. -EADDRINUSE, logged: what holds is another process's doing. */
int probes_step(struct probes *p, uint64_t now);
/* When to call probes_step() even if nothing happens; 0: only when readable. */
uint64_t probes_deadline(const struct probes *p);
/* How probing for @rule failed the last time, or "". Valid until the next call for it. */
const char *probes_failure(struct probes *p, const struct ready_rule *rule);
/* Names the conditions that do not hold, each with how it failed: "accept:80, tcp:db:5432 (Connection refused)".
 * @p: NULL where nothing is probed. */
void probes_missing(struct probes *p, const struct ready_watch *watch,
		    const struct ready_rule *rules, size_t n_rules, char *ret, size_t size);
struct probes *probes_free(struct probes *p); /* NULL */

/* ---- one attempt over the network; ready_net.c ---- */

struct attempt;

/* Parses and resolves. */
int attempt_new(const struct ready_rule *rule, struct attempt **ret);
struct attempt *attempt_free(struct attempt *a);
/* Starts connecting. Returns a descriptor to poll, or a negative errno: try again later. */
int attempt_start(struct attempt *a, uint64_t now);
int attempt_fd(const struct attempt *a);
/* Connects to each of its addresses for a moment, and says whether one answers: then which. */
const struct sockaddr *attempt_is_open(const struct attempt *a);
/* The address that is tried, or was last. */
const struct sockaddr *attempt_address(const struct attempt *a);
/* What poll shall wait for now: EPOLLIN or EPOLLOUT. */
uint32_t attempt_events(const struct attempt *a);
enum attempt_state { ATTEMPT_GOES_ON, ATTEMPT_FAILED, ATTEMPT_HOLDS };
enum attempt_state attempt_step(struct attempt *a, uint64_t now);
/* How the last one failed: "Connection refused", "status 403"; "" when none did. */
const char *attempt_failure(const struct attempt *a);

#endif
