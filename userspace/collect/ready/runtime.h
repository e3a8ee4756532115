/* SPDX-License-Identifier: MIT */
/* What is known about the runtime that a program was built with. */
#ifndef USERSPACE_COLLECT_READY_RUNTIME_H
#define USERSPACE_COLLECT_READY_RUNTIME_H

#include <sys/types.h>

/* Whether the program of @pid always tries to accept before it waits for a connection, so that no
 * wait says anything: its runtime's name; NULL: none that is known. */
const char *runtime_that_tries_first(pid_t pid);

#endif
