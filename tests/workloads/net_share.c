/* SPDX-License-Identifier: MIT */
/* net_share HOW LOG: listens on a free port of loopback and lets the listener go other ways:
 *   dup        another descriptor, the first closed; then accept
 *   fork       three children, ready 23, 41 and 59 ms later, by accept, poll and accept
 *   pass       over a UNIX socket to a child that does not have it, which polls
 *   exec       executes itself ("inherited"), which accepts on the same descriptor
 *   reuseport  two sockets on one port; the second is ready 41 ms after the first
 *   restart    listens, closes it again, and listens anew on another port; then accept
 * Known answer: one listener (reuseport and restart: two); it is ready when LOG says "ready":
 * STEP, BEFORE, AFTER in CLOCK_MONOTONIC nanoseconds. Ends by a signal, or after 10 s. */
#include "tests/workloads/net_server.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

static void poll_on(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	poll(&one, 1, -1);
}

/* In the child: true. It ends with its parent. */
static bool in_child(void)
{
	const pid_t pid = fork();

	if (pid < 0)
		exit(1);
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid == 0;
}

static void to_dup(int fd)
{
	const int other = fcntl(fd, F_DUPFD, 41);

	close(fd);
	log_ready();
	accept(other, NULL, NULL);
}

static void to_children(int fd)
{
	for (int i = 0; i < 3; i++) {
		if (!in_child())
			continue;
		sleep_ms(23 + 18 * i);
		log_ready();
		if (i == 1)
			poll_on(fd);
		accept(fd, NULL, NULL);
		_exit(0);
	}
	pause();
}

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr header;
};

static void send_fd(int way, int fd)
{
	union control control = { 0 };
	struct iovec byte = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = { .msg_iov = &byte,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	if (sendmsg(way, &message, 0) != 1)
		exit(1);
}

static int receive_fd(int way)
{
	union control control = { 0 };
	char byte;
	struct iovec room = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &room,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	int fd;

	if (recvmsg(way, &message, 0) != 1)
		exit(1);
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(int));
	return fd;
}

static void to_stranger(void)
{
	int ends[2];
	int fd;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends))
		exit(1);
	if (in_child()) {
		fd = receive_fd(ends[1]);
		log_ready();
		poll_on(fd);
		_exit(0);
	}
	fd = bound_socket();
	listen(fd, 23);
	sleep_ms(23);
	send_fd(ends[0], fd);
	close(fd);
	pause();
}

static void to_itself(int fd, char **argv)
{
	char number[16];
	char *again[] = { argv[0], "inherited", argv[2], number, NULL };

	snprintf(number, sizeof(number), "%d", fd);
	execv("/proc/self/exe", again);
	exit(1);
}

static int sharing_socket(const struct sockaddr_in *address)
{
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	const int yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) || listen(fd, 23))
		exit(1);
	return fd;
}

static void share_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int first = sharing_socket(&address);
	int second;

	address = address_of(first);
	second = sharing_socket(&address);
	if (in_child()) {
		log_ready();
		accept(first, NULL, NULL);
		_exit(0);
	}
	sleep_ms(41);
	log_ready();
	accept(second, NULL, NULL);
}

static void listen_again(int fd)
{
	close(fd);
	fd = bound_socket();
	listen(fd, 41);
	sleep_ms(23);
	log_ready();
	accept(fd, NULL, NULL);
}

int main(int argc, char **argv)
{
	const char *how = argc >= 3 ? argv[1] : "";
	int fd;

	if (argc < 3 || log_open(argv[2]))
		return 2;
	alarm(10);
	if (!strcmp(how, "inherited") && argc == 4) {
		sleep_ms(23);
		log_ready();
		accept(atoi(argv[3]), NULL, NULL);
		return 0;
	}
	if (!strcmp(how, "pass"))
		to_stranger();
	if (!strcmp(how, "reuseport")) {
		share_port();
		return 0;
	}
	fd = bound_socket();
	listen(fd, 23);
	if (!strcmp(how, "dup"))
		to_dup(fd);
	else if (!strcmp(how, "fork"))
		to_children(fd);
	else if (!strcmp(how, "exec"))
		to_itself(fd, argv);
	else if (!strcmp(how, "restart"))
		listen_again(fd);
	return 2;
}
