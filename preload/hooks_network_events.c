/* SPDX-License-Identifier: MIT */
/* Sockets and their addresses, as the kernel tells them, and the NET events of the tier without kernel
 * probes. */
#include "preload/network.h"

#include <linux/un.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "preload/readable.h"
#include "preload/shim.h"

bool network_is_on(void)
{
	shim_prepare();
	return unlikely((shim.settings.flags & SHIM_WRAPS_NETWORK) != 0) && !shim.is_off &&
	       !shim.is_sealed;
}

bool network_may_look(void)
{
	return network_is_on() && shim_may_call();
}

void network_lost(void)
{
	/* Relaxed: a sum of its own. */
	if (life.lane != NULL)
		(void)__atomic_fetch_add(&life.lane->refused, 1, __ATOMIC_RELAXED);
}

uint64_t socket_of(int fd)
{
	struct stat s;

	if (sys_call3(SYS_fstat, fd, (long)&s, 0) != 0 || !S_ISSOCK(s.st_mode))
		return 0;
	return s.st_ino;
}

static uint16_t type_of(int fd)
{
	int type = 0;
	uint32_t n = sizeof(type);

	if (sys_call6(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, (long)&type, (long)&n, 0) != 0)
		return 0;
	return (uint16_t)type;
}

/* False for families we do not record. */
static bool read_address(const void *address, size_t n, struct sl_addr *ret)
{
	struct sockaddr_storage copy = { 0 };

	if (address == NULL || n < sizeof(copy.ss_family))
		return false;
	copy_bytes(&copy, address, n < sizeof(copy) ? n : sizeof(copy));
	ret->family = copy.ss_family;
	if (copy.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&copy;
		ret->port = __builtin_bswap16(in->sin_port);
		ret->length = sizeof(in->sin_addr);
		copy_bytes(ret->bytes, &in->sin_addr, sizeof(in->sin_addr));
	} else if (copy.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)&copy;
		ret->port = __builtin_bswap16(in->sin6_port);
		ret->length = sizeof(in->sin6_addr);
		copy_bytes(ret->bytes, &in->sin6_addr, sizeof(in->sin6_addr));
	} else if (copy.ss_family == AF_UNIX) {
		const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&copy;
		size_t length = n - sizeof(un->sun_family);
		/* A path ends at its NUL; an abstract name begins with one and has none at its end. */
		if (length > 0 && un->sun_path[0] != '\0') {
			size_t path = 0;
			while (path < length && path < sizeof(un->sun_path) &&
			       un->sun_path[path] != '\0')
				path++;
			length = path;
		}
		if (length > sizeof(un->sun_path))
			length = sizeof(un->sun_path);
		ret->length = (uint16_t)length;
		copy_bytes(ret->bytes, un->sun_path, length);
	} else {
		return false;
	}
	return true;
}

bool address_of(int fd, bool is_peer, struct sl_addr *ret)
{
	struct sockaddr_storage address;
	uint32_t n = sizeof(address);
	const long number = is_peer ? SYS_getpeername : SYS_getsockname;

	*ret = (struct sl_addr){ .type = type_of(fd) };
	return sys_call3(number, fd, (long)&address, (long)&n) == 0 &&
	       read_address(&address, n, ret);
}

bool address_given(int fd, const void *address, size_t n, struct sl_addr *ret)
{
	struct reader reader = { 0 };
	const size_t looked_at =
		n < sizeof(struct sockaddr_storage) ? n : sizeof(struct sockaddr_storage);

	*ret = (struct sl_addr){ .type = type_of(fd) };
	return reader_may_read(&reader, address, looked_at) && read_address(address, n, ret);
}

void network_event(const struct network_fact *fact)
{
	/* A forked child has no lane yet. */
	if (!shim_start())
		return;
	struct sl_event *event = shim_record(sizeof(struct sl_net));
	if (event == NULL)
		return;
	struct sl_net *net = (struct sl_net *)(void *)event;
	net->enter_ns = fact->enter_ns != 0 ? fact->enter_ns : event->time_ns;
	net->sock = fact->sock;
	net->other = fact->other;
	net->op = (uint16_t)fact->op;
	net->how = (uint16_t)fact->how;
	net->result = fact->result;
	net->fd = fact->fd;
	net->backlog = (uint32_t)fact->backlog;
	if (fact->addr != NULL)
		net->addr = *fact->addr;
	lane_commit(event, SL_KIND_NET);
}
