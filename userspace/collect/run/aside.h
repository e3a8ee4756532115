/* SPDX-License-Identifier: MIT */
/* Commands beside the one that is measured: what prepares a run, what puts a load on it, services. None
 * of them is recorded.
 *
 * Each has a keeper: a process between startline and the command, in a session of its own, to which
 * orphans of the command return. It ends all of them when startline wants it or is gone, however it
 * went, and nothing else: what it has not begotten it does not know. */
#ifndef USERSPACE_COLLECT_RUN_ASIDE_H
#define USERSPACE_COLLECT_RUN_ASIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/rights.h"
#include "userspace/collect/run/collect.h"

struct aside_spec {
	char *const *argv;		/* NULL-terminated; searched for in PATH */
	char *const *environment;	/* NULL: ours */
	const char *directory;		/* NULL: ours */
	const struct rights_user *user; /* NULL: as ourselves */
	bool is_shown;			/* its output goes to our standard error; else nowhere */
};

/* A shell command as arguments: sh -c @text. */
#define ASIDE_SHELL(text)                                                                \
	(char *[])                                                                       \
	{                                                                                \
		(char[]){ "/bin/sh" }, (char[]){ "-c" }, (char *)(uintptr_t)(text), NULL \
	}

struct aside {
	pid_t keeper;	/* 0: there is none */
	int fd;		/* readable: aside_ended() has news; -1 */
	bool has_ended; /* the command itself; what it left behind may still run */
	int status;	/* as of wait(2) */
	int exec_errno; /* why it could not be executed; 0 */
};

void aside_init(struct aside *a);
/* Negative errno, logged. */
int aside_start(const struct aside_spec *spec, struct aside *ret);
/* Whether the command has ended; reads the news. */
bool aside_ended(struct aside *a);
/* Waits until it has. -ETIMEDOUT; -EINTR: startline was asked to end, and the signal is still pending. Not
 * logged. */
int aside_wait(struct aside *a, uint64_t timeout_ns);
/* "exit status 3", "killed by signal 9 (Killed)", "cannot execute: …"; "": it ended well. */
void aside_explain(const struct aside *a, char *ret, size_t size);
/* Ends it and all that it has started: asks with SIGTERM, kills after 5 s. Once more does nothing. */
void aside_stop(struct aside *a);
/* Whether @data, a struct aside, has @pid among those. For probe_context.is_of_tree. */
bool aside_has(void *data, pid_t pid);
/* Signals that would end startline stay pending from now on, so that it can tidy up. */
void aside_hold_signals(void);

#endif
