/* SPDX-License-Identifier: MIT */
/* --ready log: without kernel probes. Descriptors 1 and 2 of the command become pipes; what comes
 * through is written to where they led before, and becomes OUTPUT events. */
#ifndef USERSPACE_COLLECT_READY_LOGPIPE_H
#define USERSPACE_COLLECT_READY_LOGPIPE_H

#include <stdbool.h>
#include <sys/types.h>

#include "userspace/collect/run/collect.h"
#include "userspace/collect/run/source.h"

struct logpipe {
	/* [0]: descriptor 1, [1]: descriptor 2. Where both lead to the same file, one pipe serves
	 * both, so that the order of lines is kept. */
	int read_fds[2];
	int write_fds[2]; /* for the command; -1: leave that descriptor alone */
	int to_fds[2];	  /* where what comes through goes; -1: nowhere */
};

void logpipe_init(struct logpipe *p);
int logpipe_open(struct logpipe *p, enum output output);
/* The command has its copies. */
void logpipe_close_writers(struct logpipe *p);
/* Passes on what can be read from read_fds[i] now. False: it has ended. */
bool logpipe_pass(struct logpipe *p, int i, pid_t pid, struct sink sink);
void logpipe_done(struct logpipe *p);

#endif
