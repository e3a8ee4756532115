/* SPDX-License-Identifier: MIT */
/* What waits on edge-triggered listeners are worth. A connection of startline's wakes who waits; who
 * was woken by whom until somebody accepts shows whether the program stood ready. */

#include "userspace/trace/edge.h"

#include <string.h>
#include <sys/socket.h>

/* All bound what a target can make us remember; real ones stay far below. */
#define WAITS_MAX  1024u
#define SLEEPS_MAX 4096u
#define PROBES_MAX 256u
/* Waiting takes no longer to begin. */
#define FALL_ASLEEP_NS 1000000u
/* The kernel wakes who waits before connect() returns. */
#define WAKE_NS	  1000000u
#define WAKES_MAX 4 /* threads that wake each other until one accepts */
/* A thread that was woken and accepts within that time did little else. */
#define AT_ONCE_NS 50000000u
/* Where nobody tells who was woken by whom: a program that begins to serve just now may seem awaited. */
#define BLIND_AT_ONCE_NS 5000000u

void edge_done(struct edge *e)
{
	vec_done(&e->waits);
	vec_done(&e->sleeps);
	vec_done(&e->probes);
}

static bool is_same_addr(const struct sl_addr *a, const struct sl_addr *b)
{
	return a->family != 0 && a->family == b->family && a->port == b->port &&
	       a->length == b->length && a->length > 0 && a->length <= sizeof(a->bytes) &&
	       memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* Whether @peer, as the server sees it, is our end @from. A port is enough: IPv4 may look like IPv6
 * over there. */
static bool is_our_end(const struct sl_addr *from, const struct sl_addr *peer)
{
	const bool is_internet = peer->family == AF_INET || peer->family == AF_INET6;
	return is_internet && from->family != AF_UNIX ? peer->port == from->port
						      : is_same_addr(from, peer);
}

/* The connection that may have come to @s: of several sockets on one endpoint the kernel chooses. */
static const struct edge_probe *probe_of(const struct edge *e, const struct listening *s,
					 uint64_t until_ns)
{
	const struct edge_probe *last = NULL;
	vec_foreach(probe, &e->probes) {
		if (probe->at_ns <= until_ns && is_same_addr(&probe->to, &s->addr))
			last = probe;
	}
	return last;
}

/* Whether @net, which is about an accepted connection, is about one of them. */
bool edge_is_own(struct edge *e, const struct sl_net *net)
{
	vec_foreach(probe, &e->probes) {
		if (net->op == SL_NET_ACCEPT && net->result >= 0 &&
		    is_our_end(&probe->from, &net->addr))
			probe->sock = net->sock;
		if (probe->sock != 0 && probe->sock == net->sock)
			return true;
	}
	return false;
}

uint64_t edge_meant_for(const struct edge *e, uint64_t sock)
{
	vec_foreach(probe, &e->probes) {
		if (probe->sock == sock && sock != 0)
			return probe->listener;
	}
	return 0;
}

/* Since when the process of @accept stood ready for a connection that came at @at_ns: the wait of one
 * of its threads, but none of them may have run since. time 0: it is not known. */
static struct moment stood_ready(const struct edge *e, const struct listening *s,
				 const struct moment *accept, uint64_t at_ns)
{
	struct moment since = { 0 };
	vec_foreach(wait, &e->waits) {
		/* Where sleeps are not told, another thread than that which accepts proves nothing. */
		if (e->sleeps.n == 0 && wait->since.tid != accept->tid)
			continue;
		if (wait->sock == s->sock && wait->since.pid == accept->pid &&
		    wait->since.time_ns <= at_ns && wait->since.time_ns > since.time_ns)
			since = wait->since;
	}
	const struct moment wait = since;
	vec_foreach(sleep, &e->sleeps) {
		const bool is_the_wait = sleep->tid == wait.tid && sleep->out_ns >= wait.time_ns &&
					 sleep->out_ns < wait.time_ns + FALL_ASLEEP_NS;
		if (sleep->pid != accept->pid || is_the_wait || sleep->out_ns <= since.time_ns ||
		    sleep->out_ns > at_ns)
			continue;
		since.time_ns = sleep->out_ns;
		since.pid = sleep->pid;
		since.tid = sleep->tid;
		since.flags = accept->flags;
	}
	return since;
}

static const struct edge_sleep *sleep_of(const struct edge *e, uint32_t tid)
{
	vec_foreach(sleep, &e->sleeps) {
		if (sleep->tid == tid && sleep->wake_ns != 0)
			return sleep;
	}
	return NULL;
}

/* Whether the connection itself ended @sleep: the kernel wakes who waits while startline connects. A timer
 * is a hard interrupt. */
static bool is_woken_by(const struct edge_sleep *sleep, const struct edge_probe *probe)
{
	return sleep->wake_ns >= probe->at_ns && sleep->wake_ns < probe->at_ns + WAKE_NS &&
	       sleep->context != SL_CONTEXT_HARDIRQ &&
	       (probe->pid == 0 || sleep->waker_pid == probe->pid);
}

/* Whether @accept is what the connection led to: its thread was woken by it, or by a thread that was,
 * and did little else. Waiting for a CPU is not the program's doing. */
static bool is_answer(const struct edge *e, const struct moment *accept,
		      const struct edge_probe *probe)
{
	const struct edge_sleep *sleep = sleep_of(e, accept->tid);
	if (sleep == NULL || accept->time_ns - sleep->back_ns > AT_ONCE_NS)
		return false;
	for (int i = 0; i < WAKES_MAX && sleep != NULL; i++) {
		if (is_woken_by(sleep, probe))
			return true;
		sleep = sleep->context == SL_CONTEXT_TASK ? sleep_of(e, sleep->waker_tid) : NULL;
	}
	return false;
}

static bool is_at_once(const struct edge *e, const struct moment *accept,
		       const struct edge_probe *probe)
{
	if (probe->is_busy)
		return false;
	return e->sleeps.n > 0 ? is_answer(e, accept, probe)
			       : accept->time_ns - probe->at_ns <= BLIND_AT_ONCE_NS;
}

void edge_forget(struct edge *e, uint64_t sock)
{
	size_t kept = 0;
	for (size_t i = 0; i < e->waits.n && e->waits.items != NULL; i++) {
		if (e->waits.items[i].sock != sock)
			e->waits.items[kept++] = e->waits.items[i];
	}
	e->waits.n = kept;
}

void edge_wait_begins(struct edge *e, uint64_t sock, struct moment since)
{
	const struct edge_wait wait = { .sock = sock, .since = since };
	vec_foreach(old, &e->waits) {
		if (old->sock == sock && old->since.tid == since.tid) {
			*old = wait;
			return;
		}
	}
	if (e->waits.n < WAITS_MAX)
		(void)vec_push(&e->waits, wait);
}

/* Whether the wait was still going on when startline connected: then it may be what proves it. */
static bool is_probed_in(const struct edge *e, const struct edge_wait *wait,
			 const struct sl_offcpu *off)
{
	vec_foreach(probe, &e->probes) {
		if (probe->listener == wait->sock && wait->since.time_ns <= probe->at_ns &&
		    off->out_ns <= probe->at_ns && off->event.time_ns >= probe->at_ns)
			return true;
	}
	return false;
}

/* A thread that slept when startline connected has woken, or was asleep in a snapshot. */
static void note_sleep(struct edge *e, const struct sl_offcpu *off)
{
	const bool is_asleep = (off->flags & SL_OFFCPU_STILL) != 0;
	const struct edge_sleep sleep = { .pid = off->event.pid,
					  .tid = off->event.tid,
					  .out_ns = off->out_ns,
					  .wake_ns = is_asleep ? 0 : off->wake_ns,
					  .back_ns = off->event.time_ns,
					  .waker_pid = off->waker_pid,
					  .waker_tid = off->waker_tid,
					  .context = off->context };
	vec_foreach(old, &e->sleeps) {
		if (old->tid != sleep.tid)
			continue;
		if (is_asleep || old->out_ns == off->out_ns)
			*old = sleep;
		else if (off->context != SL_CONTEXT_TASK || off->waker_pid != old->pid)
			old->wake_ns = 0;
		return;
	}
	if (is_asleep && off->wake_ns == 0 && e->sleeps.n < SLEEPS_MAX)
		(void)vec_push(&e->sleeps, sleep);
}

/* A thread that was asleep runs again: it has left its wait. One that was only preempted, or whose
 * record is a snapshot, may still be in it. */
void edge_feed_offcpu(struct edge *e, const struct sl_offcpu *off)
{
	if (off->state == SL_STATE_PREEMPTED)
		return;
	note_sleep(e, off);
	if ((off->flags & SL_OFFCPU_STILL) != 0)
		return;
	size_t kept = 0;
	for (size_t i = 0; i < e->waits.n && e->waits.items != NULL; i++) {
		const struct edge_wait wait = e->waits.items[i];
		if (wait.since.tid != off->event.tid || off->event.time_ns <= wait.since.time_ns ||
		    is_probed_in(e, &wait, off))
			e->waits.items[kept++] = wait;
	}
	e->waits.n = kept;
}

bool edge_feed_probed(struct edge *e, const struct sl_net *net, const struct sl_addr *to)
{
	const struct edge_probe probe = {
		.listener = net->other,
		.pid = net->event.pid,
		.from = net->addr,
		.to = *to,
		.at_ns = net->event.time_ns,
		.is_busy = net->result > 0,
	};
	return e->probes.n < PROBES_MAX && vec_push(&e->probes, probe) == 0;
}

struct moment edge_ready_since(const struct edge *e, const struct listening *s,
			       struct moment accept, bool *ret_is_confirmed)
{
	const struct edge_probe *probe = probe_of(e, s, accept.time_ns);
	*ret_is_confirmed = false;
	if (probe == NULL || !is_at_once(e, &accept, probe))
		return accept;
	const struct moment since = stood_ready(e, s, &accept, probe->at_ns);
	*ret_is_confirmed = since.time_ns != 0;
	return since.time_ns != 0 ? since : accept;
}
