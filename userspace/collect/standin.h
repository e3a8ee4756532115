/* SPDX-License-Identifier: MIT */
/* Process events where no kernel probe reports them: the command's own exec and exit, exactly, and
 * its descendants as /proc shows them. What lives shorter than a look at /proc is not seen. */
#ifndef USERSPACE_COLLECT_STANDIN_H
#define USERSPACE_COLLECT_STANDIN_H

#include <stdint.h>
#include <sys/types.h>

#include "userspace/collect/internal.h"

/* The command was released at @enter_ns and runs @path by now. */
int standin_exec(struct sink sink, pid_t pid, uint64_t enter_ns, const char *path,
		 char *const *argv);
int standin_exit(struct sink sink, pid_t pid, int status);
/* Process @ns_pid was gone at @at_ns, nobody knows how. */
int standin_gone(struct sink sink, pid_t ns_pid, uint64_t at_ns);
/* A descendant was found. It began in the tick that /proc says, at the end of which it is
 * put, but not before @not_before_ns. */
int standin_found(struct sink sink, pid_t pid, pid_t parent, uint64_t not_before_ns);

#endif
