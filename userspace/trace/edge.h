/* SPDX-License-Identifier: MIT */
/* Edge-triggered listeners: who waits on them, who sleeps meanwhile, and what a connection of startline's
 * proves. Only for userspace/trace. */
#ifndef USERSPACE_TRACE_EDGE_H
#define USERSPACE_TRACE_EDGE_H

#include "userspace/base/vec.h"
#include "userspace/trace/listeners.h"

/* A thread in an edge-triggered wait on a listener. */
struct edge_wait {
	uint64_t sock;
	struct moment since;
};

/* A thread that was asleep when startline connected. */
struct edge_sleep {
	uint32_t pid, tid;
	uint64_t out_ns;
	uint64_t wake_ns; /* 0: it still is, or has waited again, not only for its own process */
	uint64_t back_ns; /* on a CPU */
	uint32_t waker_pid, waker_tid;
	uint16_t context; /* enum sl_context */
};

/* A connection made by startline. */
struct edge_probe {
	uint64_t listener;
	uint32_t pid; /* startline's; 0: not as the kernel events know it */
	struct sl_addr to, from;
	uint64_t at_ns;
	bool is_busy;  /* a thread of the program was running then */
	uint64_t sock; /* the accepted end; 0: not known */
};

struct edge {
	struct edge_wait_list VEC(struct edge_wait) waits;
	struct edge_sleep_list VEC(struct edge_sleep) sleeps;
	struct edge_probe_list VEC(struct edge_probe) probes;
};

void edge_done(struct edge *e);
void edge_wait_begins(struct edge *e, uint64_t sock, struct moment since);
/* Waits on @sock are of no interest any more. */
void edge_forget(struct edge *e, uint64_t sock);
void edge_feed_offcpu(struct edge *e, const struct sl_offcpu *off);
/* NET PROBED to @listener, which listens on @to. False: there are too many. */
bool edge_feed_probed(struct edge *e, const struct sl_net *net, const struct sl_addr *to);
/* Whether @net, ACCEPT or FIRST_BYTE, is about a connection of startline's. */
bool edge_is_own(struct edge *e, const struct sl_net *net);
/* The listener that the connection with the accepted end @sock was meant for; 0: it is not startline's. */
uint64_t edge_meant_for(const struct edge *e, uint64_t sock);
/* Since when @s has been ready, given that an accept is tried at @accept: since then, or, where
 * startline's connection was accepted at once (*ret_is_confirmed), since before. */
struct moment edge_ready_since(const struct edge *e, const struct listening *s,
			       struct moment accept, bool *ret_is_confirmed);

#endif
