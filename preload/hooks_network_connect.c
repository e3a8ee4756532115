/* SPDX-License-Identifier: MIT */
/* Connects that go on in the background. How one ended is asked with getpeername, which changes
 * nothing; the socket's own error is the program's to read. */
#include <sys/socket.h>

#include "preload/network.h"
#include "preload/shim.h"

enum { MAX_PENDING = 32 };

static struct {
	int fd_plus_1; /* 0: free, -1: being filled */
	uint64_t sock;
	uint64_t enter_ns;
	struct sl_addr peer;
} pending[MAX_PENDING];

uint32_t connects_pending HIDDEN;

void connect_pending(int fd, uint64_t sock, uint64_t enter_ns, const struct sl_addr *peer)
{
	for (int i = 0; i < MAX_PENDING; i++) {
		int expected = 0;
		if (!__atomic_compare_exchange_n(&pending[i].fd_plus_1, &expected, -1, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		pending[i].sock = sock;
		pending[i].enter_ns = enter_ns;
		pending[i].peer = *peer;
		(void)__atomic_fetch_add(&connects_pending, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&pending[i].fd_plus_1, fd + 1, __ATOMIC_RELEASE);
		return;
	}
	network_lost();
}

/* Whether the socket waits no longer: connected, or failed. */
static bool is_settled(int fd, bool *ret_is_connected)
{
	struct sockaddr_storage address;
	uint32_t n = sizeof(address);
	struct {
		int fd;
		short events;
		short revents;
	} p = { .fd = fd, .events = 4 /* POLLOUT */ };

	*ret_is_connected = sys_call3(SYS_getpeername, fd, (long)&address, (long)&n) == 0;
	return *ret_is_connected || sys_call3(SYS_poll, (long)&p, 1, 0) > 0;
}

static void settle(int i)
{
	int held = __atomic_load_n(&pending[i].fd_plus_1, __ATOMIC_ACQUIRE);
	bool is_connected = false;

	if (held <= 0)
		return;
	const int fd = held - 1;
	const bool is_same = socket_of(fd) == pending[i].sock;
	if (is_same && !is_settled(fd, &is_connected))
		return;
	/* Whoever takes the entry reports it. */
	if (!__atomic_compare_exchange_n(&pending[i].fd_plus_1, &held, -1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	if (is_same)
		network_event(&(struct network_fact){ .op = is_connected ? SL_NET_ESTABLISHED
									 : SL_NET_REFUSED,
						      .enter_ns = pending[i].enter_ns,
						      .sock = pending[i].sock,
						      .fd = fd,
						      .result = is_connected ? 0 : -1,
						      .addr = &pending[i].peer });
	(void)__atomic_fetch_sub(&connects_pending, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&pending[i].fd_plus_1, 0, __ATOMIC_RELEASE);
}

void connect_settled(int fd)
{
	for (int i = 0; i < MAX_PENDING; i++) {
		if (__atomic_load_n(&pending[i].fd_plus_1, __ATOMIC_ACQUIRE) == fd + 1)
			settle(i);
	}
}

void connects_settle_all(void)
{
	for (int i = 0; i < MAX_PENDING; i++)
		settle(i);
}
