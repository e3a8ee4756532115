/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* net_server HOW LOG: binds a free port on loopback, sleeps 150 ms, listens, computes for 230 ms,
 * and then stands ready to accept in the way HOW says: accept, poll, select, epoll, nested (an
 * epoll set inside the one waited on), polled (poll on an epoll set), deep (select on the outermost of
 * five sets), late (a thread waits in the epoll set already, another adds
 * the listener), edge (edge-triggered; tries its first accept 170 ms after the wait), busy (poll
 * with 23 descriptors, the listener last, and one of them readable at once), io_uring, multishot,
 * sqpoll, fixed (io_uring with a registered file), ring (binds and listens by io_uring, too; ends
 * with status 77 where the kernel cannot).
 * Known answer: LOG, in CLOCK_MONOTONIC nanoseconds around each step: lines of "listen",
 * "ready", "accept", BEFORE, AFTER. Ends by a signal, or after 10 s. */
#include "tests/workloads/net_server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#define DESCRIPTORS 23

static void by_accept(int fd)
{
	log_ready();
	accept(fd, NULL, NULL);
}

static void by_poll(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	log_ready();
	poll(&one, 1, -1);
}

static void by_busy(int fd)
{
	struct pollfd all[DESCRIPTORS];
	int ends[2];

	if (pipe(ends) || write(ends[1], "x", 1) != 1)
		exit(1);
	for (int i = 0; i < DESCRIPTORS; i++)
		all[i] = (struct pollfd){ .fd = i == DESCRIPTORS - 1 ? fd : ends[0],
					  .events = POLLIN };
	log_ready();
	poll(all, DESCRIPTORS, -1);
	pause();
}

static void by_select(int fd)
{
	fd_set set;

	/* Beyond the first word of the set. */
	fd = fcntl(fd, F_DUPFD, 127);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	log_ready();
	select(fd + 1, &set, NULL, NULL, NULL);
}

static int epoll_with(int fd, unsigned int events)
{
	const int set = epoll_create1(0);
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event))
		exit(1);
	return set;
}

static void wait_in(int set, int timeout_ms)
{
	struct epoll_event event;

	epoll_wait(set, &event, 1, timeout_ms);
}

static void by_epoll(int fd)
{
	const int set = epoll_with(fd, EPOLLIN);

	wait_in(epoll_create1(0), 41); /* it is watched, but the wait is for something else */
	log_ready();
	wait_in(set, -1);
}

static void by_nested(int fd)
{
	const int set = epoll_with(epoll_with(fd, EPOLLIN), EPOLLIN);

	sleep_ms(41);
	log_ready();
	wait_in(set, -1);
}

static void by_polled(int fd)
{
	struct pollfd one = { .fd = epoll_with(fd, EPOLLIN), .events = POLLIN };

	sleep_ms(41);
	log_ready();
	poll(&one, 1, -1);
}

static void by_deep(int fd)
{
	fd_set readable;

	for (int i = 0; i < 5; i++)
		fd = epoll_with(fd, EPOLLIN);
	FD_ZERO(&readable);
	FD_SET(fd, &readable);
	sleep_ms(41);
	log_ready();
	select(fd + 1, &readable, NULL, NULL, NULL);
}

static void *wait_thread(void *set)
{
	wait_in(*(int *)set, -1);
	return NULL;
}

static void by_late(int fd)
{
	int set = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN };
	pthread_t thread;

	pthread_create(&thread, NULL, wait_thread, &set);
	sleep_ms(41);
	log_ready();
	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event))
		exit(1);
	pause();
}

static void by_edge(int fd)
{
	const int set = epoll_with(fd, EPOLLIN | EPOLLET);
	long long before;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	sleep_ms(41);
	log_ready();
	wait_in(set, 170);
	before = now_ns();
	if (accept(fd, NULL, NULL) < 0 && errno != EAGAIN)
		exit(1);
	log_step("accept", before, now_ns());
	wait_in(set, -1);
}

static void by_uring(int fd, bool multishot, bool sqpoll, bool fixed)
{
	struct uring ring;

	uring_open(&ring, sqpoll);
	if (fixed) {
		syscall(__NR_io_uring_register, ring.fd, IORING_REGISTER_FILES, &fd, 1);
		fd = 0;
	}
	uring_accept(&ring, fd, multishot, fixed);
	log_ready();
	uring_enter(&ring, 1);
}

enum { OP_BIND = 56, OP_LISTEN = 57 }; /* Linux 6.11; older headers have no names for them */

/* Bind, listen and accept. */
static void by_ring_alone(void)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct uring ring;
	long long before;

	uring_open(&ring, false);
	if (uring_call(&ring, OP_BIND, fd, &address, sizeof(address), 0))
		exit(77);
	sleep_ms(150);
	before = now_ns();
	if (uring_call(&ring, OP_LISTEN, fd, NULL, 0, 23))
		exit(77);
	log_step("listen", before, now_ns());
	compute_ms(230);
	uring_accept(&ring, fd, false, false);
	log_ready();
	uring_enter(&ring, 1);
}

int main(int argc, char **argv)
{
	const char *how = argc == 3 ? argv[1] : "";
	long long before;
	int fd;

	if (argc != 3 || log_open(argv[2]))
		return 2;
	alarm(10);
	if (!strcmp(how, "ring"))
		by_ring_alone();
	fd = bound_socket();
	sleep_ms(150);
	before = now_ns();
	if (listen(fd, 23))
		return 1;
	log_step("listen", before, now_ns());
	compute_ms(230);
	if (!strcmp(how, "accept"))
		by_accept(fd);
	else if (!strcmp(how, "poll"))
		by_poll(fd);
	else if (!strcmp(how, "busy"))
		by_busy(fd);
	else if (!strcmp(how, "select"))
		by_select(fd);
	else if (!strcmp(how, "epoll"))
		by_epoll(fd);
	else if (!strcmp(how, "nested"))
		by_nested(fd);
	else if (!strcmp(how, "polled"))
		by_polled(fd);
	else if (!strcmp(how, "deep"))
		by_deep(fd);
	else if (!strcmp(how, "late"))
		by_late(fd);
	else if (!strcmp(how, "edge"))
		by_edge(fd);
	else if (!strcmp(how, "io_uring") || !strcmp(how, "multishot") || !strcmp(how, "sqpoll") ||
		 !strcmp(how, "fixed"))
		by_uring(fd, !strcmp(how, "multishot"), !strcmp(how, "sqpoll"),
			 !strcmp(how, "fixed"));
	return 2;
}
