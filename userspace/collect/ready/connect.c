/* SPDX-License-Identifier: MIT */
/* Probing a port or a URL: one non-blocking connection at a time, and for HTTP one request of
 * which only the status line is read. */

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/collect/ready/probe.h"

#define HOST_MAX    256
#define REQUEST_MAX 4096
/* "HTTP/1.1 200 " and a little more. */
#define STATUS_LINE_MAX 64
/* A server that accepts but does not answer: ask again on a new connection. */
#define PATIENCE_NS (2 * NS_PER_S)
/* Whether it is open before the command starts: a far host may be slow to answer. */
#define OPEN_MS 200

struct attempt {
	struct addrinfo *addresses;
	const struct addrinfo *next; /* to try */
	const struct addrinfo *now;  /* being tried */
	int fd;
	bool is_connected;
	uint64_t started_ns;
	bool is_http;
	unsigned int status; /* expected; 0: any 2xx or 3xx */
	char request[REQUEST_MAX];
	char answer[STATUS_LINE_MAX];
	size_t answer_length;
	char failure[64]; /* how the last one failed, or the last that was answered */
	bool was_connected;
};

/* Splits "HOST:PORT"; brackets around an IPv6 address are taken off. @port keeps its content when
 * there is none. */
static int split_host(const char *text, size_t length, char host[static HOST_MAX],
		      char port[static 8])
{
	const char *end = text + length;
	const char *host_end = end;
	const char *after = text[0] == '[' ? memchr(text, ']', length) : text;
	if (after == NULL)
		return -EINVAL;
	for (const char *p = after; p < end; p++) {
		if (*p == ':')
			host_end = p;
	}
	if (host_end < end &&
	    snprintf(port, 8, "%.*s", (int)(end - host_end - 1), host_end + 1) >= 8)
		return -EINVAL;
	if (text[0] == '[') {
		text++;
		host_end = after;
	}
	if (host_end == text)
		return -EINVAL;
	return snprintf(host, HOST_MAX, "%.*s", (int)(host_end - text), text) < HOST_MAX ? 0
											 : -EINVAL;
}

static int resolve(struct attempt *a, const struct ready_rule *rule, const char *host,
		   const char *port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const int e = getaddrinfo(host, port, &hints, &a->addresses);
	if (e != 0)
		return fail(-EINVAL, "--ready '%s': cannot resolve '%s': %s", rule->spec, host,
			    gai_strerror(e));
	return 0;
}

/* Cuts "=STATUS" off the end of a URL: exactly three digits. */
static size_t cut_status(struct attempt *a, const char *url)
{
	const size_t n = strlen(url);
	if (n < 4 || url[n - 4] != '=' || !isdigit((unsigned char)url[n - 3]) ||
	    !isdigit((unsigned char)url[n - 2]) || !isdigit((unsigned char)url[n - 1]))
		return n;
	a->status = (unsigned int)strtoul(url + n - 3, NULL, 10);
	return n - 4;
}

static int parse_url(struct attempt *a, const struct ready_rule *rule)
{
	char host[HOST_MAX];
	char port[8] = "80";
	const char *url = rule->argument;
	if (strncmp(url, "http:", 5) == 0)
		url += 5;
	if (strncmp(url, "//", 2) == 0)
		url += 2;
	const char *end = url + cut_status(a, url);
	const char *path = memchr(url, '/', (size_t)(end - url));
	if (path == NULL)
		path = end;
	if (split_host(url, (size_t)(path - url), host, port) < 0)
		return fail(-EINVAL, "--ready '%s': expected http://HOST[:PORT]/PATH[=STATUS]",
			    rule->spec);
	const int n =
		snprintf(a->request, sizeof(a->request),
			 "GET %s%.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: startline\r\n"
			 "Accept: */*\r\nConnection: close\r\n\r\n",
			 path == end ? "/" : "", (int)(end - path), path, (int)(path - url), url);
	if (n < 0 || n >= (int)sizeof(a->request))
		return fail(-EINVAL, "--ready: the URL is too long");
	a->is_http = true;
	return resolve(a, rule, host, port);
}

static int parse_target(struct attempt *a, const struct ready_rule *rule)
{
	if (rule->type == READY_HTTP)
		return parse_url(a, rule);
	char host[HOST_MAX];
	char port[8] = "";
	if (split_host(rule->argument, strlen(rule->argument), host, port) < 0)
		return fail(-EINVAL, "--ready '%s': expected tcp:HOST:PORT", rule->spec);
	return resolve(a, rule, host, port);
}

int attempt_new(const struct ready_rule *rule, struct attempt **ret)
{
	struct attempt *a = calloc(1, sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	a->fd = -1;
	const int r = parse_target(a, rule);
	if (r < 0) {
		(void)attempt_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

/* Why the attempt came to nothing, for the user who waits. */
__attribute__((format(printf, 2, 3))) static enum attempt_state failed(struct attempt *a,
								       const char *format, ...)
{
	va_list args;
	/* A name may have several addresses, and nobody listen on some. */
	if (a->was_connected && !a->is_connected)
		return ATTEMPT_FAILED;
	a->was_connected = a->is_connected;
	va_start(args, format);
	(void)vsnprintf(a->failure, sizeof(a->failure), format, args);
	va_end(args);
	return ATTEMPT_FAILED;
}

const char *attempt_failure(const struct attempt *a)
{
	return a->failure;
}

static void hang_up(struct attempt *a)
{
	if (a->fd >= 0)
		(void)close(take_fd(a->fd));
	a->is_connected = false;
	a->answer_length = 0;
}

struct attempt *attempt_free(struct attempt *a)
{
	if (a == NULL)
		return NULL;
	hang_up(a);
	if (a->addresses != NULL)
		freeaddrinfo(a->addresses);
	free(a);
	return NULL;
}

int attempt_start(struct attempt *a, uint64_t now)
{
	hang_up(a);
	if (a->next == NULL)
		a->next = a->addresses;
	const struct addrinfo *to = a->next;
	a->next = to->ai_next;
	a->now = to;
	a->started_ns = now;
	a->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0) {
		(void)failed(a, "%s", strerror(errno));
		return -errno;
	}
	if (connect(a->fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS) {
		const int error = errno;
		(void)failed(a, "%s", strerror(error));
		hang_up(a);
		return -error;
	}
	return a->fd;
}

static bool is_open(const struct addrinfo *to)
{
	int error = 0;
	socklen_t length = sizeof(error);
	_cleanup_close_ const int fd =
		socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return true;
	struct pollfd one = { .fd = fd, .events = POLLOUT };
	return errno == EINPROGRESS && poll(&one, 1, OPEN_MS) > 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

const struct sockaddr *attempt_is_open(const struct attempt *a)
{
	for (const struct addrinfo *to = a->addresses; to != NULL; to = to->ai_next) {
		if (is_open(to))
			return to->ai_addr;
	}
	return NULL;
}

const struct sockaddr *attempt_address(const struct attempt *a)
{
	return a->now->ai_addr;
}

int attempt_fd(const struct attempt *a)
{
	return a->fd;
}

uint32_t attempt_events(const struct attempt *a)
{
	return a->is_connected ? EPOLLIN : EPOLLOUT;
}

static enum attempt_state read_status(struct attempt *a)
{
	const ssize_t n = recv(a->fd, a->answer + a->answer_length,
			       sizeof(a->answer) - 1 - a->answer_length, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? ATTEMPT_GOES_ON
							 : failed(a, "%s", strerror(errno));
	a->answer_length += (size_t)n;
	a->answer[a->answer_length] = '\0';
	unsigned int status = 0;
	if (sscanf(a->answer, "HTTP/%*u.%*u %3u", &status) == 1 && status >= 100) {
		const bool holds =
			a->status != 0 ? status == a->status : status >= 200 && status < 400;
		return holds ? ATTEMPT_HOLDS : failed(a, "status %u", status);
	}
	if (n > 0 && a->answer_length < sizeof(a->answer) - 1)
		return ATTEMPT_GOES_ON;
	return failed(a, a->answer_length > 0 ? "the answer is not HTTP" : "no answer");
}

static enum attempt_state advance(struct attempt *a)
{
	struct pollfd poll_fd = { .fd = a->fd, .events = a->is_connected ? POLLIN : POLLOUT };
	if (a->fd < 0)
		return ATTEMPT_FAILED;
	if (poll(&poll_fd, 1, 0) <= 0)
		return ATTEMPT_GOES_ON;
	if (a->is_connected)
		return read_status(a);
	int error = 0;
	socklen_t length = sizeof(error);
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 || error != 0)
		return failed(a, "%s", strerror(error));
	if (!a->is_http)
		return ATTEMPT_HOLDS;
	a->is_connected = true;
	/* A request of a few hundred bytes always fits the socket's buffer. */
	const size_t n = strlen(a->request);
	return send(a->fd, a->request, n, MSG_NOSIGNAL) == (ssize_t)n
		       ? ATTEMPT_GOES_ON
		       : failed(a, "cannot ask: %s", strerror(errno));
}

enum attempt_state attempt_step(struct attempt *a, uint64_t now)
{
	enum attempt_state state = advance(a);
	if (state == ATTEMPT_GOES_ON && now >= a->started_ns + PATIENCE_NS)
		state = failed(a, "no answer");
	if (state != ATTEMPT_GOES_ON)
		hang_up(a);
	return state;
}
