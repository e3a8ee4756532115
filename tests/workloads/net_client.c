/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* net_client HOW LOG: is its own server, in a second thread, on loopback or on a UNIX socket
 * named by LOG.sock, and connects to it:
 *   unix      the backlog is full for 170 ms: connect blocks that long
 *   abstract  the same with an abstract name
 *   reply     sends a request of 23 bytes, which is answered 170 ms later with 41; also
 *             reply:writev, :send, :sendmsg, :sendfile, :splice: how the answer is written
 *   progress  a connect that does not wait, then poll until it is there
 *   refused   the same to a port where nobody listens
 *   slow      the same, but the backlog is full for 170 ms: the first SYN is dropped and sent
 *             again by the kernel after about 1 s
 *   udp       a datagram to 127.0.0.1, answered 170 ms later
 *   uring     a connect by io_uring
 * Known answer: LOG, lines of STEP, BEFORE, AFTER in CLOCK_MONOTONIC nanoseconds: "connect", and
 * "reply" from the request's end to the reply. Status 0. */
#include "tests/workloads/net_server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/un.h>

#define LATE_MS	      170
#define REQUEST_BYTES 23
#define REPLY_BYTES   41

static int server_fd;

static void *accept_late(void *unused)
{
	(void)unused;
	sleep_ms(LATE_MS);
	accept(server_fd, NULL, NULL);
	accept(server_fd, NULL, NULL);
	return NULL;
}

static const char *how_to_answer = "";

/* A file with the answer in it. */
static int answer_file(void)
{
	const int fd = memfd_create("answer", 0);

	if (ftruncate(fd, REPLY_BYTES))
		exit(1);
	return fd;
}

static ssize_t splice_answer(int fd)
{
	int ends[2];
	const int file = answer_file();

	if (pipe(ends) || splice(file, NULL, ends[1], NULL, REPLY_BYTES, 0) != REPLY_BYTES)
		exit(1);
	return splice(ends[0], NULL, fd, NULL, REPLY_BYTES, 0);
}

static ssize_t answer(int fd, char *bytes)
{
	struct iovec pieces[] = { { bytes, 11 }, { bytes + 11, REPLY_BYTES - 11 } };
	const struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2 };

	if (!strcmp(how_to_answer, ":writev"))
		return writev(fd, pieces, 2);
	if (!strcmp(how_to_answer, ":send"))
		return send(fd, bytes, REPLY_BYTES, 0);
	if (!strcmp(how_to_answer, ":sendmsg"))
		return sendmsg(fd, &message, 0);
	if (!strcmp(how_to_answer, ":sendfile"))
		return sendfile(fd, answer_file(), NULL, REPLY_BYTES);
	if (!strcmp(how_to_answer, ":splice"))
		return splice_answer(fd);
	return write(fd, bytes, REPLY_BYTES);
}

static void *answer_late(void *unused)
{
	char bytes[REPLY_BYTES] = "";
	const int fd = accept(server_fd, NULL, NULL);

	(void)unused;
	if (recv(fd, bytes, REQUEST_BYTES, MSG_WAITALL) != REQUEST_BYTES)
		exit(1);
	sleep_ms(LATE_MS);
	if (answer(fd, bytes) != REPLY_BYTES)
		exit(1);
	return NULL;
}

static void *answer_datagram_late(void *unused)
{
	char bytes[REPLY_BYTES] = "";
	struct sockaddr_in from;
	socklen_t size = sizeof(from);

	(void)unused;
	if (recvfrom(server_fd, bytes, REQUEST_BYTES, 0, (struct sockaddr *)&from, &size) !=
	    REQUEST_BYTES)
		exit(1);
	sleep_ms(LATE_MS);
	if (sendto(server_fd, bytes, REPLY_BYTES, 0, (struct sockaddr *)&from, size) != REPLY_BYTES)
		exit(1);
	return NULL;
}

static void start(void *(*body)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, body, NULL))
		exit(1);
}

static int connected(int fd, const void *address, socklen_t size)
{
	const long long before = now_ns();

	if (connect(fd, address, size))
		exit(1);
	log_step("connect", before, now_ns());
	return fd;
}

static void to_unix(const char *log, bool is_abstract)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size;
	const int n = snprintf(address.sun_path + is_abstract,
			       sizeof(address.sun_path) - is_abstract, "%s.sock", log);

	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + is_abstract + (size_t)n);
	if (!is_abstract)
		unlink(address.sun_path);
	server_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(server_fd, (struct sockaddr *)&address, size) || listen(server_fd, 0))
		exit(1);
	/* A backlog of 0 has room for one. */
	if (connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, size))
		exit(1);
	start(accept_late);
	connected(socket(AF_UNIX, SOCK_STREAM, 0), &address, size);
}

static void to_replier(const char *how)
{
	char bytes[REPLY_BYTES] = "";
	struct sockaddr_in address;
	long long before;
	int fd;

	how_to_answer = how;
	server_fd = bound_socket();
	listen(server_fd, 23);
	start(answer_late);
	address = address_of(server_fd);
	fd = connected(socket(AF_INET, SOCK_STREAM, 0), &address, sizeof(address));
	if (write(fd, bytes, 11) != 11 ||
	    write(fd, bytes, REQUEST_BYTES - 11) != REQUEST_BYTES - 11)
		exit(1);
	before = now_ns();
	if (read(fd, bytes, REPLY_BYTES) != REPLY_BYTES)
		exit(1);
	log_step("reply", before, now_ns());
}

static void to_datagrams(void)
{
	char bytes[REPLY_BYTES] = "";
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	long long before;

	server_fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(server_fd, (struct sockaddr *)&address, sizeof(address)))
		exit(1);
	address = address_of(server_fd);
	start(answer_datagram_late);
	if (sendto(fd, bytes, REQUEST_BYTES, 0, (struct sockaddr *)&address, sizeof(address)) !=
	    REQUEST_BYTES)
		exit(1);
	before = now_ns();
	if (recv(fd, bytes, REPLY_BYTES, 0) != REPLY_BYTES)
		exit(1);
	log_step("reply", before, now_ns());
}

static void without_waiting(bool is_open, bool is_full)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd one = { .fd = fd, .events = POLLOUT };
	struct sockaddr_in address;
	socklen_t size = sizeof(int);
	long long before;
	int error = 0;

	server_fd = bound_socket();
	address = address_of(server_fd);
	if (is_open)
		listen(server_fd, is_full ? 0 : 23);
	if (is_full) {
		if (connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address,
			    sizeof(address)))
			exit(1);
		start(accept_late);
	}
	before = now_ns();
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != -1 || errno != EINPROGRESS)
		exit(1);
	if (poll(&one, 1, 4100) != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) ||
	    error != (is_open ? 0 : ECONNREFUSED))
		exit(1);
	log_step("connect", before, now_ns());
}

static void by_uring(void)
{
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address;
	struct uring ring;
	long long before;

	server_fd = bound_socket();
	address = address_of(server_fd);
	listen(server_fd, 23);
	uring_open(&ring, false);
	ring.entries[0] = (struct io_uring_sqe){
		.opcode = IORING_OP_CONNECT,
		.fd = fd,
		.addr = (unsigned long long)&address,
		.off = sizeof(address),
		.user_data = 23,
	};
	before = now_ns();
	uring_enter(&ring, 1);
	if (uring_result(&ring))
		exit(1);
	log_step("connect", before, now_ns());
}

int main(int argc, char **argv)
{
	const char *how = argc == 3 ? argv[1] : "";

	if (argc != 3 || log_open(argv[2]))
		return 2;
	alarm(10);
	if (!strcmp(how, "unix") || !strcmp(how, "abstract"))
		to_unix(argv[2], !strcmp(how, "abstract"));
	else if (!strncmp(how, "reply", 5))
		to_replier(how + 5);
	else if (!strcmp(how, "udp"))
		to_datagrams();
	else if (!strcmp(how, "progress") || !strcmp(how, "refused") || !strcmp(how, "slow"))
		without_waiting(strcmp(how, "refused") != 0, !strcmp(how, "slow"));
	else if (!strcmp(how, "uring"))
		by_uring();
	else
		return 2;
	return 0;
}
