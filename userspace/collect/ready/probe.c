/* SPDX-License-Identifier: MIT */
/* One probe per watched --ready condition, all behind one epoll descriptor. Every step looks at
 * every probe that does not hold yet: there are few, and looking is cheap. */

#include "userspace/collect/ready/probe.h"
#include "userspace/collect/ready/server_of.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/rights.h"
#include "userspace/base/units.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/inheritance.h"

/* So long nothing in the tree may run for it to count as quiet. */
#define QUIET_NS    (500 * NS_PER_MS)
#define MESSAGE_MAX 4096

struct probe {
	const struct ready_rule *rule;
	bool holds;
	uint64_t next_ns;	 /* look again then; 0: when readable */
	int fd;			 /* notify: the socket; file: inotify; cmd: pidfd; -1: none */
	struct stat before;	 /* file: what was there at the start; st_ino 0: nothing */
	struct attempt *attempt; /* tcp, http */
	bool is_trying;
	pid_t pid; /* cmd */
	int status;
	char failure[32]; /* its status in words */
};

struct probes {
	struct probe_context context;
	int epoll_fd;
	char environment[64];
	size_t n;
	struct probe items[];
};

static int watch(const struct probes *p, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };
	return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int holds(const struct probes *p, struct probe *probe, uint64_t at, pid_t pid)
{
	probe->holds = true;
	probe->next_ns = 0;
	return emit_mark(p->context.sink, SL_MARK_READY, at, pid, (uint64_t)pid, 0,
			 probe->rule->spec);
}

/* ---- notify ---- */

static int notify_open(struct probes *p, struct probe *probe)
{
	const int on = 1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(address);
	probe->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Binding nothing but the family makes the kernel choose an abstract name, see unix(7). */
	if (probe->fd < 0 || setsockopt(probe->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(probe->fd, (const struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
	    getsockname(probe->fd, (struct sockaddr *)&address, &length) < 0)
		return fail(-errno, "--ready notify: cannot make a socket: %s", strerror(errno));
	const size_t head = offsetof(struct sockaddr_un, sun_path) + 1;
	(void)snprintf(p->environment, sizeof(p->environment), "NOTIFY_SOCKET=@%.*s",
		       length > head ? (int)(length - head) : 0, address.sun_path + 1);
	return watch(p, probe->fd, EPOLLIN);
}

/* Whether one of the lines of a message of sd_notify(3) is "READY=1". */
static bool says_ready(const char *text, size_t length)
{
	static const char wanted[] = "READY=1";
	while (length > 0) {
		const char *end = memchr(text, '\n', length);
		const size_t n = end != NULL ? (size_t)(end - text) : length;
		if (n == strlen(wanted) && memcmp(text, wanted, n) == 0)
			return true;
		text += end != NULL ? n + 1 : n;
		length -= end != NULL ? n + 1 : n;
	}
	return false;
}

/* The sender as the kernel vouches for it; pid 0: unknown. */
static struct ucred sender_of(struct msghdr *message)
{
	struct ucred credentials = { .uid = (uid_t)-1 };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
			break;
		}
	}
	return credentials;
}

/* Others on this machine could guess the socket's name. Its user is asked for and not its process:
 * the helper that sent it (systemd-notify) may be gone already. */
static bool is_trusted(const struct probes *p, const struct ucred *sender)
{
	const uid_t uid = p->context.user != NULL ? p->context.user->uid : geteuid();
	return sender->uid == uid || sender->uid == 0;
}

/* Descriptors that came along (FDSTORE=1) are not ours to keep. */
static void close_passed(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			(void)close(fd);
		}
	}
}

static int notify_step(struct probes *p, struct probe *probe, uint64_t now)
{
	char text[MESSAGE_MAX];
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(64 * sizeof(int))];
	while (!probe->holds) {
		struct iovec part = { .iov_base = text, .iov_len = sizeof(text) };
		struct msghdr message = { .msg_iov = &part,
					  .msg_iovlen = 1,
					  .msg_control = control,
					  .msg_controllen = sizeof(control) };
		const ssize_t n = recvmsg(probe->fd, &message, MSG_CMSG_CLOEXEC);
		if (n < 0)
			return 0;
		close_passed(&message);
		const struct ucred sender = sender_of(&message);
		if (!says_ready(text, (size_t)n) || !is_trusted(p, &sender))
			continue;
		const int r =
			emit_mark(p->context.sink, SL_MARK_NOTIFIED, now, sender.pid, 0, 0, NULL);
		return r < 0 ? r : holds(p, probe, now, sender.pid);
	}
	return 0;
}

/* ---- file ---- */

static int file_open(struct probes *p, struct probe *probe)
{
	const char *path = probe->rule->argument;
	if (stat(path, &probe->before) < 0)
		probe->before = (struct stat){ .st_ino = 0 };
	probe->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *directory =
		slash == NULL ? strdup(".")
			      : strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (probe->fd < 0 || directory == NULL)
		return fail(-ENOMEM, "--ready '%s': cannot watch", probe->rule->spec);
	const int r =
		inotify_add_watch(probe->fd, directory,
				  IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB);
	/* The directory may come later, too: then look now and again. */
	if (r < 0)
		probe->next_ns = 1;
	return watch(p, probe->fd, EPOLLIN);
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* A file left behind by an earlier run does not count until it is written or replaced. */
static bool file_is_new(const struct probe *probe)
{
	struct stat now;
	if (stat(probe->rule->argument, &now) < 0)
		return false;
	const struct stat *before = &probe->before;
	return before->st_ino == 0 || now.st_ino != before->st_ino ||
	       now.st_dev != before->st_dev || now.st_size != before->st_size ||
	       !is_same_time(&now.st_mtim, &before->st_mtim);
}

static int file_step(struct probes *p, struct probe *probe, uint64_t now)
{
	char events[MESSAGE_MAX];
	while (read(probe->fd, events, sizeof(events)) > 0) {
	}
	if (file_is_new(probe))
		return holds(p, probe, now, 0);
	if (probe->next_ns != 0)
		probe->next_ns = now + PROBE_BACKOFF_NS;
	return 0;
}

/* ---- quiet ---- */

static int quiet_step(struct probes *p, struct probe *probe, uint64_t now)
{
	const uint64_t since = p->context.idle_since(p->context.data);
	if (since != 0 && now >= since + QUIET_NS)
		return holds(p, probe, since, 0);
	/* It may stir in between: look often, remember nothing. */
	probe->next_ns = now + PROBE_BACKOFF_NS;
	return 0;
}

/* ---- tcp, http ---- */

/* What answers before the command has started is not the command's. */
static int net_open(struct probes *p, struct probe *probe)
{
	struct server server;
	const int r = attempt_new(probe->rule, &probe->attempt);
	const struct sockaddr *open = r == 0 ? attempt_is_open(probe->attempt) : NULL;
	if (open == NULL)
		return r;
	if (!server_of(open, p->context.is_of_tree, p->context.data, &server))
		return fail(-EADDRINUSE,
			    "--ready '%s': it was open before the command was started, by a "
			    "process that cannot be seen from here",
			    probe->rule->spec);
	return fail(-EADDRINUSE,
		    "--ready '%s': it was open before the command was started: %s (process %d) "
		    "serves it",
		    probe->rule->spec, server.name, server.pid);
}

static int net_holds(struct probes *p, struct probe *probe, uint64_t now)
{
	struct server server;
	if (!server_of(attempt_address(probe->attempt), p->context.is_of_tree, p->context.data,
		       &server) ||
	    server.is_ours)
		return holds(p, probe, now, 0);
	return fail(-EADDRINUSE, "--ready '%s': %s (process %d) serves it, not the command",
		    probe->rule->spec, server.name, server.pid);
}

static int net_step(struct probes *p, struct probe *probe, uint64_t now)
{
	if (!probe->is_trying && now >= probe->next_ns) {
		const int fd = attempt_start(probe->attempt, now);
		probe->is_trying = fd >= 0 && watch(p, fd, EPOLLOUT) == 0;
		probe->next_ns = now + PROBE_BACKOFF_NS;
	}
	if (!probe->is_trying)
		return 0;
	const uint32_t waited_for = attempt_events(probe->attempt);
	const enum attempt_state state = attempt_step(probe->attempt, now);
	if (state == ATTEMPT_HOLDS)
		return net_holds(p, probe, now);
	if (state == ATTEMPT_FAILED) {
		probe->is_trying = false;
		probe->next_ns = now + PROBE_BACKOFF_NS;
		return 0;
	}
	/* Writable for good from now on: what matters is the answer. */
	if (attempt_events(probe->attempt) != waited_for) {
		struct epoll_event event = { .events = EPOLLIN };
		(void)epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, attempt_fd(probe->attempt), &event);
	}
	probe->next_ns = now + PROBE_BACKOFF_NS;
	return 0;
}

/* ---- cmd ---- */

static _Noreturn void command_main(const struct probes *p, const struct probe *probe)
{
	const int null = open("/dev/null", O_RDWR);
	inheritance_restore();
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		(void)dup2(null, fd);
	if (rights_become(p->context.user) == 0)
		(void)execl("/bin/sh", "sh", "-c", probe->rule->argument, (char *)NULL);
	_exit(127);
}

static void command_end(struct probe *probe)
{
	if (probe->fd >= 0)
		(void)close(take_fd(probe->fd));
	probe->pid = 0;
}

static int command_step(struct probes *p, struct probe *probe, uint64_t now)
{
	if (probe->pid == 0 && now >= probe->next_ns) {
		probe->next_ns = now + PROBE_BACKOFF_NS;
		const pid_t pid = fork();
		if (pid == 0)
			command_main(p, probe);
		if (pid < 0)
			return 0;
		probe->pid = pid;
		probe->fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (probe->fd >= 0)
			(void)watch(p, probe->fd, EPOLLIN);
		return 0;
	}
	int status = 0;
	if (probe->pid == 0 || waitpid(probe->pid, &status, WNOHANG) != probe->pid)
		return 0;
	command_end(probe);
	probe->status = status;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return holds(p, probe, now, 0);
	probe->next_ns = now + PROBE_BACKOFF_NS;
	return 0;
}

/* ---- all of them ---- */

/* What is done for each type of condition that is watched. */
static const struct {
	int (*open)(struct probes *p, struct probe *probe); /* NULL: nothing */
	int (*step)(struct probes *p, struct probe *probe, uint64_t now);
} ways[] = {
	[READY_NOTIFY] = { notify_open, notify_step }, [READY_FILE] = { file_open, file_step },
	[READY_QUIET] = { NULL, quiet_step },	       [READY_TCP] = { net_open, net_step },
	[READY_HTTP] = { net_open, net_step },	       [READY_CMD] = { NULL, command_step },
};

int probes_new(const struct probe_context *context, struct probes **ret)
{
	size_t n = 0;
	*ret = NULL;
	for (size_t i = 0; i < context->n_rules; i++)
		n += ready_rule_is_watched(&context->rules[i]);
	if (n == 0)
		return 0;
	struct probes *p = calloc(1, sizeof(*p) + n * sizeof(*p->items));
	if (p == NULL)
		return -ENOMEM;
	p->context = *context;
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int r = p->epoll_fd < 0 ? -errno : 0;
	for (size_t i = 0; r == 0 && i < context->n_rules; i++) {
		if (!ready_rule_is_watched(&context->rules[i]))
			continue;
		struct probe *probe = &p->items[p->n++];
		*probe = (struct probe){ .rule = &context->rules[i], .fd = -1 };
		if (ways[probe->rule->type].open != NULL)
			r = ways[probe->rule->type].open(p, probe);
	}
	if (r < 0)
		p = probes_free(p);
	*ret = p;
	return r;
}

const char *probes_environment(const struct probes *p)
{
	return p->environment[0] != '\0' ? p->environment : NULL;
}

void probes_start(struct probes *p, uint64_t now)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->items[i].rule->type != READY_NOTIFY && p->items[i].rule->type != READY_FILE)
			p->items[i].next_ns = now;
	}
}

int probes_fd(const struct probes *p)
{
	return p->epoll_fd;
}

int probes_step(struct probes *p, uint64_t now)
{
	for (size_t i = 0; i < p->n; i++) {
		struct probe *probe = &p->items[i];
		const int r = probe->holds ? 0 : ways[probe->rule->type].step(p, probe, now);
		if (r < 0)
			return r;
	}
	return 0;
}

uint64_t probes_deadline(const struct probes *p)
{
	uint64_t at = 0;
	for (size_t i = 0; i < p->n; i++) {
		const uint64_t next = p->items[i].next_ns;
		const bool is_running = p->items[i].pid > 0;
		if (!p->items[i].holds && !is_running && next != 0 && (at == 0 || next < at))
			at = next;
	}
	return at;
}

const char *probes_failure(struct probes *p, const struct ready_rule *rule)
{
	struct probe *probe = NULL;
	for (size_t i = 0; i < p->n; i++) {
		if (p->items[i].rule == rule)
			probe = &p->items[i];
	}
	if (probe == NULL)
		return "";
	if (probe->attempt != NULL)
		return attempt_failure(probe->attempt);
	if (probe->status != 0)
		(void)snprintf(probe->failure, sizeof(probe->failure), "%s %d",
			       WIFSIGNALED(probe->status) ? "signal" : "exit status",
			       WIFSIGNALED(probe->status) ? WTERMSIG(probe->status)
							  : WEXITSTATUS(probe->status));
	return probe->failure;
}

struct probes *probes_free(struct probes *p)
{
	if (p == NULL)
		return NULL;
	for (size_t i = 0; i < p->n; i++) {
		struct probe *probe = &p->items[i];
		(void)attempt_free(probe->attempt);
		if (probe->pid > 0) {
			(void)kill(probe->pid, SIGKILL);
			(void)waitpid(probe->pid, NULL, 0);
		}
		cleanup_close(&probe->fd);
	}
	cleanup_close(&p->epoll_fd);
	free(p);
	return NULL;
}

void probes_missing(struct probes *p, const struct ready_watch *watch,
		    const struct ready_rule *rules, size_t n_rules, char *ret, size_t size)
{
	size_t n = 0;
	for (size_t i = 0; i < n_rules && n < size; i++) {
		char explained[256];
		const char *failure = p != NULL ? probes_failure(p, &rules[i]) : "";
		if (ready_watch_point(watch, i) != NULL)
			continue;
		ready_watch_explain(watch, i, explained, sizeof(explained));
		if (failure[0] == '\0')
			failure = explained;
		const int added = snprintf(ret + n, size - n, "%s%s%s%s%s", n > 0 ? ", " : "",
					   rules[i].spec, failure[0] != '\0' ? " (" : "", failure,
					   failure[0] != '\0' ? ")" : "");
		n += added > 0 ? (size_t)added : 0;
	}
}
