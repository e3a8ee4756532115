/* SPDX-License-Identifier: MIT */
/* What the network workloads share: a log of their own times, a socket, and a small io_uring. */
#ifndef TESTS_WORKLOADS_NET_SERVER_H
#define TESTS_WORKLOADS_NET_SERVER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int log_fd = -1;

/* 0, or -1. The log is a file, opened before anything is timed. */
static inline int log_open(const char *path)
{
	log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return log_fd < 0 ? -1 : 0;
}

static inline long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static inline void log_step(const char *step, long long before, long long after)
{
	char line[128];
	const int n = snprintf(line, sizeof(line), "%s %lld %lld\n", step, before, after);

	if (write(log_fd, line, (size_t)n) != n)
		exit(1);
}

/* A system call that waits: when it began is the answer. Nobody connects, so it does not return;
 * the time is logged before, and what lies between is one write to a file. */
static inline void log_ready(void)
{
	const long long now = now_ns();

	log_step("ready", now, now);
}

static inline void sleep_ms(long long ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* Of its own CPU time, whatever else runs. */
static inline void compute_ms(long long ms)
{
	struct timespec t;
	long long end = ms * 1000000;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	end += t.tv_sec * 1000000000ll + t.tv_nsec;
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	while (t.tv_sec * 1000000000ll + t.tv_nsec < end);
}

/* A TCP socket on a free port of loopback. */
static inline int bound_socket(void)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)))
		exit(1);
	return fd;
}

/* Where a bound socket is. */
static inline struct sockaddr_in address_of(int fd)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &size))
		exit(1);
	return address;
}

/* ---- io_uring without a library: one request at a time ---- */

struct uring {
	int fd;
	bool sqpoll;
	char *rings;
	struct io_uring_sqe *entries;
	struct io_uring_params params;
};

static inline void uring_open(struct uring *ring, bool sqpoll)
{
	size_t size;

	memset(ring, 0, sizeof(*ring));
	ring->sqpoll = sqpoll;
	if (sqpoll) {
		ring->params.flags = IORING_SETUP_SQPOLL;
		ring->params.sq_thread_idle = 10000;
	}
	ring->fd = (int)syscall(__NR_io_uring_setup, 8, &ring->params);
	if (ring->fd < 0)
		exit(77);
	size = ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe);
	if (size < ring->params.sq_off.array + ring->params.sq_entries * sizeof(unsigned int))
		size = ring->params.sq_off.array + ring->params.sq_entries * sizeof(unsigned int);
	ring->rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
			   IORING_OFF_SQ_RING);
	ring->entries =
		mmap(NULL, ring->params.sq_entries * sizeof(struct io_uring_sqe),
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
	if (ring->rings == MAP_FAILED || ring->entries == MAP_FAILED)
		exit(77);
}

/* Fills in an accept request; uring_enter() hands it over. */
static inline void uring_accept(struct uring *ring, int fd, bool multishot, bool fixed)
{
	ring->entries[0] = (struct io_uring_sqe){
		.opcode = IORING_OP_ACCEPT,
		.fd = fd,
		.flags = fixed ? IOSQE_FIXED_FILE : 0,
		.ioprio = multishot ? IORING_ACCEPT_MULTISHOT : 0,
		.user_data = 41,
	};
}

/* Submits it and waits for @wait completions. */
static inline void uring_enter(struct uring *ring, unsigned int wait)
{
	unsigned int *tail = (unsigned int *)(ring->rings + ring->params.sq_off.tail);
	const unsigned int *flags = (unsigned int *)(ring->rings + ring->params.sq_off.flags);
	const unsigned int mask = *(unsigned int *)(ring->rings + ring->params.sq_off.ring_mask);
	unsigned int how = IORING_ENTER_GETEVENTS;

	((unsigned int *)(ring->rings + ring->params.sq_off.array))[*tail & mask] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the tail before the thread's state */
	if (__atomic_load_n(flags, __ATOMIC_RELAXED) & IORING_SQ_NEED_WAKEUP)
		how |= IORING_ENTER_SQ_WAKEUP;
	syscall(__NR_io_uring_enter, ring->fd, ring->sqpoll ? 0 : 1, wait, how, NULL, 0);
}

static inline int uring_result(struct uring *ring);

/* A bind or listen, for whose result it waits. */
static inline int uring_call(struct uring *ring, int opcode, int fd, const void *address,
			     unsigned long long offset, unsigned int length)
{
	ring->entries[0] = (struct io_uring_sqe){
		.opcode = (unsigned char)opcode,
		.fd = fd,
		.addr = (unsigned long long)(uintptr_t)address,
		.off = offset,
		.len = length,
	};
	uring_enter(ring, 1);
	return uring_result(ring);
}

/* The result of the oldest completion, which is taken. */
static inline int uring_result(struct uring *ring)
{
	unsigned int *head = (unsigned int *)(ring->rings + ring->params.cq_off.head);
	const unsigned int mask = *(unsigned int *)(ring->rings + ring->params.cq_off.ring_mask);
	const struct io_uring_cqe *entries = (void *)(ring->rings + ring->params.cq_off.cqes);
	const int result = entries[*head & mask].res;

	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}

#endif
