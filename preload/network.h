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

/* Asked at each call: no system call. */
bool network_is_on(void) HIDDEN;
/* Asked before anything is looked up or told: whether system calls may be made. */
bool network_may_look(void) HIDDEN;
void network_event(const struct network_fact *fact) HIDDEN;
/* Something that should have been told will not be. */
void network_lost(void) HIDDEN;

/* Identity of a socket, the same in all processes; 0: not a socket. */
uint64_t socket_of(int fd) HIDDEN;
/* False when there is no address, or of a family that is not recorded. */
bool address_of(int fd, bool is_peer, struct sl_addr *ret) HIDDEN;
bool address_given(int fd, const void *address, size_t n, struct sl_addr *ret) HIDDEN;

/* ---- listeners (hooks_network_listeners.c) ---- */

/* Of those not yet known to be served; while 0, waiting calls have nothing to look for. */
extern uint32_t network_unready HIDDEN;

void listener_add(int fd) HIDDEN; /* listen() succeeded */
/* It, or an epoll set that holds it, is in a poll or select, which @how tells. */
void listener_waited(int fd, enum sl_ready_how how) HIDDEN;
/* accept is tried. Whether what comes of it is still to be told. */
bool listener_accepting(int fd) HIDDEN;
void listener_accepted(int fd, uint64_t enter_ns, int result) HIDDEN;

void descriptor_closed(int fd) HIDDEN; /* … or about to be */
void descriptor_copied(int from, int to) HIDDEN;

void epoll_made(int epoll_fd) HIDDEN;
void epoll_contains(int epoll_fd, int fd, uint32_t events) HIDDEN; /* added or changed */
void epoll_lacks(int epoll_fd, int fd) HIDDEN;
/* Whether a wait on @epoll_fd begins that epoll_waited() is to end. */
bool epoll_waits(int epoll_fd) HIDDEN;
void epoll_waited(int epoll_fd) HIDDEN;

/* ---- connects that returned EINPROGRESS, until it is known how they ended ---- */

void connect_pending(int fd, uint64_t sock, uint64_t enter_ns, const struct sl_addr *peer) HIDDEN;
extern uint32_t connects_pending HIDDEN;
/* @fd is writable, or has an error: settles a pending connect. */
void connect_settled(int fd) HIDDEN;
void connects_settle_all(void) HIDDEN;

#endif
