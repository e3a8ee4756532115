/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* edge_server SHAPE HOW GAP_MS LOG: listens and registers the listener edge-triggered at once, as
 * runtimes with an event loop do, but begins to serve only GAP_MS later.
 *
 * SHAPE, the calls of
 *   go       a thread waits in the set; accept is tried first, and only then waited for
 *   tokio    one thread: what it waits for in the gap is in the same set as the listener
 *   tokio-mt a thread waits in the set; main does the gap, and accepts when it is told to
 *   netty    a boss thread waits in the set; reading is switched on through its queue of tasks
 * HOW the gap is spent: sleep, compute, peer (a reply of another process comes GAP_MS later).
 *
 * Known answer: LOG, lines of "listen" and "ready" with BEFORE and AFTER in CLOCK_MONOTONIC
 * nanoseconds; "accept" for each connection it takes. Ends by a signal, or after 60 s. */
#include "tests/workloads/net_server.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define EDGE (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static int set, listener, gap_ms, peer_fd;
static const char *how;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static bool may_accept; /* the kernel has told of a connection */

static void add(int fd, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event))
		exit(1);
}

/* All that there are; false: none. */
static bool accept_all(void)
{
	bool is_any = false;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		const long long now = now_ns();

		log_step("accept", now, now);
		close(fd);
		is_any = true;
	}
	return is_any;
}

/* Another process, which answers after the gap. */
static void start_peer(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		exit(1);
	if (fork() == 0) {
		close(ends[0]);
		close(listener);
		sleep_ms(gap_ms);
		_exit(write(ends[1], "x", 1) != 1);
	}
	close(ends[1]);
	peer_fd = ends[0];
}

static void spend_gap(void)
{
	char byte;

	if (!strcmp(how, "compute")) {
		compute_ms(gap_ms);
	} else if (!strcmp(how, "peer")) {
		start_peer();
		if (read(peer_fd, &byte, 1) != 1)
			exit(1);
	} else {
		sleep_ms(gap_ms);
	}
}

static void *wait_for_ever(void *arg)
{
	struct epoll_event event;

	(void)arg;
	for (;;) {
		if (epoll_wait(set, &event, 1, -1) != 1 || event.data.fd != listener ||
		    !(event.events & EPOLLIN))
			continue;
		pthread_mutex_lock(&lock);
		may_accept = true;
		pthread_cond_signal(&told);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void serve_when_told(void)
{
	for (;;) {
		pthread_mutex_lock(&lock);
		while (!may_accept)
			pthread_cond_wait(&told, &lock);
		may_accept = false;
		pthread_mutex_unlock(&lock);
		accept_all();
	}
}

static void by_go(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, wait_for_ever, NULL);
	spend_gap();
	log_ready();
	accept_all();
	serve_when_told();
}

static void by_tokio_mt(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, wait_for_ever, NULL);
	spend_gap();
	log_ready();
	serve_when_told();
}

static void by_tokio(void)
{
	const long long end = now_ns() + gap_ms * 1000000ll;
	struct epoll_event event;
	char byte;

	if (!strcmp(how, "compute"))
		compute_ms(gap_ms);
	if (!strcmp(how, "peer")) {
		start_peer();
		add(peer_fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
	}
	for (long long now = now_ns(); strcmp(how, "compute") && now < end; now = now_ns()) {
		const int left = !strcmp(how, "peer") ? -1 : (int)((end - now + 999999) / 1000000);
		if (epoll_wait(set, &event, 1, left) != 1)
			continue;
		may_accept |= event.data.fd == listener && (event.events & EPOLLIN);
		if (event.data.fd == peer_fd && read(peer_fd, &byte, 1) == 1)
			break;
	}
	log_ready();
	if (may_accept)
		accept_all();
	for (;;) {
		if (epoll_wait(set, &event, 1, -1) == 1 && event.data.fd == listener)
			accept_all();
	}
}

static int tasks;

static void *boss(void *arg)
{
	struct epoll_event event;
	uint64_t value;

	(void)arg;
	for (;;) {
		if (epoll_wait(set, &event, 1, -1) != 1)
			continue;
		if (event.data.fd == listener)
			accept_all();
		if (event.data.fd != tasks || read(tasks, &value, sizeof(value)) < 0)
			continue;
		event = (struct epoll_event){ .events = EPOLLIN | EPOLLET, .data.fd = listener };
		if (epoll_ctl(set, EPOLL_CTL_MOD, listener, &event))
			exit(1);
		log_ready();
	}
	return NULL;
}

static void by_netty(void)
{
	const uint64_t one = 1;
	pthread_t thread;

	tasks = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	add(tasks, EPOLLIN | EPOLLET);
	pthread_create(&thread, NULL, boss, NULL);
	spend_gap();
	if (write(tasks, &one, sizeof(one)) != sizeof(one))
		exit(1);
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	const char *shape = argc == 5 ? argv[1] : "";
	long long before;

	if (argc != 5 || log_open(argv[4]))
		return 2;
	how = argv[2];
	gap_ms = atoi(argv[3]);
	peer_fd = -1;
	alarm(60);
	listener = bound_socket();
	fcntl(listener, F_SETFL, O_NONBLOCK);
	set = epoll_create1(EPOLL_CLOEXEC);
	before = now_ns();
	if (listen(listener, 23))
		return 1;
	log_step("listen", before, now_ns());
	add(listener, strcmp(shape, "netty") ? EDGE : EPOLLET);
	if (!strcmp(shape, "go"))
		by_go();
	else if (!strcmp(shape, "tokio"))
		by_tokio();
	else if (!strcmp(shape, "tokio-mt"))
		by_tokio_mt();
	else if (!strcmp(shape, "netty"))
		by_netty();
	return 2;
}
