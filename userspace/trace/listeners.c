/* SPDX-License-Identifier: MIT */
/* The listeners of a run as a machine that events go through. */

#include "userspace/trace/listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "userspace/base/log.h"
#include "userspace/base/vec.h"

/* All bound what a target can make us remember; real ones stay far below. */
#define LISTENERS_MAX 4096u
#define BOUND_MAX     1024u /* sockets that are bound and do not listen: the oldest are forgotten */
#define WAITS_MAX     1024u
#define SLEEPS_MAX    4096u
#define PROBES_MAX    256u
#define HOLDERS_MAX   4096u
/* Waiting takes no longer to begin. */
#define FALL_ASLEEP_NS 1000000u

struct holders VEC(uint32_t);

struct bound {
	uint64_t sock;
	struct sl_addr addr;
	struct moment at;
};

/* A thread in an edge-triggered wait on a listener. */
struct wait {
	uint64_t sock;
	struct moment since;
};

/* A thread that was asleep when startline connected. */
struct sleep {
	uint32_t pid, tid;
	uint64_t out_ns;
	uint64_t wake_ns; /* 0: it still is */
};

/* A connection made by startline. */
struct probe {
	struct sl_addr to, from;
	uint64_t at_ns;
	uint64_t sock; /* the accepted end; 0: not known */
};

struct listeners {
	struct listening_list VEC(struct listening) items;
	struct bound_list VEC(struct bound) bound;
	struct wait_list VEC(struct wait) waits;
	struct sleep_list VEC(struct sleep) sleeps;
	struct probe_list VEC(struct probe) probes;
	struct sl_addr datagram;
	size_t next_bound; /* to be replaced */
	size_t first;	   /* decided: index + 1 */
	size_t n_edge;	   /* edge-triggered and not ready: only then waits matter */
	uint64_t now_ns;
	bool has_stream;
	bool is_over; /* the run is being stopped: nothing gets ready any more */
};

int listeners_new(struct listeners **ret)
{
	struct listeners *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return fail(-ENOMEM, "no memory to follow listeners");
	*ret = l;
	return 0;
}

static void drop_holders(struct listening *s)
{
	if (s->holders != NULL)
		vec_done(s->holders);
	free(s->holders);
	s->holders = NULL;
}

struct listeners *listeners_free(struct listeners *l)
{
	if (l == NULL)
		return NULL;
	vec_foreach(s, &l->items)
		drop_holders(s);
	vec_done(&l->items);
	vec_done(&l->bound);
	vec_done(&l->waits);
	vec_done(&l->sleeps);
	vec_done(&l->probes);
	free(l);
	return NULL;
}

size_t listeners_count(const struct listeners *l)
{
	return l->items.n;
}

const struct listening *listeners_at(const struct listeners *l, size_t i)
{
	return &l->items.items[i];
}

static struct listening *known(const struct listeners *l, uint64_t sock)
{
	vec_foreach(s, &l->items) {
		if (s->sock == sock)
			return s;
	}
	return NULL;
}

const struct listening *listeners_find(const struct listeners *l, uint64_t sock)
{
	return known(l, sock);
}

static struct moment moment_of(const struct sl_event *event)
{
	return (struct moment){
		.time_ns = event->time_ns,
		.pid = event->pid,
		.tid = event->tid,
		.flags = event->flags,
	};
}

static void set_once(struct moment *moment, struct moment now)
{
	if (moment->time_ns == 0)
		*moment = now;
}

/* ---- who can still accept from it ---- */

static bool holds(const struct listening *s, uint32_t pid)
{
	vec_foreach(holder, s->holders) {
		if (*holder == pid)
			return true;
	}
	return false;
}

static void add_holder(struct listening *s, uint32_t pid)
{
	if (s->holders == NULL)
		s->holders = calloc(1, sizeof(*s->holders));
	if (s->holders != NULL && pid != 0 && s->holders->n < HOLDERS_MAX && !holds(s, pid))
		(void)vec_push(s->holders, pid);
}

static bool feed_task(struct listeners *l, const struct sl_task *task)
{
	if ((task->flags & SL_TASK_THREAD) != 0)
		return false;
	vec_foreach(s, &l->items) {
		if (s->holders != NULL && holds(s, task->parent_pid))
			add_holder(s, task->event.pid);
	}
	return false;
}

static bool feed_exit(struct listeners *l, const struct sl_exit *e)
{
	bool is_changed = false;
	if ((e->flags & SL_EXIT_PROCESS) == 0)
		return false;
	vec_foreach(s, &l->items) {
		size_t kept = 0;
		/* Of those that were not counted one may live. */
		if (s->holders == NULL || s->holders->items == NULL || s->is_closed ||
		    s->holders->n == HOLDERS_MAX)
			continue;
		for (size_t i = 0; i < s->holders->n; i++) {
			if (s->holders->items[i] != e->event.pid)
				s->holders->items[kept++] = s->holders->items[i];
		}
		s->holders->n = kept;
		s->is_closed = kept == 0;
		is_changed |= s->is_closed;
	}
	return is_changed;
}

/* ---- which is the first ---- */

static bool is_settled(const struct listeners *l, const struct listening *s)
{
	return !l->has_stream && s->ready.time_ns != 0 &&
	       l->now_ns >= s->ready.time_ns + LISTENERS_SETTLE_NS;
}

/* 0 is the best; -1: it cannot be the first. */
static int rank(const struct listeners *l, const struct listening *s)
{
	if (s->is_datagram)
		return is_settled(l, s) ? 2 : -1;
	return s->listen.time_ns != 0 && !s->is_inherited ? 0 : 1;
}

static const struct listening *first_of(const struct listeners *l, bool is_open)
{
	const struct listening *best = NULL;
	vec_foreach(s, &l->items) {
		const int it = rank(l, s);
		if (it < 0 || (is_open && s->is_closed))
			continue;
		if (best == NULL || it < rank(l, best))
			best = s;
	}
	return best;
}

const struct listening *listeners_first(const struct listeners *l)
{
	if (l->first != 0)
		return &l->items.items[l->first - 1];
	const struct listening *open = first_of(l, true);
	return open != NULL ? open : first_of(l, false);
}

static void decide_first(struct listeners *l)
{
	const struct listening *open = l->first != 0 ? NULL : first_of(l, true);
	if (open != NULL && open->ready.time_ns != 0)
		l->first = (size_t)(open - l->items.items) + 1;
}

const struct sl_addr *listeners_datagram(const struct listeners *l)
{
	return l->datagram.family != 0 ? &l->datagram : NULL;
}

uint64_t listeners_deadline(const struct listeners *l)
{
	uint64_t at_ns = 0;
	if (l->first != 0 || l->has_stream)
		return 0;
	vec_foreach(s, &l->items) {
		if (s->ready.time_ns != 0 && (at_ns == 0 || s->ready.time_ns < at_ns))
			at_ns = s->ready.time_ns;
	}
	return at_ns != 0 ? at_ns + LISTENERS_SETTLE_NS : 0;
}

void listeners_tick(struct listeners *l, uint64_t now_ns)
{
	if (now_ns > l->now_ns)
		l->now_ns = now_ns;
	if (!l->has_stream)
		decide_first(l);
}

/* ---- sockets that are bound ---- */

static void feed_bind(struct listeners *l, const struct sl_net *net)
{
	const struct bound bound = { .sock = net->sock,
				     .addr = net->addr,
				     .at = moment_of(&net->event) };
	if (net->sock == 0)
		return;
	const bool is_internet = net->addr.family == AF_INET || net->addr.family == AF_INET6;
	if (net->addr.type == SOCK_DGRAM && is_internet && l->datagram.family == 0)
		l->datagram = net->addr;
	if (l->bound.n < BOUND_MAX)
		(void)vec_push(&l->bound, bound);
	else
		l->bound.items[l->next_bound++ % BOUND_MAX] = bound;
}

static const struct bound *bound_of(const struct listeners *l, uint64_t sock)
{
	const struct bound *last = NULL;
	vec_foreach(bound, &l->bound) {
		if (bound->sock == sock)
			last = bound;
	}
	return sock != 0 ? last : NULL;
}

/* ---- listeners ---- */

/* The one of that identity, made if it is new; NULL: there are too many. @local: its address, if
 * @event tells. */
static struct listening *listening_of(struct listeners *l, uint64_t sock,
				      const struct sl_event *event, const struct sl_addr *local)
{
	struct listening *s = known(l, sock);
	if (s == NULL) {
		const struct bound *bound = bound_of(l, sock);
		struct listening fresh = { .sock = sock, .seen = moment_of(event) };
		if (bound != NULL) {
			fresh.bind = bound->at;
			fresh.addr = bound->addr;
		}
		if (l->items.n >= LISTENERS_MAX || vec_push(&l->items, fresh) < 0)
			return NULL;
		s = vec_last(&l->items);
	}
	/* The port is known once it listens, if the kernel was to choose it. */
	if (local != NULL && local->family != 0 && (s->addr.family == 0 || s->addr.port == 0))
		s->addr = *local;
	s->is_datagram = s->addr.type == SOCK_DGRAM;
	l->has_stream |= !s->is_datagram;
	add_holder(s, event->pid);
	return s;
}

static void forget_waits(struct listeners *l, uint64_t sock)
{
	size_t kept = 0;
	for (size_t i = 0; i < l->waits.n && l->waits.items != NULL; i++) {
		if (l->waits.items[i].sock != sock)
			l->waits.items[kept++] = l->waits.items[i];
	}
	l->waits.n = kept;
}

static void make_ready(struct listeners *l, struct listening *s, struct moment at, unsigned int how)
{
	if (s->ready.time_ns != 0 || l->is_over)
		return;
	s->ready = at;
	s->how = (uint16_t)how;
	l->n_edge -= s->edge.time_ns != 0;
	forget_waits(l, s->sock);
	decide_first(l);
}

static void begin_wait(struct listeners *l, const struct sl_net *net)
{
	const struct wait wait = { .sock = net->sock, .since = moment_of(&net->event) };
	vec_foreach(old, &l->waits) {
		if (old->sock == wait.sock && old->since.tid == wait.since.tid) {
			*old = wait;
			return;
		}
	}
	if (l->waits.n < WAITS_MAX)
		(void)vec_push(&l->waits, wait);
}

/* ---- connections of startline's own ---- */

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
static const struct probe *probe_of(const struct listeners *l, const struct listening *s,
				    uint64_t until_ns)
{
	const struct probe *last = NULL;
	vec_foreach(probe, &l->probes) {
		if (probe->at_ns <= until_ns && is_same_addr(&probe->to, &s->addr))
			last = probe;
	}
	return last;
}

/* Whether @net, which is about an accepted connection, is about one of them. */
static bool is_own(struct listeners *l, const struct sl_net *net)
{
	vec_foreach(probe, &l->probes) {
		if (net->op == SL_NET_ACCEPT && net->result >= 0 &&
		    is_our_end(&probe->from, &net->addr))
			probe->sock = net->sock;
		if (probe->sock != 0 && probe->sock == net->sock)
			return true;
	}
	return false;
}

/* Since when the process of @accept stood ready for a connection that came at @at_ns: the wait of one
 * of its threads, but none of them may have run since. time 0: it is not known. */
static struct moment stood_ready(const struct listeners *l, const struct listening *s,
				 const struct moment *accept, uint64_t at_ns)
{
	struct moment since = { 0 };
	vec_foreach(wait, &l->waits) {
		if (wait->sock == s->sock && wait->since.pid == accept->pid &&
		    wait->since.time_ns <= at_ns && wait->since.time_ns > since.time_ns)
			since = wait->since;
	}
	const struct moment wait = since;
	vec_foreach(sleep, &l->sleeps) {
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

/* When the thread of @accept woke for a connection that came at @at_ns, else when it tried: waiting
 * for a CPU is not the program's doing. */
static uint64_t woken_for(const struct listeners *l, const struct moment *accept, uint64_t at_ns)
{
	vec_foreach(sleep, &l->sleeps) {
		if (sleep->tid == accept->tid && sleep->wake_ns >= at_ns &&
		    sleep->wake_ns < accept->time_ns)
			return sleep->wake_ns;
	}
	return accept->time_ns;
}

/* The first try to accept from @s. */
static void try_accept(struct listeners *l, struct listening *s, struct moment at, unsigned int how)
{
	const struct probe *probe = s->edge.time_ns != 0 ? probe_of(l, s, at.time_ns) : NULL;
	const unsigned int shown = s->edge.time_ns != 0 ? SL_HOW_EDGE_ACCEPT : how;
	if (s->ready.time_ns != 0 || probe == NULL) {
		make_ready(l, s, at, shown);
		return;
	}
	const struct moment since = stood_ready(l, s, &at, probe->at_ns);
	s->is_confirmed = since.time_ns != 0 &&
			  woken_for(l, &at, probe->at_ns) - probe->at_ns <= LISTENERS_AT_ONCE_NS;
	make_ready(l, s, s->is_confirmed ? since : at, s->is_confirmed ? SL_HOW_EPOLL_EDGE : shown);
}

static void feed_probed(struct listeners *l, const struct sl_net *net)
{
	struct listening *to = known(l, net->other);
	if (to == NULL || l->probes.n >= PROBES_MAX)
		return;
	to->probed_ns = net->event.time_ns;
	(void)vec_push(&l->probes, (struct probe){
					   .from = net->addr,
					   .to = to->addr,
					   .at_ns = net->event.time_ns,
				   });
}

/* ---- events ---- */

static void feed_accept_ready(struct listeners *l, const struct sl_net *net)
{
	struct listening *s = listening_of(l, net->sock, &net->event, &net->addr);
	if (s == NULL)
		return;
	if (net->how != SL_HOW_EPOLL_EDGE || s->is_datagram) {
		try_accept(l, s, moment_of(&net->event), net->how);
	} else if (s->ready.time_ns == 0 && s->sock != 0) {
		l->n_edge += s->edge.time_ns == 0;
		set_once(&s->edge, moment_of(&net->event));
		begin_wait(l, net);
	}
}

/* Of a connection the listener is the other socket. Who tries to accept, with or without success, is
 * ready to. */
static void feed_accept(struct listeners *l, const struct sl_net *net)
{
	const bool is_of_startline = is_own(l, net);
	struct listening *s = listening_of(l, net->other, &net->event, NULL);
	if (s == NULL)
		return;
	try_accept(l, s, moment_of(&net->event), SL_HOW_ACCEPT);
	if (net->result >= 0 && !is_of_startline)
		set_once(&s->accept, moment_of(&net->event));
}

static void feed_first_byte(struct listeners *l, const struct sl_net *net)
{
	struct listening *s = listening_of(l, net->other, &net->event, NULL);
	if (s != NULL && !is_own(l, net))
		set_once(&s->byte, moment_of(&net->event));
}

static void feed_listen(struct listeners *l, const struct sl_net *net)
{
	struct listening *s = listening_of(l, net->sock, &net->event, &net->addr);
	if (s == NULL)
		return;
	if (s->listen.time_ns == 0)
		s->is_inherited = net->op == SL_NET_INHERITED;
	set_once(&s->listen, moment_of(&net->event));
	s->is_closed = false;
}

/* A port that was only tried: it will not be ready, and need not be. */
static void feed_closed(struct listeners *l, const struct sl_net *net)
{
	struct listening *s = known(l, net->sock);
	if (s != NULL)
		s->is_closed = true;
	forget_waits(l, net->sock);
}

static bool feed_net(struct listeners *l, const struct sl_net *net)
{
	switch ((enum sl_net_op)net->op) {
	case SL_NET_BIND:
		if (net->result >= 0)
			feed_bind(l, net);
		return false;
	case SL_NET_LISTEN:
	case SL_NET_INHERITED:
		if (net->result >= 0)
			feed_listen(l, net);
		return true;
	case SL_NET_ACCEPT_READY:
		feed_accept_ready(l, net);
		return true;
	case SL_NET_ACCEPT:
		feed_accept(l, net);
		return true;
	case SL_NET_FIRST_BYTE:
		feed_first_byte(l, net);
		return true;
	case SL_NET_CLOSED:
		feed_closed(l, net);
		return true;
	case SL_NET_PROBED:
		feed_probed(l, net);
		return false;
	case SL_NET_CONNECT:
	case SL_NET_ESTABLISHED:
	case SL_NET_REFUSED:
	case SL_NET_REPLY:
	case SL_NET_SENDTO:
	default: /* from a newer recorder */
		return false;
	}
}

/* Whether the wait was still going on when startline connected: then it may be what proves it. */
static bool is_probed_in(const struct listeners *l, const struct wait *wait,
			 const struct sl_offcpu *off)
{
	const struct listening *s = known(l, wait->sock);
	return s != NULL && s->probed_ns != 0 && wait->since.time_ns <= s->probed_ns &&
	       off->out_ns <= s->probed_ns && off->event.time_ns >= s->probed_ns;
}

/* A thread that slept when startline connected has woken, or was asleep in a snapshot. */
static void note_sleep(struct listeners *l, const struct sl_offcpu *off)
{
	const bool is_asleep = (off->flags & SL_OFFCPU_STILL) != 0;
	const struct sleep sleep = { .pid = off->event.pid,
				     .tid = off->event.tid,
				     .out_ns = off->out_ns };
	vec_foreach(old, &l->sleeps) {
		if (old->tid != sleep.tid)
			continue;
		if (is_asleep)
			*old = sleep;
		else if (old->out_ns == off->out_ns)
			old->wake_ns = off->wake_ns;
		return;
	}
	if (is_asleep && off->wake_ns == 0 && l->sleeps.n < SLEEPS_MAX)
		(void)vec_push(&l->sleeps, sleep);
}

/* A thread that was asleep runs again: it has left its wait. One that was only preempted, or whose
 * record is a snapshot, may still be in it. */
static void feed_offcpu(struct listeners *l, const struct sl_offcpu *off)
{
	if (l->n_edge == 0 || off->state == SL_STATE_PREEMPTED)
		return;
	note_sleep(l, off);
	if ((off->flags & SL_OFFCPU_STILL) != 0)
		return;
	size_t kept = 0;
	for (size_t i = 0; i < l->waits.n && l->waits.items != NULL; i++) {
		const struct wait wait = l->waits.items[i];
		if (wait.since.tid != off->event.tid || off->event.time_ns <= wait.since.time_ns ||
		    is_probed_in(l, &wait, off))
			l->waits.items[kept++] = wait;
	}
	l->waits.n = kept;
}

bool listeners_feed(struct listeners *l, const struct sl_event *event)
{
	listeners_tick(l, event->time_ns);
	switch (event->kind) {
	case SL_KIND_NET:
		return feed_net(l, (const void *)event);
	case SL_KIND_OFFCPU:
		feed_offcpu(l, (const void *)event);
		return false;
	case SL_KIND_TASK:
		return feed_task(l, (const void *)event);
	case SL_KIND_EXIT:
		return feed_exit(l, (const void *)event);
	case SL_KIND_MARK:
		l->is_over |= ((const struct sl_mark *)(const void *)event)->mark == SL_MARK_STOP;
		return false;
	default:
		return false;
	}
}
