/* SPDX-License-Identifier: MIT */
/* A socket belongs to the network namespace that it was made in, wherever it is used later. */

#include "userspace/collect/ready/own_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"

/* On one machine it takes microseconds, unless the listener's queue is full. */
#define CONNECT_MS 20

struct address {
	struct sockaddr_storage storage;
	socklen_t length;
};

static bool is_any(const struct sl_addr *addr)
{
	static const uint8_t zero[16];
	return memcmp(addr->bytes, zero, addr->family == AF_INET ? 4 : 16) == 0;
}

static int unix_address(const struct own_connection *c, struct address *ret)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const size_t length = c->to.length;
	int n = (int)length;
	if (length == 0 || length > sizeof(un.sun_path))
		return -ENAMETOOLONG;
	if (c->to.bytes[0] == '\0')
		memcpy(un.sun_path, c->to.bytes, length);
	else
		n = snprintf(un.sun_path, sizeof(un.sun_path), "/proc/%d/%s/%.*s", c->pid,
			     c->to.bytes[0] == '/' ? "root" : "cwd", (int)length,
			     (const char *)c->to.bytes);
	if (n < 0 || (size_t)n >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(&ret->storage, &un, sizeof(un));
	ret->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
	return 0;
}

/* Where one connects to reach who listens on c->to: the wildcard address is reached on loopback. */
static int address_of(const struct own_connection *c, struct address *ret)
{
	*ret = (struct address){ .length = 0 };
	if (c->to.family == AF_UNIX)
		return unix_address(c, ret);
	if (c->to.family == AF_INET) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(c->to.port) };
		memcpy(&in.sin_addr, c->to.bytes, sizeof(in.sin_addr));
		if (is_any(&c->to))
			in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		memcpy(&ret->storage, &in, sizeof(in));
		ret->length = sizeof(in);
		return 0;
	}
	if (c->to.family != AF_INET6)
		return -EAFNOSUPPORT;
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(c->to.port) };
	memcpy(&in6.sin6_addr, c->to.bytes, sizeof(in6.sin6_addr));
	if (is_any(&c->to))
		in6.sin6_addr = in6addr_loopback;
	memcpy(&ret->storage, &in6, sizeof(in6));
	ret->length = sizeof(in6);
	return 0;
}

static int open_namespace(const char *process)
{
	char path[64];
	const int n = snprintf(path, sizeof(path), "/proc/%s/ns/net", process);
	const int fd = n < 0 || n >= (int)sizeof(path) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* socket(2) as if @pid made it. */
static int socket_of(pid_t pid, int family, int type)
{
	char number[16];
	(void)snprintf(number, sizeof(number), "%d", pid);
	_cleanup_close_ const int ours = open_namespace("self");
	_cleanup_close_ const int theirs = open_namespace(number);
	if (ours < 0 || theirs < 0)
		return ours < 0 ? ours : theirs;
	const bool is_ours = fs_is_one_file(ours, theirs);
	if (!is_ours && setns(theirs, CLONE_NEWNET) < 0)
		return -errno;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fd = -errno;
	if (!is_ours && setns(ours, CLONE_NEWNET) < 0) {
		const int error = -errno;
		if (fd >= 0)
			(void)close(fd);
		return fail(error, "cannot leave the command's network namespace: %s",
			    strerror(-error));
	}
	return fd;
}

/* Our end gets a name, a port or an abstract one, before anybody can see it. */
static int name_end(struct own_connection *c)
{
	struct sockaddr_storage any = { .ss_family = c->to.family };
	struct sockaddr_storage name;
	const socklen_t length = c->to.family == AF_UNIX   ? sizeof(sa_family_t)
				 : c->to.family == AF_INET ? sizeof(struct sockaddr_in)
							   : sizeof(struct sockaddr_in6);
	socklen_t n = sizeof(name);
	memset(&name, 0, sizeof(name));
	if (bind(c->fd, (const struct sockaddr *)&any, length) < 0 ||
	    getsockname(c->fd, (struct sockaddr *)&name, &n) < 0)
		return -errno;
	c->end = (struct sl_addr){ .family = c->to.family, .type = c->to.type };
	if (c->to.family == AF_UNIX) {
		const size_t bytes = n - offsetof(struct sockaddr_un, sun_path);
		if (n <= offsetof(struct sockaddr_un, sun_path) || bytes > sizeof(c->end.bytes))
			return -EINVAL;
		c->end.length = (uint16_t)bytes;
		memcpy(c->end.bytes, ((const struct sockaddr_un *)&name)->sun_path, bytes);
		return 0;
	}
	/* The address is chosen when it connects. The port is in the same place for both families. */
	struct sockaddr_in in = { .sin_port = 0 };
	memcpy(&in, &name, sizeof(in));
	c->end.length = c->to.family == AF_INET ? 4 : 16;
	c->end.port = ntohs(in.sin_port);
	return 0;
}

int own_connection_open(struct own_connection *c, const struct sl_addr *to, pid_t pid)
{
	*c = (struct own_connection){ .fd = -1, .to = *to, .pid = pid };
	const int type = to->family == AF_UNIX && to->type != 0 ? to->type : SOCK_STREAM;
	const int fd = socket_of(pid, to->family, type);
	if (fd < 0)
		return fd;
	c->fd = fd;
	return name_end(c);
}

static int outcome(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t n = sizeof(error);
	if (poll(&one, 1, CONNECT_MS) <= 0)
		return -ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 ? -errno : -error;
}

int own_connection_make(struct own_connection *c)
{
	struct address address;
	const int r = address_of(c, &address);
	if (r < 0)
		return r;
	if (connect(c->fd, (const struct sockaddr *)&address.storage, address.length) == 0)
		return 0;
	return errno == EINPROGRESS ? outcome(c->fd) : -errno;
}

void own_connection_done(struct own_connection *c)
{
	if (c->fd >= 0)
		(void)close(take_fd(c->fd));
}
