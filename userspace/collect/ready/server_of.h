/* SPDX-License-Identifier: MIT */
/* Which process serves an endpoint on this machine, from /proc. */
#ifndef USERSPACE_COLLECT_READY_SERVER_OF_H
#define USERSPACE_COLLECT_READY_SERVER_OF_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct server {
	bool is_ours; /* one of its processes is */
	pid_t pid;    /* of one that is not; 0: it cannot be seen */
	char name[64];
};

/* Who listens where a connection to @to leads; @is_ours tells of a process whether it is one of those
 * asked about. False: nobody in this network namespace does, or it cannot be told. */
bool server_of(const struct sockaddr *to, bool (*is_ours)(void *data, pid_t pid), void *data,
	       struct server *ret);

#endif
