/* SPDX-License-Identifier: MIT */
/* Names of things the way people write them: paths, endpoints, errors. The bytes are the
 * target's; printers escape them. */
#include "userspace/model/build/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "userspace/trace/addr_text.h"

#define PATH_LIMIT 4096 /* PATH_MAX of Linux */
#define DNS_PORT   53

static const char *interned(struct arena *a, const char *text, size_t length)
{
	const char *kept = arena_internn(a, text, length);
	return kept != NULL ? kept : "";
}

/* Bytes that the record has from @text on. */
static size_t room(const struct sl_event *event, const char *text)
{
	const size_t offset = (size_t)(text - (const char *)event);
	return offset < event->size ? event->size - offset : 0;
}

const char *text_of(struct arena *a, const struct sl_event *event, const char *text)
{
	return interned(a, text, strnlen(text, room(event, text)));
}

/* "redis-server\0bin\0usr\0" is "/usr/bin/redis-server". */
static const char *path_from_leaf(struct arena *a, const char *text, size_t n, bool is_cut)
{
	char path[PATH_LIMIT];
	size_t at = sizeof(path);

	while (n > 0 && *text != '\0') {
		const size_t length = strnlen(text, n);
		if (length + 1 > at) {
			is_cut = true;
			break;
		}
		at -= length;
		memcpy(path + at, text, length);
		path[--at] = '/';
		if (length == n)
			break;
		text += length + 1;
		n -= length + 1;
	}
	/* "[eventpoll]" and the like are names of no path. */
	if (at < sizeof(path) - 1 && path[at] == '/' && path[at + 1] == '[')
		at++;
	static const char ellipsis[] = "…";
	if (is_cut && at >= sizeof(ellipsis) - 1) {
		at -= sizeof(ellipsis) - 1;
		memcpy(path + at, ellipsis, sizeof(ellipsis) - 1);
	}
	return interned(a, path + at, sizeof(path) - at);
}

const char *text_path(struct arena *a, const struct sl_event *event, const char *text)
{
	if ((event->flags & SL_FLAG_LEAF) == 0)
		return text_of(a, event, text);
	return path_from_leaf(a, text, room(event, text), (event->flags & SL_FLAG_CUT) != 0);
}

const char *text_endpoint(struct arena *a, const struct sl_addr *addr)
{
	char text[ADDR_TEXT_BYTES];
	const char *endpoint = addr_text(addr, text);
	return interned(a, endpoint, strlen(endpoint));
}

bool text_is_dns(const struct sl_addr *addr)
{
	static const char *const resolvers[] = { "/run/systemd/resolve/", "/run/nscd/",
						 "/var/run/nscd/" };

	if (addr->family == AF_INET || addr->family == AF_INET6)
		return addr->port == DNS_PORT;
	if (addr->family != AF_UNIX)
		return false;
	for (size_t i = 0; i < sizeof(resolvers) / sizeof(resolvers[0]); i++) {
		const size_t n = strlen(resolvers[i]);
		if (addr->length > n && memcmp(addr->bytes, resolvers[i], n) == 0)
			return true;
	}
	return false;
}

const char *text_errno(struct arena *a, int error)
{
	if (error < 0 && error != INT32_MIN)
		error = -error;
	const char *name = strerrorname_np(error);
	if (name != NULL)
		return name;
	char text[32];
	(void)snprintf(text, sizeof(text), "error %d", error);
	return interned(a, text, strlen(text));
}

const char *text_join(struct arena *a, const struct text_list *list, size_t limit)
{
	size_t total = 1;
	for (size_t i = 0; i < list->n && total < limit; i++)
		total += strnlen(list->items[i], limit) + 1;
	if (total > limit)
		total = limit;
	char *line = arena_alloc(a, total + 1);
	if (line == NULL)
		return "";
	size_t at = 0;
	for (size_t i = 0; i < list->n && at < total; i++) {
		if (i > 0)
			line[at++] = ' ';
		const size_t length = strnlen(list->items[i], total - at);
		memcpy(line + at, list->items[i], length);
		at += length;
	}
	line[at] = '\0';
	return line;
}
