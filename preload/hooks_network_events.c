/* SPDX-License-Identifier: MIT */
/* What the tier without kernel probes knows about sockets: a table of this process's listeners, and
 * the NET events. Fixed tables, no lock: an entry is filled, then published by storing its fd; the
 * flags are exchanged atomically, so each event is sent once. A descriptor that was closed and
 * used again is found out by the socket's inode, which is also its identity across fork. */
#include "preload/network.h"

#include <linux/un.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "preload/readable.h"
#include "preload/shim.h"

enum { MAX_LISTENERS = 64, MAX_NESTED = 16, MAX_WAITED = 32, EPOLLS = 4 };

struct listener {
	int fd_plus_1; /* 0: free; stored last */
	uint64_t sock;
	struct sl_addr local;
	int epolls_plus_1[EPOLLS];
	uint32_t is_edge;
	uint32_t is_ready;   /* ACCEPT_READY was sent (edge-triggered: and confirmed) */
	uint32_t n_accepted; /* counted up to two: the first may be startline's own */
	uint32_t is_failed;
};

static struct listener listeners[MAX_LISTENERS];
static uint32_t n_listeners;
uint32_t network_unready HIDDEN;

/* An epoll set inside another, and sets that threads wait on just now. */
static struct {
	int inner_plus_1;
	int outer_plus_1;
} nested[MAX_NESTED];
static struct {
	int epoll_plus_1;
	int n_threads;
} waited[MAX_WAITED];

#define LOAD(x)	    __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define STORE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)

bool network_is_on(void)
{
	shim_prepare();
	return unlikely((shim.settings.flags & SHIM_WRAPS_NETWORK) != 0) && !shim.is_off &&
	       !shim.is_sealed;
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

/* ---- listeners ---- */

static struct listener *listener_by_number(int fd)
{
	const uint32_t n = LOAD(n_listeners);

	for (uint32_t i = 0; i < n && i < MAX_LISTENERS; i++) {
		if (LOAD(listeners[i].fd_plus_1) == fd + 1)
			return &listeners[i];
	}
	return NULL;
}

/* Also under another number: a duplicate, or passed on. */
static struct listener *listener_of(int fd)
{
	const uint32_t n = LOAD(n_listeners);
	struct listener *l = listener_by_number(fd);
	const uint64_t sock = l != NULL || n == 0 ? 0 : socket_of(fd);

	for (uint32_t i = 0; l == NULL && sock != 0 && i < n && i < MAX_LISTENERS; i++) {
		if (LOAD(listeners[i].fd_plus_1) != 0 && listeners[i].sock == sock) {
			l = &listeners[i];
			STORE(l->fd_plus_1, fd + 1); /* the first number may be closed by now */
		}
	}
	return l;
}

void listener_add(int fd)
{
	struct listener *l = listener_by_number(fd);
	const uint64_t sock = socket_of(fd);

	if (sock == 0 || (l != NULL && l->sock == sock)) /* nginx listens twice on one socket */
		return;
	if (l != NULL) {
		STORE(l->fd_plus_1, 0); /* closed since, and the number was used again */
		if (!__atomic_exchange_n(&l->is_ready, 1, __ATOMIC_ACQ_REL))
			(void)__atomic_fetch_sub(&network_unready, 1, __ATOMIC_RELAXED);
	}
	const uint32_t i = __atomic_fetch_add(&n_listeners, 1, __ATOMIC_ACQ_REL);
	if (i >= MAX_LISTENERS)
		return;
	l = &listeners[i];
	l->sock = sock;
	(void)address_of(fd, false, &l->local);
	(void)__atomic_fetch_add(&network_unready, 1, __ATOMIC_RELAXED);
	STORE(l->fd_plus_1, fd + 1);
}

/* @fd is the number it was used under. */
static void listener_ready(struct listener *l, int fd, enum sl_ready_how how)
{
	const bool is_final = how != SL_HOW_EPOLL_EDGE;

	if (LOAD(l->is_ready) != 0 || socket_of(fd) != l->sock)
		return;
	if (is_final && __atomic_exchange_n(&l->is_ready, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	if (is_final)
		(void)__atomic_fetch_sub(&network_unready, 1, __ATOMIC_RELAXED);
	network_event(&(struct network_fact){ .op = SL_NET_ACCEPT_READY,
					      .how = how,
					      .sock = l->sock,
					      .fd = fd,
					      .addr = &l->local });
}

void listener_waited(int fd)
{
	struct listener *l = listener_of(fd);

	if (l != NULL)
		listener_ready(l, fd, SL_HOW_POLL);
}

uint64_t listener_accepting(int fd)
{
	struct listener *l = listener_of(fd);

	if (l == NULL) { /* inherited through exec, or passed */
		listener_add(fd);
		l = listener_of(fd);
	}
	if (l == NULL)
		return 0;
	listener_ready(l, fd, LOAD(l->is_edge) != 0 ? SL_HOW_EDGE_ACCEPT : SL_HOW_ACCEPT);
	return l->sock;
}

void listener_accepted(int fd, uint64_t enter_ns, int result)
{
	struct listener *l = listener_of(fd);
	struct sl_addr peer = { 0 };

	if (l == NULL)
		return;
	if (result < 0 ? __atomic_exchange_n(&l->is_failed, 1, __ATOMIC_ACQ_REL) != 0
		       : LOAD(l->n_accepted) >= 2 ||
				 __atomic_fetch_add(&l->n_accepted, 1, __ATOMIC_ACQ_REL) >= 2)
		return;
	if (result >= 0)
		(void)address_of(result, true, &peer);
	network_event(&(struct network_fact){ .op = SL_NET_ACCEPT,
					      .enter_ns = enter_ns,
					      .sock = result >= 0 ? socket_of(result) : 0,
					      .other = l->sock,
					      .result = result,
					      .fd = result >= 0 ? result : -1,
					      .addr = result >= 0 ? &peer : NULL });
}

/* ---- epoll ---- */

static bool is_inside(const struct listener *l, int epoll_fd)
{
	for (int i = 0; i < EPOLLS; i++) {
		const int inner = LOAD(l->epolls_plus_1[i]);
		if (inner == 0)
			continue;
		if (inner == epoll_fd + 1)
			return true;
		for (int k = 0; k < MAX_NESTED; k++) {
			if (LOAD(nested[k].inner_plus_1) == inner &&
			    nested[k].outer_plus_1 == epoll_fd + 1)
				return true;
		}
	}
	return false;
}

void epoll_waits(int epoll_fd)
{
	const uint32_t n = LOAD(n_listeners);

	for (uint32_t i = 0; i < n && i < MAX_LISTENERS; i++) {
		struct listener *l = &listeners[i];
		if (LOAD(l->fd_plus_1) != 0 && is_inside(l, epoll_fd))
			listener_ready(l, LOAD(l->fd_plus_1) - 1,
				       LOAD(l->is_edge) != 0 ? SL_HOW_EPOLL_EDGE : SL_HOW_EPOLL);
	}
}

static void note_nested(int outer, int inner)
{
	for (int i = 0; i < MAX_NESTED; i++) {
		int expected = 0;
		nested[i].outer_plus_1 =
			nested[i].outer_plus_1 == 0 ? outer + 1 : nested[i].outer_plus_1;
		if (nested[i].outer_plus_1 == outer + 1 &&
		    __atomic_compare_exchange_n(&nested[i].inner_plus_1, &expected, inner + 1,
						false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return;
	}
}

void epoll_contains(int epoll_fd, int fd, bool wants_input, bool is_edge)
{
	struct listener *l = listener_of(fd);

	if (!wants_input)
		return;
	if (l == NULL) {
		if (socket_of(fd) == 0)
			note_nested(epoll_fd, fd);
		return;
	}
	STORE(l->is_edge, is_edge);
	for (int i = 0; i < EPOLLS && !is_inside(l, epoll_fd); i++) {
		int expected = 0;
		(void)__atomic_compare_exchange_n(&l->epolls_plus_1[i], &expected, epoll_fd + 1,
						  false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	}
	/* Somebody waits on this set already: then the add is the moment. */
	for (int i = 0; i < MAX_WAITED; i++) {
		if (LOAD(waited[i].epoll_plus_1) == epoll_fd + 1 && LOAD(waited[i].n_threads) > 0)
			epoll_waits(epoll_fd);
	}
}

void epoll_wait_counted(int epoll_fd, int change)
{
	for (int i = 0; i < MAX_WAITED; i++) {
		int expected = 0;
		(void)__atomic_compare_exchange_n(&waited[i].epoll_plus_1, &expected, epoll_fd + 1,
						  false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
		if (LOAD(waited[i].epoll_plus_1) == epoll_fd + 1) {
			(void)__atomic_fetch_add(&waited[i].n_threads, change, __ATOMIC_ACQ_REL);
			return;
		}
	}
}
