/* SPDX-License-Identifier: MIT */
/* Listeners: who listens where, and the points of each on the way to its first client (R3 to R8 of
 * the readiness ladder), by the identity of the socket. The one definition of when a listener is
 * ready; readiness rules, ladder, metrics and findings read it. Pure: time comes in with events.
 *
 * A listener is ready at the first wait that includes it, or the first try to accept. An
 * edge-triggered wait does not count by itself: a program that sleeps after listen() waits just the
 * same. The first try to accept counts there, or a connection that startline makes (NET PROBED):
 *
 * - accepted at once, the program stood ready since the waiting thread began that wait, but not
 *   before the last thread of its process went to sleep: that one may have opened the door;
 * - accepted later, or while another thread was running and may have opened it: since that accept.
 *
 * A bound datagram socket stands in for a listener where nothing listens on a stream. */
#ifndef USERSPACE_TRACE_LISTENERS_H
#define USERSPACE_TRACE_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/schema.h"

/* For so long no stream socket may listen before a datagram socket counts. */
#define LISTENERS_SETTLE_NS 100000000ull

struct moment {
	uint64_t time_ns; /* 0: not seen */
	uint32_t pid, tid;
	uint16_t flags; /* as of struct sl_event: whose pid it is */
};

struct listening {
	uint64_t sock; /* 0: all those that cannot be told apart */
	struct sl_addr addr;
	bool is_datagram;
	bool is_inherited;	    /* it listened before the program began */
	bool is_closed;		    /* closed, or none of its processes lives */
	struct moment seen;	    /* of its first event as a listener */
	struct moment bind, listen; /* listen: also when it is first seen as inherited */
	struct moment edge;	    /* the first edge-triggered wait */
	struct moment ready;	    /* in a way that counts */
	uint16_t how;		    /* of that: enum sl_ready_how */
	bool is_confirmed;	    /* … a connection of startline's proved it */
	struct moment accept, byte; /* of clients, startline left out */
	bool is_probed;		 /* startline connected, and the connection is there or was taken */
	uint64_t probed_ns;	 /* … last */
	uint32_t n_probes;	 /* … and how often */
	struct holders *holders; /* private */
};

struct listeners;

int listeners_new(struct listeners **ret);
struct listeners *listeners_free(struct listeners *l); /* NULL */

/* Feeds one event, in order of time. True if something about a listener may have changed. */
bool listeners_feed(struct listeners *l, const struct sl_event *event);
/* It is now @now_ns. */
void listeners_tick(struct listeners *l, uint64_t now_ns);
/* When a tick may change something; 0: never. */
uint64_t listeners_deadline(const struct listeners *l);

/* In order of their first events. */
size_t listeners_count(const struct listeners *l);
const struct listening *listeners_at(const struct listeners *l, size_t i);
/* By identity, or NULL. */
const struct listening *listeners_find(const struct listeners *l, uint64_t sock);
/* The first of the tree to listen, of those still open; where none listened, the first that was
 * inherited or passed on; where no stream socket listens, the first datagram socket that is ready.
 * Once it is ready it stays the first. NULL: none. */
const struct listening *listeners_first(const struct listeners *l);
/* A bound datagram socket, for a hint: NULL: there is none. */
const struct sl_addr *listeners_datagram(const struct listeners *l);

#endif
