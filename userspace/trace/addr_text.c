/* SPDX-License-Identifier: MIT */
/* Endpoints in words. */

#include "userspace/trace/addr_text.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

_Static_assert(ADDR_TEXT_BYTES > INET6_ADDRSTRLEN + sizeof("tcp []:65535"), "all families fit");

static void unix_text(const struct sl_addr *addr, char text[static ADDR_TEXT_BYTES])
{
	const size_t length =
		addr->length < sizeof(addr->bytes) ? addr->length : sizeof(addr->bytes);
	(void)snprintf(text, ADDR_TEXT_BYTES, "unix %s", length == 0 ? "(unnamed)" : "");
	if (length == 0)
		return;
	memcpy(text + 5, addr->bytes, length);
	text[5 + length] = '\0';
	/* An abstract name: the kernel's own listing writes its NULs as @ (proc_net_unix). */
	for (size_t i = 5; addr->bytes[0] == '\0' && i < 5 + length; i++) {
		if (text[i] == '\0')
			text[i] = '@';
	}
}

const char *addr_text(const struct sl_addr *addr, char text[static ADDR_TEXT_BYTES])
{
	char host[INET6_ADDRSTRLEN];
	const char *protocol = addr->type == SOCK_DGRAM ? "udp" : "tcp";
	const bool is_internet = addr->family == AF_INET || addr->family == AF_INET6;
	if (addr->family == AF_UNIX)
		unix_text(addr, text);
	else if (is_internet && inet_ntop(addr->family, addr->bytes, host, sizeof(host)) != NULL)
		(void)snprintf(text, ADDR_TEXT_BYTES,
			       addr->family == AF_INET ? "%s %s:%u" : "%s [%s]:%u", protocol, host,
			       (unsigned int)addr->port);
	else
		(void)snprintf(text, ADDR_TEXT_BYTES, "socket family %u",
			       (unsigned int)addr->family);
	return text;
}
