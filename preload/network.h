/* SPDX-License-Identifier: MIT */
/* Sockets as the tier without kernel probes sees them. Only used when SHIM_WRAPS_NETWORK is set. */
#ifndef PRELOAD_NETWORK_H
#define PRELOAD_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/schema.h"
#include "preload/counters.h"

/* A NET event to be; fields as in struct sl_net. */
struct network_fact {
	enum sl_net_op op;
	enum sl_ready_how how;
	uint64_t enter_ns; /* 0: now */
	uint64_t sock;
	uint64_t other;
	int result;
	int fd;
	int backlog;
	const struct sl_addr *addr; /* NULL: none */
};

bool network_is_on(void) HIDDEN;
void network_event(const struct network_fact *fact) HIDDEN;

/* Identity of a socket, the same in all processes; 0: not a socket. */
uint64_t socket_of(int fd) HIDDEN;
/* False when there is no address, or of a family that is not recorded. */
bool address_of(int fd, bool is_peer, struct sl_addr *ret) HIDDEN;
bool address_given(int fd, const void *address, size_t n, struct sl_addr *ret) HIDDEN;

/* Listeners not yet known to be served. While 0, waiting calls have nothing to look for. */
extern uint32_t network_unready HIDDEN;

void listener_add(int fd) HIDDEN;	    /* listen() succeeded */
void listener_waited(int fd) HIDDEN;	    /* it is in a poll or select */
uint64_t listener_accepting(int fd) HIDDEN; /* accept is tried */
void listener_accepted(int fd, uint64_t enter_ns, int result) HIDDEN;

void epoll_contains(int epoll_fd, int fd, bool wants_input, bool is_edge) HIDDEN;
void epoll_waits(int epoll_fd) HIDDEN;
void epoll_wait_counted(int epoll_fd, int change) HIDDEN; /* a thread begins or ends waiting */

/* Connects that returned EINPROGRESS, until it is known how they ended. */
void connect_pending(int fd, uint64_t sock, uint64_t enter_ns, const struct sl_addr *peer) HIDDEN;
extern uint32_t connects_pending HIDDEN;
/* @fd is writable, or has an error: settles a pending connect. */
void connect_settled(int fd) HIDDEN;
void connects_settle_all(void) HIDDEN;

#endif
