/* SPDX-License-Identifier: MIT */
/* --ready log: without kernel probes. Descriptors 1 and 2 of the command become pipes; a relay passes
 * what comes through to where they led before, and what matters comes here as OUTPUT events. */
#ifndef USERSPACE_COLLECT_READY_LOGPIPE_H
#define USERSPACE_COLLECT_READY_LOGPIPE_H

#include <stdbool.h>
#include <sys/types.h>

#include "userspace/collect/run/collect.h"
#include "userspace/collect/run/source.h"

struct logpipe {
	/* [0]: descriptor 1, [1]: descriptor 2. Where both lead to the same file, one pipe serves
	 * both, so that the order of lines is kept. */
	int fds[2];	  /* readable: an event; -1: there is no relay of its own */
	int write_fds[2]; /* for the command; -1: leave that descriptor alone */
	pid_t relays[2];
};

void logpipe_init(struct logpipe *p);
/* @rules are those of the spec. Negative errno, logged. */
int logpipe_open(struct logpipe *p, const struct collect_spec *spec);
/* The command has its copies. */
void logpipe_close_writers(struct logpipe *p);
/* Takes what has come from fds[i]. False: there will be no more. */
bool logpipe_take(struct logpipe *p, int i, pid_t pid, struct sink sink);
/* Waits until all that was written so far has been passed on and what matters of it has arrived; not for
 * ever, and not when startline is asked to end. */
void logpipe_flush(struct logpipe *p, pid_t pid, struct sink sink);
/* Nobody wants to know of output any more. */
void logpipe_stop_looking(struct logpipe *p);
void logpipe_done(struct logpipe *p);

#endif
