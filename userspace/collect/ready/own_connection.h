/* SPDX-License-Identifier: MIT */
/* One connection to a listener, made where the program lives: in its network namespace, and for a path
 * under its root. Nothing is sent over it. */
#ifndef USERSPACE_COLLECT_READY_OWN_CONNECTION_H
#define USERSPACE_COLLECT_READY_OWN_CONNECTION_H

#include <sys/types.h>

#include "bpf/schema.h"

struct own_connection {
	int fd;		    /* -1: none */
	struct sl_addr to;  /* the listener */
	struct sl_addr end; /* our own end, by which a server knows us */
	pid_t pid;	    /* whose namespaces and root */
};

/* Prepares our end. Negative errno, not logged. */
int own_connection_open(struct own_connection *c, const struct sl_addr *to, pid_t pid);
/* Connects. 0: the listener's queue has it. Negative errno, not logged. */
int own_connection_make(struct own_connection *c);
void own_connection_done(struct own_connection *c);

#endif
