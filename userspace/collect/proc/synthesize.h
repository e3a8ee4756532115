/* SPDX-License-Identifier: MIT */
/* Process events where no kernel probe reports them: the command's own exec and exit, exactly, and
 * its descendants as /proc shows them. What lives shorter than a look at /proc is not seen. */
#ifndef USERSPACE_COLLECT_PROC_SYNTHESIZE_H
#define USERSPACE_COLLECT_PROC_SYNTHESIZE_H

#include <stdint.h>
#include <sys/types.h>

#include "userspace/collect/run/source.h"

/* The command was released at @enter_ns and runs @path by now. */
int synthesize_exec(struct sink sink, pid_t pid, uint64_t enter_ns, const char *path,
		    char *const *argv);
int synthesize_exit(struct sink sink, pid_t pid, int status);
/* Process @ns_pid was gone at @at_ns, nobody knows how. */
int synthesize_gone(struct sink sink, pid_t ns_pid, uint64_t at_ns);
/* A descendant was found. It began in the tick that /proc says, at the end of which it is
 * put, but not before @not_before_ns. */
int synthesize_found(struct sink sink, pid_t pid, pid_t parent, uint64_t not_before_ns);

#endif
