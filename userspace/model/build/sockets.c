/* SPDX-License-Identifier: MIT */
/* Sockets by identity: listeners as trace/listeners.h has followed them, connections with their
 * replies. Peers in the same tree are found by the endpoint they listen on. */
#include "userspace/model/build/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static struct socket *socket_make(struct builder *b, uint64_t sock)
{
	int index = sock == 0 ? -1 : id_map_get(&b->by_sock, sock);
	if (index < 0) {
		index = (int)b->sockets.n;
		const struct socket fresh = {
			.sock = sock,
			.connection = -1,
			.listener = -1,
		};
		if (vec_push(&b->sockets, fresh) < 0 ||
		    (sock != 0 && id_map_set(&b->by_sock, sock, index) < 0)) {
			b->error = -ENOMEM;
			return NULL;
		}
	}
	return &b->sockets.items[index];
}

const struct socket *socket_of(const struct builder *b, uint64_t sock)
{
	const int index = sock == 0 ? -1 : id_map_get(&b->by_sock, sock);
	return index < 0 ? NULL : &b->sockets.items[index];
}

static struct connection_note *connection_new(struct builder *b, const struct sl_net *e, int proc)
{
	struct socket *s = socket_make(b, e->sock);
	if (s == NULL)
		return NULL;
	const struct connection_note note = {
		.proc = proc,
		.tid = e->event.tid,
		.out = {
			.peer = text_endpoint(b->arena, &e->addr),
			.start_ns = rel(b, e->enter_ns != 0 ? e->enter_ns : e->event.time_ns),
			.duration_ns = UNKNOWN,
			.reply_ns = UNKNOWN,
			.result = "ok",
		},
	};
	s->peer = note.out.peer;
	s->is_dns = text_is_dns(&e->addr);
	s->connection = (int)b->connections.n;
	push(b, &b->connections, note);
	return b->error < 0 ? NULL : vec_last(&b->connections);
}

static struct connection_note *connection_of(struct builder *b, uint64_t sock)
{
	const struct socket *s = socket_of(b, sock);
	return s == NULL || s->connection < 0 ? NULL : &b->connections.items[s->connection];
}

static void came_through(struct builder *b, struct connection_note *c, uint64_t at_ns, int result)
{
	c->is_pending = false;
	c->out.duration_ns = rel(b, at_ns) - c->out.start_ns;
	/* -1 stands for a failure whose errno the kernel did not tell. */
	c->out.result = result >= 0 ? "ok" : result == -1 ? "failed" : text_errno(b->arena, result);
}

static void deliver(struct builder *b, const struct sl_net *e, int proc, uint64_t since_ns,
		    bool is_connect)
{
	push(b, &b->deliveries,
	     (struct delivery){
		     .at_ns = e->event.time_ns,
		     .proc = proc,
		     .tid = e->event.tid,
		     .sock = e->sock,
		     .since_ns = since_ns,
		     .is_connect = is_connect,
	     });
}

/* A connection is through a moment before it wakes who waits for it; data is read after. */
#define CONNECT_LEAD_NS 50000
#define MAX_DELIVERIES	64 /* looked at, per wait */

const struct delivery *delivery_of(const struct builder *b, int proc, uint32_t tid,
				   uint64_t wake_ns, uint64_t back_ns, uint64_t next_ns)
{
	const uint64_t from = wake_ns > CONNECT_LEAD_NS ? wake_ns - CONNECT_LEAD_NS : 0;
	size_t low = 0, high = b->deliveries.n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (b->deliveries.items[middle].at_ns < from)
			low = middle + 1;
		else
			high = middle;
	}
	for (int n = 0; low < b->deliveries.n && n < MAX_DELIVERIES; low++, n++) {
		const struct delivery *d = &b->deliveries.items[low];
		if (d->at_ns >= next_ns)
			break;
		/* The former may run in somebody else's context, so its tid says nothing. */
		if (d->is_connect ? d->proc == proc && d->at_ns <= back_ns
				  : d->tid == tid && d->at_ns >= wake_ns)
			return d;
	}
	return NULL;
}

static void add_reply(struct builder *b, struct connection_note *c, const struct sl_net *e)
{
	if (e->enter_ns == 0 || e->enter_ns > e->event.time_ns)
		return;
	const int64_t reply_ns = (int64_t)(e->event.time_ns - e->enter_ns);
	if (c->replies.n == 0)
		c->out.reply_ns = reply_ns;
	push(b, &c->replies, reply_ns);
}

static void client_event(struct builder *b, const struct sl_net *e, int proc)
{
	struct connection_note *c;
	switch (e->op) {
	case SL_NET_CONNECT:
		/* An address of no family takes a datagram socket's peer away. */
		if (e->addr.family == AF_UNSPEC)
			break;
		/* A second call on a pending socket asks how it went; EISCONN answers "well". */
		c = connection_of(b, e->sock);
		if (c != NULL && c->is_pending &&
		    (e->result == -EALREADY || e->result == -EISCONN || e->result == 0)) {
			if (e->result != -EALREADY)
				came_through(b, c, e->event.time_ns, 0);
			break;
		}
		c = connection_new(b, e, proc);
		if (c == NULL)
			break;
		c->is_pending = e->result == -EINPROGRESS;
		if (c->is_pending)
			c->out.result = "EINPROGRESS";
		else
			came_through(b, c, e->event.time_ns, e->result);
		break;
	case SL_NET_ESTABLISHED:
	case SL_NET_REFUSED:
		c = connection_of(b, e->sock);
		if (c == NULL || !c->is_pending)
			break;
		deliver(b, e, c->proc, b->zero_ns + (uint64_t)c->out.start_ns, true);
		came_through(b, c, e->event.time_ns,
			     e->op == SL_NET_ESTABLISHED ? 0
			     : e->result < 0		 ? e->result
							 : -1);
		break;
	case SL_NET_SENDTO:
		(void)connection_new(b, e, proc);
		break;
	case SL_NET_REPLY:
		c = connection_of(b, e->sock);
		if (c == NULL)
			break;
		deliver(b, e, proc, e->enter_ns, false);
		add_reply(b, c, e);
		break;
	default:
		break;
	}
}

void socket_event(struct builder *b, const struct sl_net *e)
{
	/* Startline's own connection, and a socket that its process leaves behind, are nobody's. */
	if (e->op != SL_NET_PROBED && e->op != SL_NET_CLOSED)
		client_event(b, e, process_of(b, &e->event));
}

/* ---- listeners ---- */

static const char *evidence_of(const struct listening *s)
{
	static const char *const how[] = {
		[SL_HOW_ACCEPT] = "accept",
		[SL_HOW_POLL] = "poll",
		[SL_HOW_EPOLL] = "epoll_wait",
		[SL_HOW_IO_URING] = "io_uring",
		[SL_HOW_EDGE_ACCEPT] = "edge-triggered, first accept",
		[SL_HOW_RECEIVE] = "receive",
		[SL_HOW_SELECT] = "select",
	};
	if (s->is_confirmed)
		return "edge-triggered, confirmed by a connection";
	if (s->ready.time_ns == 0 && s->is_probed)
		return "edge-triggered, did not accept a connection";
	if (s->ready.time_ns == 0)
		return s->edge.time_ns != 0 ? "edge-triggered, unconfirmed"
					    : "nothing waited on it";
	return s->how < sizeof(how) / sizeof(how[0]) && how[s->how] != NULL ? how[s->how] : "";
}

/* The process's id, 0: there is none. */
static int process_at(struct builder *b, const struct moment *at)
{
	const struct sl_event event = {
		.time_ns = at->time_ns,
		.pid = at->pid,
		.tid = at->tid,
		.flags = at->flags,
	};
	return at->time_ns != 0 ? process_of(b, &event) + 1 : 0;
}

static void add_listener(struct builder *b, const struct listening *s)
{
	struct run *run = b->run;
	struct socket *socket = s->sock != 0 ? socket_make(b, s->sock) : NULL;
	if (socket != NULL)
		socket->listener = (int)run->n_listeners;
	run->listeners[run->n_listeners++] = (struct listener){
		.process = process_at(b, s->listen.time_ns != 0 ? &s->listen : &s->seen),
		.endpoint = s->addr.family != 0 ? text_endpoint(b->arena, &s->addr) : "",
		.bind_ns = rel(b, s->bind.time_ns),
		.listen_ns = s->is_inherited ? UNKNOWN : rel(b, s->listen.time_ns),
		.accept_ready_ns = rel(b, s->ready.time_ns),
		.first_accept_ns = rel(b, s->accept.time_ns),
		.first_byte_ns = rel(b, s->byte.time_ns),
		.accept_ready_process = process_at(b, &s->ready),
		.evidence = evidence_of(s),
		.is_main = s == b->ladder,
	};
}

static void listeners_finish(struct builder *b)
{
	const struct listeners *l = ready_watch_listeners(b->watch);
	const size_t n = listeners_count(l);
	b->run->listeners = keep(b, arena_alloc_array(b->arena, n, sizeof(struct listener)));
	for (size_t i = 0; i < n && b->run->listeners != NULL; i++) {
		const struct listening *s = listeners_at(l, i);
		/* Of datagram sockets only one that stands in for a listener. */
		if (!s->is_datagram || s == b->ladder)
			add_listener(b, s);
	}
}

/* Whether connecting to @peer reaches who listens on @local: the same endpoint, or the wildcard
 * when the peer is this machine's loopback. Another machine may use the same port. */
static bool is_peer(const char *local, const char *peer)
{
	if (strcmp(local, peer) == 0)
		return true;
	if (strncmp(local, "tcp 0.0.0.0:", 12) != 0 && strncmp(local, "tcp [::]:", 9) != 0)
		return false;
	const char *colon = strrchr(local, ':');
	const char *peer_colon = strrchr(peer, ':');
	return peer_colon != NULL && strcmp(colon, peer_colon) == 0 &&
	       (strncmp(peer, "tcp 127.", 8) == 0 || strncmp(peer, "tcp [::1]", 9) == 0);
}

#define MAX_LISTENERS_MATCHED 256 /* per connection: keeps the matching linear */

static int peer_process(const struct run *run, const char *peer)
{
	for (size_t i = 0; i < run->n_listeners && i < MAX_LISTENERS_MATCHED; i++) {
		const struct listener *l = &run->listeners[i];
		if (is_peer(l->endpoint, peer))
			return l->accept_ready_process != 0 ? l->accept_ready_process : l->process;
	}
	return 0;
}

static void connections_finish(struct builder *b)
{
	const size_t n = b->connections.n;
	b->run->connections = keep(b, arena_alloc_array(b->arena, n, sizeof(struct connection)));
	if (b->run->connections == NULL)
		return;
	vec_foreach(c, &b->connections) {
		struct connection *out = &b->run->connections[b->run->n_connections++];
		*out = c->out;
		out->process = c->proc + 1;
		out->peer_process = peer_process(b->run, out->peer);
		out->n_replies = c->replies.n;
		if (c->replies.n > 0)
			out->replies_ns = keep(b, arena_memdup(b->arena, c->replies.items,
							       c->replies.n * sizeof(int64_t)));
		if (out->replies_ns == NULL)
			out->n_replies = 0;
	}
}

void sockets_finish(struct builder *b)
{
	listeners_finish(b);
	connections_finish(b);
}
