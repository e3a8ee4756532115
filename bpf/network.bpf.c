/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Sockets as system calls show them: bind, listen, connect, accept, datagrams with an address;
 * and what becomes of a connect that did not wait, which only the TCP state machine tells. */
#include "bpf/net.bpf.h"

#include <bpf/bpf_endian.h>

#include <asm/unistd_64.h>

#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_MOD 3

struct conn_map conns SEC(".maps");

struct once_key {
	__u64 id;
	__u32 what;
	__u32 who;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct once_key);
	__type(value, __u32);
} once SEC(".maps");

__noinline int first_time(__u64 id, __u32 what, __u32 who)
{
	const struct once_key key = { .id = id, .what = what, .who = who };
	const __u32 yes = 1;

	return bpf_map_update_elem(&once, &key, &yes, BPF_NOEXIST) == 0;
}

__noinline int happened(__u64 id, __u32 what, __u32 who)
{
	const struct once_key key = { .id = id, .what = what, .who = who };

	return bpf_map_lookup_elem(&once, &key) != NULL;
}

/* ---- writing an event ---- */

/* Whether somebody may wait for exactly this, to call the program ready. */
static __always_inline bool may_be_ready(const struct net_fact *fact)
{
	const __u16 op = fact->op;

	return op == SL_NET_LISTEN || op == SL_NET_ACCEPT || op == SL_NET_FIRST_BYTE ||
	       (op == SL_NET_ACCEPT_READY && fact->how != SL_HOW_EPOLL_EDGE);
}

__noinline int net_emit(const struct net_fact *fact, const struct sl_addr *saved)
{
	struct sl_net *net;

	if (!fact)
		return 0;
	net = sl_reserve(SL_KIND_NET, sizeof(*net));
	if (!net)
		return 0;
	if (fact->pid_tid) {
		net->event.pid = fact->pid_tid >> 32;
		net->event.tid = (__u32)fact->pid_tid;
	}
	net->enter_ns = fact->enter_ns ? fact->enter_ns : net->event.time_ns;
	net->sock = fact->id;
	net->other = fact->other;
	net->op = fact->op;
	net->how = fact->how;
	net->result = fact->result;
	net->fd = fact->fd;
	net->backlog = fact->backlog;
	if (saved)
		__builtin_memcpy(&net->addr, saved, sizeof(net->addr));
	else if (fact->address == NET_USER)
		addr_user(fact->pointer, fact->length, &net->addr);
	else if (fact->address == NET_PEER)
		addr_peer(fact->sk, &net->addr);
	else
		addr_local(fact->sk, &net->addr);
	if (fact->sk)
		net->addr.type = type_of_sk(fact->sk);
	sl_submit(net, may_be_ready(fact));
	return 0;
}

/* ---- bind and listen ---- */

static __noinline int bind_exit(struct task_state *ts, long result)
{
	struct net_fact fact = { .op = SL_NET_BIND };

	if (!ts)
		return 0;
	fact.fd = ts->args[0];
	fact.sk = sk_of_fd(fact.fd);
	if (!fact.sk)
		return 0;
	fact.id = id_of_sk(fact.sk);
	fact.enter_ns = ts->enter_ns;
	fact.result = result;
	if (result < 0) { /* not bound: what was asked for */
		fact.address = NET_USER;
		fact.pointer = ts->args[1];
		fact.length = ts->args[2];
	}
	return net_emit(&fact, NULL);
}

/* Apart from the above: calls go no deeper than 8. */
static __always_inline int datagram_bound(struct task_state *ts)
{
	const __u64 sk = sk_of_fd(ts->args[0]);

	if (!sk || type_of_sk(sk) != SOCK_DGRAM || family_of_sk(sk) == AF_UNIX)
		return 0;
	return ready_listener(sk, id_of_sk(sk), bpf_ktime_get_ns());
}

static __always_inline int listen_exit(struct task_state *ts, long result)
{
	struct net_fact fact = { .op = SL_NET_LISTEN };

	if (!ts)
		return 0;
	fact.fd = ts->args[0];
	fact.sk = sk_of_fd(fact.fd);
	if (!fact.sk)
		return 0;
	fact.id = id_of_sk(fact.sk);
	fact.enter_ns = ts->enter_ns;
	fact.result = result;
	fact.backlog = ts->args[1];
	net_emit(&fact, NULL);
	if (result == 0)
		ready_listener(fact.sk, fact.id, bpf_ktime_get_ns());
	return 0;
}

/* ---- connect ---- */

/* A call interrupted by a signal starts anew, and a program may call connect once more to learn
 * what became of it: neither is a new connection. */
static __noinline int connect_enter(struct task_state *ts)
{
	struct conn *conn;
	__u64 sk, id;

	if (!ts)
		return 0;
	sk = sk_of_fd(ts->args[0]);
	ts->net.sock = sk;
	if (!sk)
		return 0;
	id = id_of_sk(sk);
	conn = conn_of(sk, id);
	if (conn && (conn->state == CONN_PROGRESS || conn->state == CONN_CALLING))
		return 0;
	if (conn && conn->state == CONN_OPEN && conn->addr.type == SOCK_STREAM)
		return 0;
	conn = conn_new(sk, id, CONN_CALLING);
	if (!conn)
		return 0;
	conn->enter_ns = ts->enter_ns;
	conn->fd = ts->args[0];
	addr_user(ts->args[1], ts->args[2], &conn->addr);
	conn->addr.type = type_of_sk(sk);
	return 0;
}

/* The other end of a local UNIX connection, once it was accepted. */
static __always_inline __u64 id_of_unix_peer(__u64 sk)
{
	if (family_of_sk(sk) != AF_UNIX)
		return 0;
	return id_of_sk((__u64)BPF_CORE_READ((struct unix_sock *)sk, peer));
}

/* What became of a connect that did not wait. */
static __always_inline void conn_outcome(__u64 sk, struct conn *conn, __s32 outcome)
{
	struct net_fact fact = {
		.op = outcome < 0 ? SL_NET_REFUSED : SL_NET_ESTABLISHED,
		.enter_ns = conn->enter_ns,
		.sk = sk,
		.id = conn->id,
		.pid_tid = conn->pid_tid,
		.result = outcome < 0 ? outcome : 0,
		.fd = conn->fd,
		.address = NET_SAVED,
	};

	net_emit(&fact, &conn->addr);
	if (outcome < 0)
		bpf_map_delete_elem(&conns, &sk);
	else
		conn->state = CONN_OPEN;
}

__noinline int net_connected(__u64 sk, long result)
{
	struct net_fact fact = { .op = SL_NET_CONNECT, .address = NET_SAVED };
	struct conn *conn = conn_of(sk, id_of_sk(sk));

	if (!conn || conn->state != CONN_CALLING)
		return 0;
	fact.enter_ns = conn->enter_ns;
	fact.sk = sk;
	fact.id = conn->id;
	fact.fd = conn->fd;
	fact.result = result;
	if (result == 0)
		fact.other = id_of_unix_peer(sk);
	net_emit(&fact, &conn->addr);
	if (result == -EINPROGRESS) {
		conn->state = CONN_PROGRESS;
		if (conn->outcome) /* on loopback it happens before the call returns */
			conn_outcome(sk, conn, conn->outcome);
	} else if (result < 0) {
		bpf_map_delete_elem(&conns, &sk);
	} else {
		conn->state = CONN_OPEN;
	}
	return 0;
}

static __noinline int connect_exit(struct task_state *ts, long result)
{
	struct conn *conn;
	__u64 sk;

	if (!ts || !ts->net.sock || result == -ERESTARTSYS)
		return 0;
	sk = ts->net.sock;
	ts->net.sock = 0;
	conn = conn_of(sk, id_of_sk(sk));
	if (conn && !conn->addr.family) /* its page was not there yet when the call began */
		addr_user(ts->args[1], ts->args[2], &conn->addr);
	return net_connected(sk, result);
}

/* @place: where the socket is; see moved() in traffic.bpf.c. */
int state_changed(const __u64 *place, __s32 before, __s32 now, __s32 error);
__noinline int state_changed(const __u64 *place, __s32 before, __s32 now, __s32 error)
{
	const __u64 sk = place ? *place : 0; /* a key on the stack: 6.1 wants it there */
	struct conn *conn = bpf_map_lookup_elem(&conns, &sk);
	__s32 outcome = 1;

	if (!conn)
		return 0;
	if (now == TCP_SYN_SENT) {
		if (!conn->addr.family) /* io_uring keeps it where we cannot read it */
			addr_peer(sk, &conn->addr);
	} else if (before == TCP_SYN_SENT) {
		if (now == TCP_CLOSE)
			outcome = error ? -error : -1; /* -1: given up, and no reason kept */
		if (conn->state == CONN_CALLING)
			conn->outcome = outcome;
		else if (conn->state == CONN_PROGRESS)
			conn_outcome(sk, conn, outcome);
	} else if (conn->state != CONN_CALLING) {
		bpf_map_delete_elem(&conns, &sk);
	}
	return 0;
}

/* Nobody need wait any longer until it is ready. Closing happens in the program itself. */
static __noinline int listener_closed(__u64 sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct net_fact fact = { .op = SL_NET_CLOSED, .fd = -1 };

	if (is_ready || !task_state_of(task) || (task->flags & PF_EXITING))
		return 0;
	fact.sk = sk;
	fact.id = id_of_sk(sk);
	return net_emit(&fact, NULL);
}

/* Runs wherever the packet arrived: `current` is somebody else. */
SEC("raw_tp/inet_sock_set_state")
int handle_inet_sock_set_state(__u64 *ctx)
{
	const struct sock *sk = (const struct sock *)ctx[0];
	const int before = (int)ctx[1], now = (int)ctx[2];
	const __u64 number = ctx[0];

	if (before == TCP_LISTEN && now == TCP_CLOSE)
		listener_closed(number);
	if (before == TCP_SYN_SENT || now == TCP_CLOSE || now == TCP_SYN_SENT)
		state_changed(&number, before, now, BPF_CORE_READ(sk, sk_err));
	return 0;
}

/* ---- accept ---- */

/* The end of a connection of startline's own: a port, or a name that the kernel chose, which is a NUL
 * and five digits. */
__u32 own_family = 0;
__u32 own_port = 0;
__u32 own_name[2] = { 0 };

/* Whether the other end of @sk, as it was accepted, is that one. */
static __always_inline bool is_own(__u64 sk)
{
	const struct unix_sock *peer;
	const char *name;
	__u32 bytes[2] = { 0 };

	if (!own_family)
		return false;
	if (own_family != AF_UNIX || family_of_sk(sk) != AF_UNIX)
		return own_family != AF_UNIX && family_of_sk(sk) != AF_UNIX &&
		       bpf_ntohs(BPF_CORE_READ((struct sock *)sk, __sk_common.skc_dport)) ==
			       own_port;
	peer = (const struct unix_sock *)BPF_CORE_READ((struct unix_sock *)sk, peer);
	name = (const char *)BPF_CORE_READ(peer, addr) +
	       bpf_core_field_offset(struct unix_address, name) +
	       sizeof(__u16); /* after the family */
	bpf_probe_read_kernel(bytes, sizeof(bytes), name);
	return bytes[0] == own_name[0] && bytes[1] == own_name[1];
}

__noinline int net_accepted(__u64 sk, __u64 id, __u64 listener, __s32 fd, __u64 enter_ns)
{
	struct net_fact fact = { .op = SL_NET_ACCEPT, .address = NET_PEER };
	struct conn *conn;

	fact.enter_ns = enter_ns;
	fact.sk = sk;
	fact.id = id;
	fact.other = listener;
	fact.fd = fd;
	fact.result = fd;
	if (is_own(sk))
		return net_emit(&fact, NULL);
	if (first_time(listener, ONCE_ACCEPT, bpf_get_current_pid_tgid() >> 32))
		net_emit(&fact, NULL);
	if (!sk || happened(listener, ONCE_FIRST_BYTE, 0))
		return 0;
	conn = conn_new(sk, id, CONN_ACCEPTED);
	if (!conn)
		return 0;
	conn->listener = listener;
	conn->fd = fd;
	return 0;
}

static __noinline int accept_exit(struct task_state *ts, long result)
{
	struct net_fact fact = { .op = SL_NET_ACCEPT, .address = NET_LOCAL };
	__u64 sk, listener;

	if (!ts)
		return 0;
	listener = ts->net.other;
	ts->net.other = 0;
	if (!listener || result == -ERESTARTSYS)
		return 0;
	if (result >= 0) {
		sk = sk_of_fd(result);
		return net_accepted(sk, id_of_sk(sk), listener, result, ts->enter_ns);
	}
	if (!first_time(listener, ONCE_ACCEPT_FAILED, bpf_get_current_pid_tgid() >> 32))
		return 0;
	fact.enter_ns = ts->enter_ns;
	fact.sk = ts->net.sock;
	fact.other = listener;
	fact.result = result;
	fact.fd = -1;
	return net_emit(&fact, NULL);
}

/* ---- datagrams ---- */

/* Enough to tell one peer from another. */
static __always_inline __u32 addr_hash(const struct sl_addr *addr)
{
	__u32 hash = addr->family * 31 + addr->port;

	for (int i = 0; i < 16; i++)
		hash = hash * 31 + addr->bytes[i];
	return hash;
}

#define USER_BOUND_PORT 8 /* sock.sk_userlocks */

/* A socket bound to a port of its choice is a server's. Of others, the reply is looked for like
 * that of a connected socket. */
static __always_inline __u32 datagram_state(__u64 sk)
{
	const __u32 locks = BPF_CORE_READ_BITFIELD_PROBED((struct sock *)sk, sk_userlocks);

	return locks & USER_BOUND_PORT ? CONN_SERVING : CONN_OPEN;
}

static __noinline int datagram_exit(struct task_state *ts, __u64 pointer, __u32 length)
{
	struct net_fact fact = { .op = SL_NET_SENDTO, .address = NET_SAVED };
	struct conn *conn;

	if (!ts)
		return 0;
	fact.fd = ts->args[0];
	fact.sk = sk_of_fd(fact.fd);
	if (!fact.sk || type_of_sk(fact.sk) != SOCK_DGRAM)
		return 0;
	fact.id = id_of_sk(fact.sk);
	fact.enter_ns = ts->enter_ns;
	conn = conn_of(fact.sk, fact.id);
	if (!conn)
		conn = conn_new(fact.sk, fact.id, datagram_state(fact.sk));
	if (!conn)
		return 0;
	conn->fd = fact.fd;
	addr_user(pointer, length, &conn->addr);
	if (conn->state == CONN_OPEN)
		conn->request_ns = bpf_ktime_get_ns();
	if (!conn->addr.family || !first_time(fact.id, ONCE_SENDTO, addr_hash(&conn->addr)))
		return 0;
	return net_emit(&fact, &conn->addr);
}

/* struct user_msghdr begins with the address's place and length. */
static __noinline int message_exit(struct task_state *ts)
{
	struct {
		__u64 pointer;
		__u32 length;
	} name = { 0 };

	if (!ts || bpf_probe_read_user(&name, sizeof(name), (void *)ts->args[1]) || !name.pointer)
		return 0;
	return datagram_exit(ts, name.pointer, name.length);
}

/* ---- epoll ---- */

/* A listener may have come into a set on which a thread waits. */
static __always_inline int watch_exit(struct task_state *ts)
{
	const bool is_watch = ts->args[1] == EPOLL_CTL_ADD || ts->args[1] == EPOLL_CTL_MOD;

	return is_watch && pending_count ? ready_listener(0, 0, ts->enter_ns) : 0;
}

/* ---- dispatch ---- */

__noinline int net_enter(struct task_state *ts)
{
	if (!ts)
		return 0;
	switch (ts->nr) {
	case __NR_connect:
		return connect_enter(ts);
	case __NR_accept:
	case __NR_accept4:
		ts->net.sock = sk_of_fd(ts->args[0]);
		ts->net.other = is_listening(ts->net.sock) ? id_of_sk(ts->net.sock) : 0;
		return ready_enter(ts);
	case __NR_io_uring_setup:
		uses_uring = 1;
		return 0;
	default:
		return ready_enter(ts);
	}
}

__noinline int net_exit(struct task_state *ts, long result)
{
	if (!ts)
		return 0;
	switch (ts->nr) {
	case __NR_bind:
		bind_exit(ts, result);
		return result ? 0 : datagram_bound(ts);
	case __NR_listen:
		return listen_exit(ts, result);
	case __NR_connect:
		return connect_exit(ts, result);
	case __NR_accept:
	case __NR_accept4:
		return accept_exit(ts, result);
	case __NR_epoll_ctl:
		return result ? 0 : watch_exit(ts);
	case __NR_sendto:
		return result >= 0 && ts->args[4] ? datagram_exit(ts, ts->args[4], ts->args[5]) : 0;
	case __NR_sendmsg:
	case __NR_sendmmsg:
		return result >= 0 ? message_exit(ts) : 0;
	default:
		return 0;
	}
}
