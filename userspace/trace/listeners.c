/* SPDX-License-Identifier: MIT */
/* The listeners of a run as a machine that events go through. */

#include "userspace/trace/listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "userspace/base/log.h"
#include "userspace/base/vec.h"
#include "userspace/trace/edge.h"

/* All bound what a target can make us remember; real ones stay far below. */
#define LISTENERS_MAX 4096u
#define BOUND_MAX     1024u /* sockets that are bound and do not listen: the oldest are forgotten */
#define HOLDERS_MAX   4096u
#define PROBES_MAX    16u /* of one of several sockets on one endpoint, until the kernel chooses it */

struct holders VEC(uint32_t);

struct bound {
	uint64_t sock;
	struct sl_addr addr;
	struct moment at;
};

struct listeners {
	struct listening_list VEC(struct listening) items;
	struct bound_list VEC(struct bound) bound;
	struct edge edge;
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
	edge_done(&l->edge);
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
	if ((e->flags & SL_EXIT_PROCESS) == 0 || l->is_over)
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

static void make_ready(struct listeners *l, struct listening *s, struct moment at, unsigned int how)
{
	if (s->ready.time_ns != 0 || l->is_over)
		return;
	s->ready = at;
	s->how = (uint16_t)how;
	l->n_edge -= s->edge.time_ns != 0;
	edge_forget(&l->edge, s->sock);
	decide_first(l);
}

/* The first try to accept from @s. */
static void try_accept(struct listeners *l, struct listening *s, struct moment at, unsigned int how)
{
	const bool is_edge = s->edge.time_ns != 0;
	if (s->ready.time_ns != 0)
		return;
	if (is_edge)
		at = edge_ready_since(&l->edge, s, at, &s->is_confirmed);
	make_ready(l, s, at, is_edge ? SL_HOW_EDGE_ACCEPT : how);
}

static void feed_probed(struct listeners *l, const struct sl_net *net)
{
	struct listening *to = known(l, net->other);
	if (to == NULL || !edge_feed_probed(&l->edge, net, &to->addr))
		return;
	to->is_probed = true;
	to->probed_ns = net->event.time_ns;
	to->n_probes++;
}

/* Of several sockets on one endpoint the kernel chose another: the question is open again. */
static void ask_again(struct listeners *l, const struct sl_net *net)
{
	struct listening *meant = known(l, edge_meant_for(&l->edge, net->sock));
	if (meant != NULL && meant->sock != net->other && meant->n_probes < PROBES_MAX)
		meant->is_probed = false;
}

/* ---- events ---- */

static void feed_accept_ready(struct listeners *l, const struct sl_net *net)
{
	struct listening *s = listening_of(l, net->sock, &net->event, &net->addr);
	if (s == NULL)
		return;
	if (net->how != SL_HOW_EPOLL_EDGE || s->is_datagram) {
		try_accept(l, s, moment_of(&net->event),
			   net->how == SL_HOW_EPOLL_EDGE ? SL_HOW_EPOLL : net->how);
	} else if (s->ready.time_ns == 0 && s->sock != 0) {
		l->n_edge += s->edge.time_ns == 0;
		set_once(&s->edge, moment_of(&net->event));
		edge_wait_begins(&l->edge, net->sock, moment_of(&net->event));
	}
}

/* Of a connection the listener is the other socket. Who tries to accept, with or without success, is
 * ready to. */
static void feed_accept(struct listeners *l, const struct sl_net *net)
{
	const bool is_of_startline = edge_is_own(&l->edge, net);
	struct listening *s = listening_of(l, net->other, &net->event, NULL);
	if (s == NULL)
		return;
	try_accept(l, s, moment_of(&net->event), SL_HOW_ACCEPT);
	if (is_of_startline)
		ask_again(l, net);
	else if (net->result >= 0)
		set_once(&s->accept, moment_of(&net->event));
}

static void feed_first_byte(struct listeners *l, const struct sl_net *net)
{
	struct listening *s = listening_of(l, net->other, &net->event, NULL);
	if (s != NULL && !edge_is_own(&l->edge, net))
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
	if (s != NULL && !l->is_over)
		s->is_closed = true;
	edge_forget(&l->edge, net->sock);
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

bool listeners_feed(struct listeners *l, const struct sl_event *event)
{
	listeners_tick(l, event->time_ns);
	switch (event->kind) {
	case SL_KIND_NET:
		return feed_net(l, (const void *)event);
	case SL_KIND_OFFCPU:
		if (l->n_edge > 0)
			edge_feed_offcpu(&l->edge, (const void *)event);
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
