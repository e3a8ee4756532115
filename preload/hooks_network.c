/* SPDX-License-Identifier: MIT */
/* Wrappers around socket calls, for runs without kernel probes. With the setting off each is one test
 * and a jump. Each passes its arguments and errno through untouched. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "preload/network.h"
#include "preload/real.h"
#include "preload/shim.h"

#define EXPORT __attribute__((visibility("default")))

/* Descriptors that one wait may name; the kernel allows as many as the program may open. */
enum { POLL_LIMIT = 1 << 20 };

/* Declares the pointer to the real function, found at the first call. */
#define REAL(name)                            \
	static __typeof__(name) *real_##name; \
	if (unlikely(real_##name == NULL))    \
	real_##name = (__typeof__(name) *)real_next(#name)

/* glibc declares these with a transparent union in place of the address. */
int bind(int fd, const void *address, unsigned int n);
int listen(int fd, int backlog);
int connect(int fd, const void *address, unsigned int n);
int accept(int fd, void *address, unsigned int *n);
int accept4(int fd, void *address, unsigned int *n, int flags);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
		size_t size);

static int refuse_missing(void)
{
	int *location = real_errno();

	if (location != NULL)
		*location = ENOSYS;
	return -1;
}

static int outcome(int result)
{
	const int *location = result < 0 ? real_errno() : NULL;

	return location == NULL ? result : -*location;
}

EXPORT int bind(int fd, const void *address, unsigned int n)
{
	REAL(bind);
	const int result = real_bind(fd, address, n);
	struct sl_addr local;
	if (network_may_look() && address_of(fd, false, &local))
		network_event(&(struct network_fact){ .op = SL_NET_BIND,
						      .sock = socket_of(fd),
						      .fd = fd,
						      .result = outcome(result),
						      .addr = &local });
	return result;
}

EXPORT int listen(int fd, int backlog)
{
	REAL(listen);
	const int result = real_listen(fd, backlog);
	struct sl_addr local;
	if (!network_may_look() || !address_of(fd, false, &local))
		return result;
	network_event(&(struct network_fact){ .op = SL_NET_LISTEN,
					      .sock = socket_of(fd),
					      .fd = fd,
					      .backlog = backlog,
					      .result = outcome(result),
					      .addr = &local });
	if (result == 0)
		listener_add(fd);
	return result;
}

EXPORT int connect(int fd, const void *address, unsigned int n)
{
	REAL(connect);
	if (!network_may_look())
		return real_connect(fd, address, n);
	const uint64_t enter_ns = clock_ns();
	const int result = real_connect(fd, address, n);
	struct sl_addr peer;
	if (!address_given(fd, address, n, &peer))
		return result;
	const struct network_fact fact = { .op = SL_NET_CONNECT,
					   .enter_ns = enter_ns,
					   .sock = socket_of(fd),
					   .fd = fd,
					   .result = outcome(result),
					   .addr = &peer };
	network_event(&fact);
	if (fact.result == -115) /* EINPROGRESS */
		connect_pending(fd, fact.sock, enter_ns, &peer);
	return result;
}

EXPORT int accept(int fd, void *address, unsigned int *n)
{
	REAL(accept);
	if (!network_is_on() || !listener_accepting(fd))
		return real_accept(fd, address, n);
	const uint64_t enter_ns = clock_ns();
	const int result = real_accept(fd, address, n);
	listener_accepted(fd, enter_ns, outcome(result));
	return result;
}

EXPORT int accept4(int fd, void *address, unsigned int *n, int flags)
{
	REAL(accept4);
	if (!network_is_on() || !listener_accepting(fd))
		return real_accept4(fd, address, n, flags);
	const uint64_t enter_ns = clock_ns();
	const int result = real_accept4(fd, address, n, flags);
	listener_accepted(fd, enter_ns, outcome(result));
	return result;
}

/* ---- poll and select ---- */

static void before_poll(const struct pollfd *fds, nfds_t n)
{
	struct reader reader = { 0 };
	size_t bytes = 0;

	if (!network_is_on() || network_unready == 0)
		return;
	if (__builtin_mul_overflow(n, sizeof(*fds), &bytes) || bytes > POLL_LIMIT * sizeof(*fds) ||
	    !reader_may_read(&reader, fds, bytes))
		return;
	for (nfds_t i = 0; i < n; i++) {
		if ((fds[i].events & (POLLIN | POLLRDNORM)) != 0 && fds[i].fd >= 0)
			listener_waited(fds[i].fd, SL_HOW_POLL);
	}
}

static int after_poll(int result, const struct pollfd *fds, nfds_t n)
{
	for (nfds_t i = 0; connects_pending != 0 && result > 0 && i < n; i++) {
		if ((fds[i].revents & (POLLOUT | POLLERR | POLLHUP)) != 0)
			connect_settled(fds[i].fd);
	}
	return result;
}

EXPORT int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	REAL(poll);
	before_poll(fds, n);
	return after_poll(real_poll(fds, n, timeout), fds, n);
}

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	REAL(ppoll);
	before_poll(fds, n);
	return after_poll(real_ppoll(fds, n, timeout, mask), fds, n);
}

/* What programs built with _FORTIFY_SOURCE call; glibc aborts in there if @size is too small. */
EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
	REAL(__poll_chk);
	if (size / sizeof(*fds) >= n)
		before_poll(fds, n);
	return after_poll(real___poll_chk(fds, n, timeout, size), fds, n);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		       const sigset_t *mask, size_t size)
{
	REAL(__ppoll_chk);
	if (size / sizeof(*fds) >= n)
		before_poll(fds, n);
	return after_poll(real___ppoll_chk(fds, n, timeout, mask, size), fds, n);
}

static void before_select(int n, const fd_set *readable)
{
	struct reader reader = { 0 };

	/* Not FD_ISSET: programs use sets larger than FD_SETSIZE. */
	const unsigned long *words = (const unsigned long *)(const void *)readable;
	if (!network_is_on() || network_unready == 0 || readable == NULL || n < 0 ||
	    n > POLL_LIMIT || !reader_may_read(&reader, readable, ((size_t)n + 63) / 64 * 8))
		return;
	for (int fd = 0; fd < n; fd++) {
		if ((words[fd / 64] >> (fd % 64) & 1) != 0)
			listener_waited(fd, SL_HOW_SELECT);
	}
}

EXPORT int select(int n, fd_set *readable, fd_set *writable, fd_set *except,
		  struct timeval *timeout)
{
	REAL(select);
	before_select(n, readable);
	const int result = real_select(n, readable, writable, except, timeout);
	if (unlikely(connects_pending != 0) && result > 0)
		connects_settle_all();
	return result;
}

EXPORT int pselect(int n, fd_set *readable, fd_set *writable, fd_set *except,
		   const struct timespec *timeout, const sigset_t *mask)
{
	REAL(pselect);
	before_select(n, readable);
	const int result = real_pselect(n, readable, writable, except, timeout, mask);
	if (unlikely(connects_pending != 0) && result > 0)
		connects_settle_all();
	return result;
}

/* ---- epoll ---- */

EXPORT int epoll_create(int size)
{
	REAL(epoll_create);
	const int result = real_epoll_create(size);
	if (network_is_on() && result >= 0)
		epoll_made(result);
	return result;
}

EXPORT int epoll_create1(int flags)
{
	REAL(epoll_create1);
	const int result = real_epoll_create1(flags);
	if (network_is_on() && result >= 0)
		epoll_made(result);
	return result;
}

EXPORT int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	REAL(epoll_ctl);
	const int result = real_epoll_ctl(epoll_fd, op, fd, event);
	if (!network_is_on() || result != 0)
		return result;
	/* That it succeeded proves that the event could be read. */
	if (op == EPOLL_CTL_DEL)
		epoll_lacks(epoll_fd, fd);
	else if (event != NULL)
		epoll_contains(epoll_fd, fd, event->events);
	return result;
}

static int after_wait(bool is_counted, int epoll_fd, int result)
{
	if (is_counted)
		epoll_waited(epoll_fd);
	/* Which descriptors the events are for only the program knows. */
	if (connects_pending != 0 && result > 0)
		connects_settle_all();
	return result;
}

EXPORT int epoll_wait(int epoll_fd, struct epoll_event *events, int n, int timeout)
{
	REAL(epoll_wait);
	const bool is_counted = network_is_on() && epoll_waits(epoll_fd);
	return after_wait(is_counted, epoll_fd, real_epoll_wait(epoll_fd, events, n, timeout));
}

EXPORT int epoll_pwait(int epoll_fd, struct epoll_event *events, int n, int timeout,
		       const sigset_t *mask)
{
	REAL(epoll_pwait);
	const bool is_counted = network_is_on() && epoll_waits(epoll_fd);
	return after_wait(is_counted, epoll_fd,
			  real_epoll_pwait(epoll_fd, events, n, timeout, mask));
}

EXPORT int epoll_pwait2(int epoll_fd, struct epoll_event *events, int n,
			const struct timespec *timeout, const sigset_t *mask)
{
	REAL(epoll_pwait2);
	if (real_epoll_pwait2 == NULL)
		return refuse_missing();
	const bool is_counted = network_is_on() && epoll_waits(epoll_fd);
	return after_wait(is_counted, epoll_fd,
			  real_epoll_pwait2(epoll_fd, events, n, timeout, mask));
}

/* ---- descriptors ---- */

EXPORT int close(int fd)
{
	REAL(close);
	if (network_is_on())
		descriptor_closed(fd);
	return real_close(fd);
}

static int copied(int from, int to)
{
	if (network_is_on() && to >= 0)
		descriptor_copied(from, to);
	return to;
}

EXPORT int dup(int fd)
{
	REAL(dup);
	return copied(fd, real_dup(fd));
}

EXPORT int dup2(int from, int to)
{
	REAL(dup2);
	return copied(from, real_dup2(from, to));
}

EXPORT int dup3(int from, int to, int flags)
{
	REAL(dup3);
	return copied(from, real_dup3(from, to, flags));
}

/* Variadic in the header; one argument more than was given does no harm. */
int hooked_fcntl(int fd, int command, unsigned long argument) __asm__("fcntl");
int hooked_fcntl64(int fd, int command, unsigned long argument) __asm__("fcntl64");

static int after_fcntl(int fd, int command, int result)
{
	return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? copied(fd, result) : result;
}

EXPORT int hooked_fcntl(int fd, int command, unsigned long argument)
{
	static __typeof__(hooked_fcntl) *real_fcntl;
	if (unlikely(real_fcntl == NULL))
		real_fcntl = (__typeof__(hooked_fcntl) *)real_next("fcntl");
	return after_fcntl(fd, command, real_fcntl(fd, command, argument));
}

EXPORT int hooked_fcntl64(int fd, int command, unsigned long argument)
{
	static __typeof__(hooked_fcntl64) *real_fcntl64;
	if (unlikely(real_fcntl64 == NULL))
		real_fcntl64 = (__typeof__(hooked_fcntl64) *)real_next("fcntl64");
	if (unlikely(real_fcntl64 == NULL)) /* musl 1.2.4 */
		return hooked_fcntl(fd, command, argument);
	return after_fcntl(fd, command, real_fcntl64(fd, command, argument));
}
