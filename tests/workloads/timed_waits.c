/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* usage: timed_waits SHAPE WORKER TICKERS MS
 *
 * Waits with time-outs of 20 ms for a WORKER (thread, child, grandchild) that computes for MS, and
 * says on standard output, a line each: "worker TID NS", how long that computed, and "late NS", how
 * much later its end was noticed. TICKERS wake the waiting thread for nothing now and then.
 *
 * With SHAPE timer, WORKER tells how a timerfd of MS is waited for: read, poll, epoll.
 *
 * SHAPE: poll (of a pipe), condition (timed), epoll (with timerfds as tickers), reap (WNOHANG and
 * sleep; the worker is no thread), flag (a variable and sleep); sleep: ten sleeps of MS/10 while a worker
 * computes for two thirds of MS, "worker" then tells what was slept. */
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 20000000
#define MS_NS	1000000ull

static struct shared {
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	volatile int is_done;
	volatile uint64_t begin_ns, end_ns;
	volatile int tid;
} * shared;
static int done[2], ticks;
static uint64_t work_ns;
static const char *shape;

static uint64_t now_ns(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void pause_ns(long ns)
{
	(void)nanosleep(&(struct timespec){ ns / 1000000000, ns % 1000000000 }, NULL);
}

/* It ends by the clock and not by a count, so that what it took is known on a busy machine too. */
static void work(void)
{
	shared->tid = (int)syscall(SYS_gettid);
	shared->begin_ns = now_ns();
	while (now_ns() - shared->begin_ns < work_ns)
		;
	shared->end_ns = now_ns();
	if (strcmp(shape, "condition") == 0)
		(void)pthread_mutex_lock(&shared->mutex);
	shared->is_done = 1;
	if (strcmp(shape, "condition") == 0) {
		(void)pthread_cond_broadcast(&shared->condition);
		(void)pthread_mutex_unlock(&shared->mutex);
	} else if (strcmp(shape, "poll") == 0 || strcmp(shape, "epoll") == 0) {
		(void)!write(done[1], "x", 1);
	}
}

static void *work_thread(void *ignored)
{
	work();
	return ignored;
}

static void *tick_thread(void *ignored)
{
	for (;;) {
		pause_ns(2 * TICK_NS);
		(void)pthread_mutex_lock(&shared->mutex);
		(void)pthread_cond_broadcast(&shared->condition);
		(void)pthread_mutex_unlock(&shared->mutex);
		if (strcmp(shape, "poll") == 0)
			(void)!write(ticks, &(uint64_t){ 1 }, sizeof(uint64_t));
	}
	return ignored;
}

static pid_t start_worker(const char *kind)
{
	pthread_t thread;
	if (strcmp(kind, "thread") == 0)
		return pthread_create(&thread, NULL, work_thread, NULL);
	const pid_t pid = fork();
	if (pid != 0)
		return pid;
	if (strcmp(kind, "grandchild") != 0 || fork() == 0)
		work();
	else
		(void)wait(NULL);
	_exit(0);
}

static void wait_poll(void)
{
	struct pollfd fds[] = { { done[0], POLLIN, 0 }, { ticks, POLLIN, 0 } };
	uint64_t count;
	while ((fds[0].revents & POLLIN) == 0)
		if (poll(fds, 2, TICK_NS / 1000000) > 0 && (fds[1].revents & POLLIN) != 0)
			(void)!read(ticks, &count, sizeof(count));
}

static void wait_condition(void)
{
	(void)pthread_mutex_lock(&shared->mutex);
	while (!shared->is_done) {
		struct timespec until;
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TICK_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		(void)pthread_cond_timedwait(&shared->condition, &shared->mutex, &until);
	}
	(void)pthread_mutex_unlock(&shared->mutex);
}

static void wait_epoll(int n_tickers)
{
	const int set = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = done[0] };
	(void)epoll_ctl(set, EPOLL_CTL_ADD, done[0], &event);
	for (int i = 0; i < n_tickers; i++) {
		const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
		const struct timespec each = { 0, TICK_NS + i * (long)MS_NS };
		(void)timerfd_settime(fd, 0, &(struct itimerspec){ each, each }, NULL);
		event.data.fd = fd;
		(void)epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
	}
	uint64_t count;
	for (;;) {
		if (epoll_wait(set, &event, 1, n_tickers > 0 ? -1 : TICK_NS / 1000000) < 1)
			continue;
		if (event.data.fd == done[0])
			break;
		(void)!read(event.data.fd, &count, sizeof(count));
	}
}

static int wait_timer(const char *how)
{
	const int fd = timerfd_create(CLOCK_MONOTONIC, 0), set = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN };
	const struct timespec once = { (time_t)(work_ns / 1000000000),
				       (long)(work_ns % 1000000000) };
	(void)timerfd_settime(fd, 0, &(struct itimerspec){ .it_value = once }, NULL);
	if (strcmp(how, "poll") == 0)
		(void)poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, -1);
	(void)epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
	if (strcmp(how, "epoll") == 0)
		(void)epoll_wait(set, &event, 1, -1);
	uint64_t count;
	return read(fd, &count, sizeof(count)) == sizeof(count) ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	shape = argv[1];
	const int n_tickers = atoi(argv[3]);
	work_ns = strtoull(argv[4], NULL, 10) * MS_NS;
	if (strcmp(shape, "timer") == 0)
		return wait_timer(argv[2]);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	pthread_mutexattr_t mutex;
	pthread_condattr_t condition;
	(void)pthread_mutexattr_init(&mutex);
	(void)pthread_condattr_init(&condition);
	(void)pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	(void)pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
	(void)pthread_mutex_init(&shared->mutex, &mutex);
	(void)pthread_cond_init(&shared->condition, &condition);
	if (pipe(done) < 0 || (ticks = eventfd(0, EFD_NONBLOCK)) < 0)
		return 1;
	const uint64_t slept_ns = work_ns;
	if (strcmp(shape, "sleep") == 0)
		work_ns = work_ns * 2 / 3;
	const pid_t pid = start_worker(argv[2]);
	pthread_t thread;
	for (int i = 0; i < n_tickers && strcmp(shape, "epoll") != 0; i++)
		(void)pthread_create(&thread, NULL, tick_thread, NULL);

	if (strcmp(shape, "sleep") == 0) {
		const uint64_t begin_ns = now_ns();
		for (int i = 0; i < 10; i++)
			pause_ns((long)slept_ns / 10);
		(void)printf("worker %d %llu\nlate 0\n", getpid(),
			     (unsigned long long)(now_ns() - begin_ns));
		return 0;
	}
	if (strcmp(shape, "poll") == 0)
		wait_poll();
	else if (strcmp(shape, "condition") == 0)
		wait_condition();
	else if (strcmp(shape, "epoll") == 0)
		wait_epoll(n_tickers);
	else if (strcmp(shape, "reap") == 0)
		while (waitpid(pid, NULL, WNOHANG) == 0)
			pause_ns(TICK_NS);
	else
		while (!shared->is_done)
			pause_ns(TICK_NS);
	(void)printf("worker %d %llu\nlate %llu\n", shared->tid,
		     (unsigned long long)(shared->end_ns - shared->begin_ns),
		     (unsigned long long)(now_ns() - shared->end_ns));
	return 0;
}
