/* SPDX-License-Identifier: MIT */
/* The code that a process has mapped, by /proc/PID/maps. */
#ifndef USERSPACE_STACKS_PROC_MAPS_H
#define USERSPACE_STACKS_PROC_MAPS_H

#include <stdbool.h>
#include <sys/types.h>

#include "userspace/base/buf.h"
#include "userspace/stacks/spaces.h"

struct proc_maps {
	pid_t pid;
	struct buf text;
	char *rest;
};

/* To be ended whatever is returned. */
int proc_maps_begin(struct proc_maps *m, pid_t pid);
void proc_maps_end(struct proc_maps *m);
/* The next mapping that can be executed; valid until the next call. */
bool proc_maps_next(struct proc_maps *m, struct mapping *ret);

#endif
