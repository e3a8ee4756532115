/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Bytes through sockets: those of TCP and UDP counted per thread; the first to go out on a
 * connection of a listener; and the time from a request to its reply.
 *
 * Two tracepoints see every byte, whatever call or io_uring request moved it. Kernels before 6.3
 * do not have them: there the system calls are watched, and io_uring is not seen. */
#include "bpf/net.bpf.h"
#include "bpf/process.bpf.h"

#include <asm/unistd_64.h>

/* So many replies of one connection are recorded; picking out late ones later on would bias what
 * is said of all. */
#define REPLIES_MAX 1000

static __always_inline void first_byte(__u64 sk, struct conn *conn)
{
	struct net_fact fact = {
		.op = SL_NET_FIRST_BYTE,
		.address = NET_PEER,
		.sk = sk,
		.id = conn->id,
		.other = conn->listener,
		.fd = conn->fd,
	};

	if (first_time(conn->listener, ONCE_FIRST_BYTE, 0))
		net_emit(&fact, NULL);
	bpf_map_delete_elem(&conns, &sk);
}

static __always_inline void reply(__u64 sk, struct conn *conn)
{
	struct net_fact fact = {
		.op = SL_NET_REPLY,
		.address = NET_SAVED,
		.enter_ns = conn->request_ns,
		.sk = sk,
		.id = conn->id,
		.fd = conn->fd,
	};

	conn->request_ns = 0;
	if (conn->replies >= REPLIES_MAX)
		return;
	conn->replies++;
	net_emit(&fact, &conn->addr);
}

/* A worker thread of io_uring has no state of its own, but its process is known. False: the current
 * thread is not even that. */
static __always_inline bool worker_moved(__u64 length, __u32 is_out)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct process_state *process = bpf_map_lookup_elem(&processes, &tgid);

	if (!process)
		return false;
	__sync_fetch_and_add(is_out ? &process->ended.net_tx_bytes : &process->ended.net_rx_bytes,
			     length);
	return true;
}

/* @length > 0 bytes went out of the socket, or came in, by the current thread, whose state @ts is
 * NULL if it has none. The socket comes by reference: a typed pointer in a register is not a number
 * for the verifier, in memory it is. */
int moved(struct task_state *ts, const __u64 *place, __u64 length, __u32 is_out);
__noinline int moved(struct task_state *ts, const __u64 *place, __u64 length, __u32 is_out)
{
	struct conn *conn;
	bool is_internet;
	__u16 family;
	__u64 sk;

	if (!place)
		return 0;
	sk = *place;
	family = family_of_sk(sk);
	is_internet = family == AF_INET || family == AF_INET6;
	if (ts && is_internet)
		*(is_out ? &ts->net_tx_bytes : &ts->net_rx_bytes) += length;
	if (!ts && !worker_moved(is_internet ? length : 0, is_out))
		return 0;
	conn = bpf_map_lookup_elem(&conns, &sk);
	if (!conn)
		return 0;
	if (conn->id != id_of_sk(sk)) {
		bpf_map_delete_elem(&conns, &sk);
		return 0;
	}
	if (is_out && conn->state == CONN_ACCEPTED)
		first_byte(sk, conn);
	else if (is_out && conn->state == CONN_OPEN)
		conn->request_ns = bpf_ktime_get_ns();
	else if (conn->request_ns)
		reply(sk, conn);
	return 0;
}

/* ---- by tracepoint ---- */

static __always_inline int length_seen(const __u64 *ctx, __u32 is_out)
{
	const int length = (int)ctx[1];
	const __u64 sk = ctx[0];

	if (length <= 0)
		return 0;
	return moved(task_state_of(bpf_get_current_task_btf()), &sk, length, is_out);
}

SEC("raw_tp/sock_send_length")
int handle_sock_send_length(__u64 *ctx)
{
	length_seen(ctx, 1);
	return 0;
}

SEC("raw_tp/sock_recv_length")
int handle_sock_recv_length(__u64 *ctx)
{
	length_seen(ctx, 0);
	return 0;
}

/* ---- by system call ---- */

static __always_inline void moved_fd(struct task_state *ts, __s32 fd, long length, __u32 is_out)
{
	const __u64 sk = sk_of_fd(fd);

	if (sk)
		moved(ts, &sk, length, is_out);
}

__noinline int traffic_exit(struct task_state *ts, long result)
{
	if (!ts || result <= 0)
		return 0;
	switch (ts->nr) {
	case __NR_read:
	case __NR_readv:
	case __NR_recvfrom:
	case __NR_recvmsg:
	case __NR_recvmmsg: /* counts messages, not bytes */
		moved_fd(ts, ts->args[0], result, 0);
		break;
	case __NR_splice:
		moved_fd(ts, ts->args[0], result, 0);
		moved_fd(ts, ts->args[2], result, 1);
		break;
	case __NR_write:
	case __NR_writev:
	case __NR_sendto:
	case __NR_sendmsg:
	case __NR_sendmmsg:
	case __NR_sendfile:
		moved_fd(ts, ts->args[0], result, 1);
		break;
	default:
		break;
	}
	return 0;
}
