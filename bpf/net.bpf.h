/* SPDX-License-Identifier: MIT */
/* What the socket probes share. A socket is known by two numbers: its address in the kernel
 * (`sk`, never recorded), by which kernel lists and tracepoints know it, and its identity
 * (`id`, sock_id()), which is recorded. The address comes back for another socket as soon as
 * memory is short: whoever remembers one checks that the identity still fits.
 *
 *   network.bpf.c  bind, listen, connect, accept, datagrams with an address
 *   netaddr.bpf.c  addresses
 *   ready.bpf.c    the first time a thread stands ready to accept
 *   traffic.bpf.c  bytes: first byte, replies, counters
 *   uring.bpf.c    what io_uring does without a system call */
#ifndef SL_NET_BPF_H
#define SL_NET_BPF_H

#include "bpf/common.bpf.h"

#define AF_UNIX	 1
#define AF_INET	 2
#define AF_INET6 10

#define SOCK_STREAM    1
#define SOCK_DGRAM     2
#define SOCK_SEQPACKET 5

#define TCP_SYN_SENT 2
#define TCP_CLOSE    7
#define TCP_LISTEN   10 /* of UNIX sockets too */

#define ERESTARTSYS 512 /* what a call interrupted by a signal returns inside the kernel */

/* ---- addresses (netaddr.bpf.c) ---- */

/* Each clears @ret and fills in what is known. They return 0; the verifier wants an int, and a
 * check of @ret, which is never NULL in earnest. */
int addr_local(__u64 sk, struct sl_addr *ret);
int addr_peer(__u64 sk, struct sl_addr *ret);
/* From @length bytes at @pointer in the current program's memory, which may be anything. */
int addr_user(__u64 pointer, __u32 length, struct sl_addr *ret);

/* ---- writing an event (network.bpf.c) ---- */

enum net_address { NET_LOCAL, NET_PEER, NET_USER, NET_SAVED };

struct net_fact {
	__u64 enter_ns;
	__u64 sk; /* for `id` and the address; 0: none */
	__u64 id;
	__u64 other;
	__u64 pid_tid; /* 0: the current thread */
	__u64 pointer; /* NET_USER: where, and how long */
	__u32 length;
	__s32 result;
	__s32 fd;
	__u32 backlog;
	__u16 op;
	__u16 how;
	__u32 address; /* enum net_address */
};

/* One NET event, now. @saved: the address if NET_SAVED, else NULL. */
int net_emit(const struct net_fact *fact, const struct sl_addr *saved);

/* ---- first times ---- */

enum once_what {
	ONCE_ACCEPT = 1,
	ONCE_ACCEPT_FAILED = 2,
	ONCE_FIRST_BYTE = 3,
	ONCE_SENDTO = 4,
	ONCE_INHERITED = 5,
};

/* True the first time, as far as the map remembers: the oldest facts of many thousands are
 * forgotten and reported again. */
int first_time(__u64 id, __u32 what, __u32 who);
int happened(__u64 id, __u32 what, __u32 who);

/* ---- connections (network.bpf.c owns the map) ---- */

enum conn_state {
	CONN_CALLING = 1,  /* inside its connect call */
	CONN_PROGRESS = 2, /* connect returned -EINPROGRESS */
	CONN_OPEN = 3,
	CONN_ACCEPTED = 4, /* until its listener's first byte went out */
	CONN_SERVING = 5,  /* a datagram server: what comes in is no reply, but the next request */
};

struct conn {
	__u64 id;
	__u64 listener;	  /* identity, if accepted */
	__u64 enter_ns;	  /* connect began */
	__u64 request_ns; /* a request went out, no reply seen yet; 0: none */
	__u64 pid_tid;	  /* who connects */
	__s32 fd;
	__s32 outcome; /* inside the call: 1 established, < 0 failed, 0 not known yet */
	__u32 state;   /* enum conn_state */
	__u32 replies;
	struct sl_addr addr; /* peer */
};

struct conn_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096); /* the least used are forgotten: their replies are not seen */
	__type(key, __u64);	   /* sk */
	__type(value, struct conn);
};
extern struct conn_map conns SEC(".maps");

/* What is remembered about the socket, or NULL. */
static __always_inline struct conn *conn_of(__u64 sk, __u64 id)
{
	struct conn *conn = bpf_map_lookup_elem(&conns, &sk);

	return conn && conn->id == id ? conn : NULL;
}

/* Starts remembering; replaces what was known of the address. */
static __always_inline struct conn *conn_new(__u64 sk, __u64 id, __u32 state)
{
	static const struct conn empty = { 0 };
	struct conn *conn;

	bpf_map_update_elem(&conns, &sk, &empty, BPF_ANY);
	conn = bpf_map_lookup_elem(&conns, &sk);
	if (!conn)
		return NULL;
	conn->id = id;
	conn->state = state;
	conn->pid_tid = bpf_get_current_pid_tgid();
	return conn;
}

/* A new connection @sk was accepted from listener @listener. */
int net_accepted(__u64 sk, __u64 id, __u64 listener, __s32 fd, __u64 enter_ns);

/* The connect call on @sk, remembered as CONN_CALLING, ended. */
int net_connected(__u64 sk, long result);

/* ---- readiness (ready.bpf.c) ---- */

extern __u32 pending_count; /* listeners that nobody is ready to accept from */

int ready_enter(struct task_state *ts);
/* From now on it is of interest who stands ready to accept from @sk (0: nothing new); who waits
 * already stands so since @now. */
int ready_listener(__u64 sk, __u64 id, __u64 now);
/* A thread stands ready in way @how (enum sl_ready_how); @pid_tid 0: the current one. */
int ready_stand(__u64 id, __u32 how, __s32 fd, __u64 enter_ns, __u64 pid_tid);

/* ---- io_uring (uring.bpf.c) ---- */

extern __u32 uses_uring; /* somebody made a ring */

/* ---- small things ---- */

/* The socket behind @fd of the current thread, as a number, or 0. */
static __always_inline __u64 sk_of_fd(__s32 fd)
{
	return (__u64)sock_of_file(file_of_fd(bpf_get_current_task_btf(), fd));
}

/* These take numbers, not expressions with "->": BPF_CORE_READ would record an access to our own
 * struct, too. */
static __always_inline __u16 type_of_sk(__u64 sk)
{
	return BPF_CORE_READ((struct sock *)sk, sk_type);
}

static __always_inline __u16 family_of_sk(__u64 sk)
{
	return BPF_CORE_READ((struct sock *)sk, __sk_common.skc_family);
}

static __always_inline __u64 id_of_sk(__u64 sk)
{
	return sk ? sock_id((struct sock *)sk) : 0;
}

static __always_inline bool is_listening(__u64 number)
{
	const struct sock *sk = (const struct sock *)number;
	const __u16 type = BPF_CORE_READ(sk, sk_type);

	return (type == SOCK_STREAM || type == SOCK_SEQPACKET) &&
	       BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN;
}

#endif
