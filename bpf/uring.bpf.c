/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* io_uring: bind, listen, accept, poll and connect without a system call.
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
#define OP_BIND	    56 /* these two >= 6.11 */
#define OP_LISTEN   57

#define REQUEST_FIXED_FILE 0x1u /* io_kiocb.flags */
#define CQE_MORE	   0x2u

/* What the tracepoints tell, and where in a request it stands, has changed often: their numbers of
 * arguments say which it is (source_bpf.c). 0: this kernel has no such tracepoint.
 *   submit_sqe  until 6.3; 2: as submit_req later. More, until 5.18: the ring comes first
 *   poll_arm    3: the request comes first. More, until 5.18: the ring
 *   complete    4, until 5.16: ring, name, result, flags. 3, since 6.11: ring, request and all
 *               else in one. Between these: ring, request, name, result, flags */
const volatile __u32 uring_submit_arguments = 0;
const volatile __u32 uring_poll_arguments = 0;
const volatile __u32 uring_complete_arguments = 0;

__u32 uses_uring = 0;

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
	struct request_key key; /* on the stack: 6.1 wants a key there */
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

/* Functions of their own, like the one in memory.bpf.c, for what this kernel's types do not have. */
static __noinline __u64 name_before_5_19(struct io_kiocb *req)
{
	struct io_kiocb___before_5_19 *old = (void *)req;

	return BPF_CORE_READ(old, user_data);
}

static __noinline __u64 name_since_5_19(struct io_kiocb *req)
{
	return BPF_CORE_READ(req, cqe.user_data);
}

static __noinline int fd_since_5_19(struct io_kiocb *req)
{
	return BPF_CORE_READ(req, cqe.fd);
}

static __always_inline struct request_key key_of(struct io_kiocb *req)
{
	struct request_key key = { .ring = (__u64)BPF_CORE_READ(req, ctx) };

	key.user_data =
		bpf_core_field_exists(req->cqe) ? name_since_5_19(req) : name_before_5_19(req);
	return key;
}

static __always_inline __u64 sk_of_request(struct io_kiocb *req)
{
	return (__u64)sock_of_file(BPF_CORE_READ(req, file));
}

/* Before 5.19 a request has its file by now; later, the number of a descriptor. */
static __always_inline int submitted(struct io_kiocb *req)
{
	const __u8 opcode = BPF_CORE_READ(req, opcode);
	struct request_key key;
	__s32 fd = -1;

	if (!is_of_interest(opcode) || !is_ours())
		return 0;
	key = key_of(req);
	if (!bpf_core_field_exists(req->cqe))
		return request_seen(&key, sk_of_request(req), fd, opcode);
	if (BPF_CORE_READ(req, flags) & REQUEST_FIXED_FILE)
		return 0;
	fd = fd_since_5_19(req);
	return request_seen(&key, sk_of_fd(fd), fd, opcode);
}

SEC("raw_tp/io_uring_submit_req")
int handle_submit_req(__u64 *ctx)
{
	return submitted((struct io_kiocb *)ctx[0]);
}

/* The first or the second argument. The verifier wants each read at a fixed place, so the compiler
 * must not make one of the two. */
static __always_inline struct io_kiocb *request_at(__u64 *ctx, bool is_second)
{
	__u64 address;

	if (is_second) {
		address = ctx[1];
		barrier_var(address);
	} else {
		address = ctx[0];
	}
	return (struct io_kiocb *)address;
}

SEC("raw_tp/io_uring_submit_sqe")
int handle_submit_sqe(__u64 *ctx)
{
	return submitted(request_at(ctx, uring_submit_arguments > 2));
}

/* No connection is waiting: it begins to wait. */
SEC("raw_tp/io_uring_poll_arm")
int handle_poll_arm(__u64 *ctx)
{
	struct io_kiocb *req = request_at(ctx, uring_poll_arguments > 3);
	const __u8 opcode = BPF_CORE_READ(req, opcode);
	struct request_key key;

	if (!is_of_interest(opcode) || !bpf_core_field_exists(req->cqe) ||
	    !(BPF_CORE_READ(req, flags) & REQUEST_FIXED_FILE) || !is_ours())
		return 0;
	key = key_of(req);
	return request_seen(&key, sk_of_request(req), -1, opcode);
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

struct completion {
	__u64 name;
	__s32 result;
	__u32 flags;
};

static __always_inline void completion_in_one(struct completion *ret, struct io_uring_cqe *cqe)
{
	ret->name = BPF_CORE_READ(cqe, user_data);
	ret->result = BPF_CORE_READ(cqe, res);
	ret->flags = BPF_CORE_READ(cqe, flags);
}

static __always_inline void completion_in_parts(struct completion *ret, __u64 name, __u64 result,
						__u64 flags)
{
	barrier_var(name);
	barrier_var(result);
	barrier_var(flags);
	ret->name = name;
	ret->result = result;
	ret->flags = flags;
}

/* @req is a bind or listen that is done. What tells its descriptor and backlog is overwritten. */
int bound_or_listening(__u64 req, __u32 opcode, __s32 result);
__noinline int bound_or_listening(__u64 req, __u32 opcode, __s32 result)
{
	struct net_fact fact = { .op = opcode == OP_BIND ? SL_NET_BIND : SL_NET_LISTEN,
				 .address = NET_LOCAL,
				 .fd = -1,
				 .result = result };

	fact.sk = sk_of_request((struct io_kiocb *)req);
	if (!fact.sk)
		return 0;
	fact.id = id_of_sk(fact.sk);
	net_emit(&fact, NULL);
	if (opcode == OP_LISTEN && result == 0)
		ready_listener(fact.sk, fact.id, bpf_ktime_get_ns());
	return 0;
}

/* Volatile, since a compiler that reads an argument before it is known how many there are makes a
 * program that the kernel does not attach. */
static __always_inline __u64 argument(const __u64 *ctx, unsigned int i)
{
	return ((const volatile __u64 *)ctx)[i];
}

SEC("raw_tp/io_uring_complete")
int handle_uring_complete(__u64 *ctx)
{
	struct request_key key = { .ring = ctx[0] };
	struct io_kiocb *req = NULL;
	struct completion completion;
	__u32 opcode = 0;

	if (uring_complete_arguments != 4)
		req = (struct io_kiocb *)argument(ctx, 1);
	if (req)
		opcode = BPF_CORE_READ(req, opcode);
	if ((req && !is_of_interest(opcode) && opcode != OP_BIND && opcode != OP_LISTEN) ||
	    !is_ours())
		return 0;
	if (uring_complete_arguments == 3)
		completion_in_one(&completion, (struct io_uring_cqe *)argument(ctx, 2));
	else if (uring_complete_arguments == 4)
		completion_in_parts(&completion, argument(ctx, 1), argument(ctx, 2),
				    argument(ctx, 3));
	else
		completion_in_parts(&completion, argument(ctx, 2), argument(ctx, 3),
				    argument(ctx, 4));
	if (opcode == OP_BIND || opcode == OP_LISTEN)
		return bound_or_listening((__u64)req, opcode, completion.result);
	key.user_data = completion.name;
	request_done(&key, completion.result, completion.flags & CQE_MORE, opcode);
	return 0;
}
