/* SPDX-License-Identifier: MIT */
/* Startline's end of the pipes between the command and the user's terminal. */

#include "userspace/collect/ready/logpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/collect/ready/relay.h"
#include "userspace/collect/run/signals.h"

/* Who reads may not be reading now. What is left the relay passes on by itself. */
#define FLUSH_WAITS   20
#define FLUSH_WAIT_MS 50

#define PIPE_BYTES    (256 * 1024) /* fewer switches between writer and relay; less is fine */
#define EVENT_BYTES   (64u * 1024)
#define EVENTS_A_TIME 64

void logpipe_init(struct logpipe *p)
{
	*p = (struct logpipe){ .fds = { -1, -1 }, .write_fds = { -1, -1 } };
}

static int open_one(struct logpipe *p, int i, int to, const struct collect_spec *spec)
{
	int fds[2];
	int ends[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail(-errno, "cannot make a pipe: %s", strerror(errno));
	_cleanup_close_ int from = fds[0];
	p->write_fds[i] = fds[1];
	(void)fcntl(from, F_SETPIPE_SZ, PIPE_BYTES);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(-errno, "cannot make a socket: %s", strerror(errno));
	_cleanup_close_ int theirs = ends[1];
	p->fds[i] = ends[0];
	const struct relay_spec relay = {
		.from = from,
		.to = to,
		.control = theirs,
		.fd = i + 1,
		.rules = spec->rules,
		.n_rules = spec->n_rules,
	};
	p->relays[i] = fork();
	if (p->relays[i] == 0)
		relay_main(&relay);
	return p->relays[i] < 0 ? fail(-errno, "cannot make a process: %s", strerror(errno)) : 0;
}

static bool lead_to_one_file(int a, int b)
{
	struct stat x;
	struct stat y;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

int logpipe_open(struct logpipe *p, const struct collect_spec *spec)
{
	static const int to[] = {
		[OUTPUT_OWN] = STDOUT_FILENO,
		[OUTPUT_TO_STDERR] = STDERR_FILENO,
		[OUTPUT_NOWHERE] = -1,
	};
	const int r = open_one(p, 0, to[spec->output], spec);
	if (r < 0)
		return r;
	if (spec->output == OUTPUT_OWN && !lead_to_one_file(STDOUT_FILENO, STDERR_FILENO))
		return open_one(p, 1, STDERR_FILENO, spec);
	p->write_fds[1] = fcntl(p->write_fds[0], F_DUPFD_CLOEXEC, 0);
	return p->write_fds[1] < 0 ? -errno : 0;
}

void logpipe_close_writers(struct logpipe *p)
{
	for (int i = 0; i < 2; i++) {
		if (p->write_fds[i] >= 0)
			(void)close(take_fd(p->write_fds[i]));
	}
}

/* One message of the relay: an event goes on, the answer to a flush is told by true. */
static bool take_one(const char *message, size_t n, pid_t pid, struct sink sink)
{
	struct sl_output output;
	if (n < offsetof(struct sl_output, bytes))
		return true;
	memcpy(&output, message, sizeof(output.event));
	output.event.pid = output.event.tid = (uint32_t)pid;
	/* The rest is as it came; the buffer is aligned and ours. */
	memcpy((char *)(uintptr_t)message, &output.event, sizeof(output.event));
	(void)sink.event(sink.data, (const struct sl_event *)(const void *)message);
	return false;
}

/* @ret_has_flushed: an answer was among it. */
static bool take(struct logpipe *p, int i, pid_t pid, struct sink sink, bool *ret_has_flushed)
{
	static _Alignas(struct sl_output) char message[EVENT_BYTES];
	for (int k = 0; k < EVENTS_A_TIME; k++) {
		const ssize_t n = recv(p->fds[i], message, sizeof(message), MSG_DONTWAIT);
		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR);
		*ret_has_flushed |= take_one(message, (size_t)n, pid, sink);
	}
	return true;
}

bool logpipe_take(struct logpipe *p, int i, pid_t pid, struct sink sink)
{
	bool has_flushed = false;
	return take(p, i, pid, sink, &has_flushed);
}

static void flush_one(struct logpipe *p, int i, pid_t pid, struct sink sink)
{
	const char command = RELAY_FLUSH;
	bool has_flushed = send(p->fds[i], &command, sizeof(command), MSG_NOSIGNAL) < 0;
	struct pollfd fd = { .fd = p->fds[i], .events = POLLIN };
	for (int waits = 0; waits < FLUSH_WAITS && !has_flushed && !signals_end_is_pending();) {
		const int n = poll(&fd, 1, FLUSH_WAIT_MS);
		waits += n <= 0;
		if (n > 0 && !take(p, i, pid, sink, &has_flushed))
			return;
	}
}

void logpipe_flush(struct logpipe *p, pid_t pid, struct sink sink)
{
	for (int i = 0; i < 2; i++) {
		if (p->fds[i] >= 0)
			flush_one(p, i, pid, sink);
	}
}

void logpipe_stop_looking(struct logpipe *p)
{
	const char command = RELAY_PASS;
	for (int i = 0; i < 2; i++) {
		if (p->fds[i] >= 0)
			(void)send(p->fds[i], &command, sizeof(command), MSG_NOSIGNAL);
	}
}

void logpipe_done(struct logpipe *p)
{
	logpipe_close_writers(p);
	for (int i = 0; i < 2; i++) {
		if (p->fds[i] >= 0)
			(void)close(take_fd(p->fds[i]));
		/* It may have to go on. */
		if (p->relays[i] > 0)
			(void)waitpid(p->relays[i], NULL, WNOHANG);
	}
}
