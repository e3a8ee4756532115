/* SPDX-License-Identifier: MIT */
/* The kernel's socket, wait queue, epoll, poll and io_uring structures, cut down like those of
 * kernel_types.h to the fields the probes read. */
#ifndef SL_KERNEL_NET_TYPES_H
#define SL_KERNEL_NET_TYPES_H

#include "bpf/kernel_types.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* ---- wait queues ---- */

struct list_head {
	struct list_head *next, *prev;
};

struct wait_queue_head {
	struct list_head head;
};
typedef struct wait_queue_head wait_queue_head_t;

struct wait_queue_entry {
	void *private;
	struct list_head entry;
};
typedef struct wait_queue_entry wait_queue_entry_t;

/* ---- sockets ---- */

struct socket_wq {
	wait_queue_head_t wait;
};

struct sock;

struct socket {
	short type;
	struct file *file;
	struct sock *sk;
	struct socket_wq wq;
};

struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	struct socket_wq *sk_wq;
	struct socket *sk_socket;
	int sk_err;
	__u8 sk_userlocks;
	__u16 sk_type;
};

struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[108];
};

struct unix_address {
	int len; /* of the name, the family included */
	struct sockaddr_un name[0];
};

struct unix_sock {
	struct sock sk;
	struct unix_address *addr;
	struct sock *peer;
};

/* ---- epoll, poll, io_uring: who waits on a socket ---- */

struct epoll_filefd {
	struct file *file;
	int fd;
} __attribute__((packed));

struct epoll_event {
	__u32 events;
} __attribute__((packed));

struct eventpoll {
	wait_queue_head_t wq;	     /* threads in epoll_wait */
	wait_queue_head_t poll_wait; /* who polls this epoll descriptor itself */
	struct file *file;
};

struct epitem {
	struct epoll_filefd ffd;
	struct eventpoll *ep;
	struct epoll_event event;
};

struct eppoll_entry {
	struct epitem *base;
	wait_queue_entry_t wait;
	wait_queue_head_t *whead;
};

struct poll_wqueues {
	struct task_struct *polling_task;
};

struct poll_table_entry {
	struct file *filp;
	wait_queue_entry_t wait;
	wait_queue_head_t *wait_address;
};

struct io_cqe {
	__u64 user_data;
	__s32 res;
	int fd; /* until the request is issued */
};

struct io_ring_ctx;

struct io_kiocb {
	struct file *file;
	__u8 opcode;
	__u64 flags;
	struct io_cqe cqe;
	struct io_ring_ctx *ctx;
};

struct io_kiocb___before_5_19 {
	__u64 user_data;
};

struct io_uring_cqe {
	__u64 user_data;
	__s32 res;
	__u32 flags;
};

#pragma clang attribute pop

#endif
