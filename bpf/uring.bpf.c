/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* io_uring: accept, poll and connect without a system call.
 *
 * A request is known by its ring and user_data from its submission to its completion; the
 * completions of a multishot accept know no other name. A request for a registered file names it
 * by a number of the ring's: its file is seen when it begins to wait. With SQPOLL a kernel thread
 * of the process submits, also recorded as that process's. */
#include "bpf/net.bpf.h"
#include "bpf/process.bpf.h"

#define OP_POLL_ADD 6 /* enum io_uring_op: frozen numbers */
#define OP_ACCEPT   13
#define OP_CONNECT  16

#define REQUEST_FIXED_FILE 0x1u /* io_kiocb.flags */
#define CQE_MORE	   0x2u

struct request_key {
	__u64 ring;
	__u64 user_data;
};

struct request {
	__u64 sk;
	__u64 id;
	__u64 enter_ns;
	__s32 fd;
	__u32 opcode;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct request_key);
	__type(value, struct request);
} requests SEC(".maps");

/* A worker or SQPOLL thread has no storage of its own, but its process is known. */
static __always_inline bool is_ours(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&processes, &tgid) != NULL;
}

static __always_inline bool is_of_interest(__u8 opcode)
{
	return opcode == OP_ACCEPT || opcode == OP_POLL_ADD || opcode == OP_CONNECT;
}

/* @fd: -1 when only the socket is known. */
int request_seen(const struct request_key *named, __u64 sk, __s32 fd, __u32 opcode);
__noinline int request_seen(const struct request_key *named, __u64 sk, __s32 fd, __u32 opcode)
{
	struct request_key key; /* on the stack: before 6.5 a map's key must be there */
	struct request request = { .sk = sk, .fd = fd, .opcode = opcode };
	struct conn *conn;

	if (!named || !sk)
		return 0;
	key = *named;
	request.id = id_of_sk(sk);
	request.enter_ns = bpf_ktime_get_ns();
	if (opcode != OP_CONNECT)
		ready_stand(request.id, SL_HOW_IO_URING, fd, request.enter_ns, 0);
	if (opcode == OP_POLL_ADD || bpf_map_update_elem(&requests, &key, &request, BPF_ANY))
		return 0;
	if (opcode == OP_CONNECT) {
		conn = conn_new(sk, request.id, CONN_CALLING);
		if (conn) {
			conn->enter_ns = request.enter_ns;
			conn->fd = fd;
		}
	}
	return 0;
}

SEC("?raw_tp/io_uring_submit_req")
int handle_io_uring_submit_req(__u64 *ctx)
{
	struct io_kiocb *req = (struct io_kiocb *)ctx[0];
	struct request_key key = { 0 };
	const __u8 opcode = BPF_CORE_READ(req, opcode);
	const __s32 fd = BPF_CORE_READ(req, cqe.fd);

	if (!is_of_interest(opcode) || (BPF_CORE_READ(req, flags) & REQUEST_FIXED_FILE) ||
	    !is_ours())
		return 0;
	key.ring = (__u64)BPF_CORE_READ(req, ctx);
	key.user_data = BPF_CORE_READ(req, cqe.user_data);
	request_seen(&key, sk_of_fd(fd), fd, opcode);
	return 0;
}

/* No connection is waiting: it begins to wait. */
SEC("?raw_tp/io_uring_poll_arm")
int handle_io_uring_poll_arm(__u64 *ctx)
{
	struct io_kiocb *req = (struct io_kiocb *)ctx[0];
	struct request_key key = { 0 };
	const __u8 opcode = BPF_CORE_READ(req, opcode);
	__u64 file;

	if (!is_of_interest(opcode) || !(BPF_CORE_READ(req, flags) & REQUEST_FIXED_FILE) ||
	    !is_ours())
		return 0;
	key.ring = (__u64)BPF_CORE_READ(req, ctx);
	key.user_data = BPF_CORE_READ(req, cqe.user_data);
	file = (__u64)BPF_CORE_READ(req, file);
	request_seen(&key, (__u64)sock_of_file((struct file *)file), -1, opcode);
	return 0;
}

/* @opcode: of the request, 0 when the completion does not say. */
int request_done(const struct request_key *named, __s32 result, __u32 has_more, __u32 opcode);
__noinline int request_done(const struct request_key *named, __s32 result, __u32 has_more,
			    __u32 opcode)
{
	struct request_key key;
	struct request *found;
	struct request request;

	if (!named)
		return 0;
	key = *named;
	found = bpf_map_lookup_elem(&requests, &key);
	if (!found || (opcode && opcode != found->opcode))
		return 0;
	request = *found;
	if (!has_more)
		bpf_map_delete_elem(&requests, &key);
	if (request.opcode == OP_CONNECT)
		return net_connected(request.sk, result);
	if (result < 0)
		return 0;
	request.sk = sk_of_fd(result);
	return net_accepted(request.sk, id_of_sk(request.sk), request.id, result, request.enter_ns);
}

SEC("?raw_tp/io_uring_complete")
int handle_io_uring_complete(__u64 *ctx)
{
	struct request_key key = { .ring = ctx[0] };
	struct io_kiocb *req = (struct io_kiocb *)ctx[1];
	struct io_uring_cqe *cqe = (struct io_uring_cqe *)ctx[2];
	const __s32 result = BPF_CORE_READ(cqe, res);
	const __u32 flags = BPF_CORE_READ(cqe, flags);
	__u32 opcode = 0;

	key.user_data = BPF_CORE_READ(cqe, user_data);
	if (req)
		opcode = BPF_CORE_READ(req, opcode);
	if ((req && !is_of_interest(opcode)) || !is_ours())
		return 0;
	request_done(&key, result, flags & CQE_MORE, opcode);
	return 0;
}
