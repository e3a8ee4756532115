/* SPDX-License-Identifier: MIT */
/* The kernel's tables of TCP sockets name a listener's inode, the descriptors of processes whose it is. */

#include "userspace/collect/ready/server_of.h"

#include <ctype.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"

#define INODES_MAX 16u /* listeners on one port */
#define LISTEN	   0x0Au

struct endpoint {
	uint8_t bytes[16]; /* IPv4 mapped to IPv6 */
	uint16_t port;
};

struct inodes {
	unsigned long items[INODES_MAX];
	size_t n;
};

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool endpoint_of(const struct sockaddr *to, struct endpoint *ret)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	if (to->sa_family == AF_INET) {
		memcpy(&in, to, sizeof(in));
		memcpy(ret->bytes, mapped, sizeof(mapped));
		memcpy(ret->bytes + sizeof(mapped), &in.sin_addr, 4);
		ret->port = ntohs(in.sin_port);
		return true;
	}
	if (to->sa_family != AF_INET6)
		return false;
	memcpy(&in6, to, sizeof(in6));
	memcpy(ret->bytes, &in6.sin6_addr, sizeof(ret->bytes));
	ret->port = ntohs(in6.sin6_port);
	return true;
}

/* The kernel prints an address as 32-bit numbers of this machine's byte order. */
static bool parse_address(const char *text, struct endpoint *ret)
{
	const size_t words = strcspn(text, ":") / 8;
	unsigned int port = 0;
	if ((words != 1 && words != 4) || sscanf(text + words * 8, ":%4x", &port) != 1)
		return false;
	memcpy(ret->bytes, mapped, sizeof(mapped));
	for (size_t i = 0; i < words; i++) {
		unsigned int word = 0;
		if (sscanf(text + i * 8, "%8x", &word) != 1)
			return false;
		memcpy(ret->bytes + (words == 1 ? 12 : i * 4), &word, sizeof(word));
	}
	ret->port = (uint16_t)port;
	return true;
}

static bool is_reached(const struct endpoint *listener, const struct endpoint *to)
{
	static const uint8_t zero[16];
	const bool is_any = memcmp(listener->bytes, zero, sizeof(zero)) == 0 ||
			    (memcmp(listener->bytes, mapped, sizeof(mapped)) == 0 &&
			     memcmp(listener->bytes + 12, zero, 4) == 0);
	return listener->port == to->port &&
	       (is_any || memcmp(listener->bytes, to->bytes, sizeof(to->bytes)) == 0);
}

static void find_listeners(const char *path, const struct endpoint *to, struct inodes *ret)
{
	char line[512];
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL && ret->n < INODES_MAX) {
		char local[64];
		unsigned int state = 0;
		unsigned long inode = 0;
		struct endpoint listener;
		if (sscanf(line, " %*d: %63s %*s %x %*s %*s %*s %*u %*d %lu", local, &state,
			   &inode) == 3 &&
		    state == LISTEN && parse_address(local, &listener) && is_reached(&listener, to))
			ret->items[ret->n++] = inode;
	}
}

/* Whether @pid has one of the sockets open. */
static bool has_one(pid_t pid, const struct inodes *inodes)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	_cleanup_closedir_ DIR *fds = opendir(path);
	for (const struct dirent *d = fds != NULL ? readdir(fds) : NULL; d != NULL;
	     d = readdir(fds)) {
		char link[64], target[64];
		unsigned long inode = 0;
		(void)snprintf(link, sizeof(link), "/proc/%d/fd/%.16s", pid, d->d_name);
		const ssize_t n = readlink(link, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%lu]", &inode) != 1)
			continue;
		for (size_t i = 0; i < inodes->n; i++) {
			if (inodes->items[i] == inode)
				return true;
		}
	}
	return false;
}

static void read_name(pid_t pid, char name[static 64])
{
	char path[32];
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (f == NULL || fgets(name, 64, f) == NULL)
		name[0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	/* A program chooses its name. */
	for (char *p = name; *p != '\0'; p++) {
		if (!isprint((unsigned char)*p))
			*p = '?';
	}
}

bool server_of(const struct sockaddr *to, bool (*is_ours)(void *data, pid_t pid), void *data,
	       struct server *ret)
{
	struct endpoint endpoint;
	struct inodes inodes = { .n = 0 };
	*ret = (struct server){ .pid = 0 };
	if (!endpoint_of(to, &endpoint))
		return false;
	find_listeners("/proc/net/tcp", &endpoint, &inodes);
	find_listeners("/proc/net/tcp6", &endpoint, &inodes);
	if (inodes.n == 0)
		return false;
	_cleanup_closedir_ DIR *processes = opendir("/proc");
	for (const struct dirent *d = processes != NULL ? readdir(processes) : NULL; d != NULL;
	     d = readdir(processes)) {
		const pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
		if (pid <= 0 || !has_one(pid, &inodes))
			continue;
		if (is_ours(data, pid)) {
			ret->is_ours = true;
			return true;
		}
		if (ret->pid == 0) {
			ret->pid = pid;
			read_name(pid, ret->name);
		}
	}
	return ret->pid != 0;
}
