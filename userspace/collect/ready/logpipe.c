/* SPDX-License-Identifier: MIT */
/* Two processes: the relay stands between an output of the command and where that led before. It passes
 * everything on, and sends what a --ready log: condition may be about to startline. It does not depend on
 * startline: when that ends, whatever ends it, the relay goes on until the last writer has gone, and if
 * the reader goes, the writers learn it as they would have. It reads and writes while somebody wants to
 * know of the output, and splices else. */

#include "userspace/collect/ready/logpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/rights.h"
#include "userspace/collect/ready/log_filter.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/signals.h"

#define CHUNK	   (64u * 1024)
#define SPLICE_MAX (1u << 20)
#define LINE_BYTES 8192u  /* of an unfinished line so much is kept, as in ready_watch.c */
#define PIECE	   16384u /* in one event */
/* Who reads may not be reading now. What is left the relay passes on by itself. */
#define FLUSH_WAITS   20
#define FLUSH_WAIT_MS 50

#define PIPE_BYTES    (256 * 1024) /* fewer switches between writer and relay; less is fine */
#define EVENT_BYTES   (64u * 1024)
#define EVENTS_A_TIME 64

/* What startline may send, a byte each. */
enum relay_command {
	RELAY_FLUSH =
		'f', /* answered by one byte when all that was written so far has been passed on */
	RELAY_PASS = 'p', /* from now on only pass on */
};

struct relay_spec {
	int from, to; /* the read end of the pipe; where it leads */
	int control;  /* a socket of type SEQPACKET: OUTPUT events go out, commands come in */
	int fd;	      /* 1 or 2: which output this is */
	const struct ready_rule *rules;
	size_t n_rules;
};

struct relay {
	struct relay_spec spec;
	struct log_filter *filter; /* NULL: only pass on */
	bool can_write;		   /* false: the disk is full, say; the writers are not harmed */
	bool can_splice;
	bool is_in_told; /* what comes first belongs to a line of which startline has the beginning */
	size_t n_kept;	 /* an unfinished line that startline has not seen */
	char text[LINE_BYTES + CHUNK];
};

/* ---- to startline ---- */

static void only_pass(struct relay *r)
{
	r->filter = log_filter_free(r->filter);
}

static void tell(struct relay *r, const char *text, size_t n)
{
	static union {
		struct sl_output output;
		char room[sizeof(struct sl_output) + PIECE + 8];
	} record;
	for (size_t at = 0; at < n && r->filter != NULL; at += PIECE) {
		const size_t length = n - at < PIECE ? n - at : PIECE;
		const size_t size = offsetof(struct sl_output, bytes) + length;
		record.output.event = emit_header(SL_KIND_OUTPUT, size, now_ns(), 0);
		record.output.fd = r->spec.fd;
		record.output.length = (uint32_t)length;
		memcpy(record.output.bytes, text + at, length);
		memset(record.output.bytes + length, 0, 8);
		if (send(r->spec.control, &record, record.output.event.size, MSG_NOSIGNAL) < 0)
			only_pass(r);
	}
}

/* The rest of a line that startline has begun to read. Returns its length. */
static size_t tell_rest(struct relay *r, const char *text, size_t n)
{
	if (!r->is_in_told || n == 0)
		return 0;
	const char *newline = memchr(text, '\n', n);
	const size_t rest = newline != NULL ? (size_t)(newline - text) + 1 : n;
	tell(r, text, rest);
	r->is_in_told = newline == NULL;
	return rest;
}

/* @n bytes have come behind what was kept. */
static void inspect(struct relay *r, size_t n)
{
	const size_t rest = tell_rest(r, r->text, n); /* then nothing was kept */
	char *text = r->text + rest;
	const size_t length = r->n_kept + n - rest;
	r->n_kept = 0;
	if (length == 0)
		return;
	const char *newline = memrchr(text, '\n', length);
	if (log_filter_passes(r->filter, text, length)) {
		tell(r, text, length);
		r->is_in_told = text[length - 1] != '\n';
		return;
	}
	const char *line = newline != NULL ? newline + 1 : text;
	size_t kept = (size_t)(text + length - line);
	if (kept > LINE_BYTES) {
		line += kept - LINE_BYTES;
		kept = LINE_BYTES;
	}
	memmove(r->text, line, kept);
	r->n_kept = kept;
}

/* ---- from writer to reader ---- */

/* Its reader has gone, or it takes no more now, or never. */
static void on_write_error(struct relay *r)
{
	struct pollfd writable = { .fd = r->spec.to, .events = POLLOUT };
	if (errno == EPIPE)
		_exit(0); /* closes the pipe: the writers get SIGPIPE, as they would have */
	if (errno == EAGAIN)
		(void)poll(&writable, 1, -1);
	else if (errno != EINTR)
		r->can_write = false;
}

static void write_on(struct relay *r, const char *text, size_t n)
{
	while (n > 0 && r->can_write) {
		const ssize_t written = write(r->spec.to, text, n);
		if (written < 0) {
			on_write_error(r);
			continue;
		}
		text += written;
		n -= (size_t)written;
	}
}

/* Some of what is there. Returns how much; 0: all writers have gone. */
static size_t copy_on(struct relay *r)
{
	char *at = r->text + r->n_kept;
	const ssize_t n = read(r->spec.from, at, CHUNK);
	if (n <= 0)
		return 0;
	write_on(r, at, (size_t)n);
	if (r->filter != NULL)
		inspect(r, (size_t)n);
	else
		r->n_kept = 0;
	return (size_t)n;
}

static size_t splice_on(struct relay *r)
{
	for (;;) {
		const ssize_t n = splice(r->spec.from, NULL, r->spec.to, NULL, SPLICE_MAX, 0);
		if (n >= 0)
			return (size_t)n;
		if (errno == EINVAL || !r->can_write) { /* a file opened for appending, say */
			r->can_splice = false;
			return copy_on(r);
		}
		on_write_error(r);
	}
}

static size_t pass_on(struct relay *r)
{
	return r->filter == NULL && r->can_splice && r->can_write ? splice_on(r) : copy_on(r);
}

/* What has been written until now, and no more: there may be no end. False: that was all. */
static bool flush(struct relay *r)
{
	int n = 0;
	if (ioctl(r->spec.from, FIONREAD, &n) < 0)
		return true;
	for (size_t done = 0; done < (size_t)n;) {
		const size_t passed = pass_on(r);
		if (passed == 0)
			return false;
		done += passed;
	}
	return true;
}

/* ---- the process ---- */

static bool obey(struct relay *r)
{
	char command = 0;
	const ssize_t n = recv(r->spec.control, &command, sizeof(command), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) { /* startline has ended */
		only_pass(r);
		(void)close(r->spec.control);
		r->spec.control = -1;
		return true;
	}
	if (command == RELAY_PASS)
		only_pass(r);
	if (command != RELAY_FLUSH)
		return true;
	const bool goes_on = flush(r);
	(void)send(r->spec.control, &command, sizeof(command), MSG_NOSIGNAL);
	return goes_on;
}

/* Nothing of startline's is kept open or in use: not its files, its terminal, its directory. */
static void leave_startline(struct relay *r)
{
	sigset_t all;
	const int null = open("/dev/null", O_WRONLY);
	const int kept[] = { r->spec.from, r->spec.to >= 0 ? r->spec.to : null, r->spec.control };
	int fds[3];
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setsid();
	/* Who ends startline by its name does not mean this. */
	(void)prctl(PR_SET_NAME, "sl-relay");
	(void)!chdir("/");
	/* In two steps, as the one may stand where the other is to go. */
	for (int i = 0; i < 3; i++)
		fds[i] = fcntl(kept[i], F_DUPFD, 3);
	for (int i = 0; i < 3; i++)
		(void)dup2(fds[i], i);
	(void)syscall(SYS_close_range, 3, ~0u, 0);
	r->spec.from = 0;
	r->spec.to = 1;
	r->spec.control = 2;
}

static _Noreturn void relay_main(const struct relay_spec *spec)
{
	static struct relay r;
	r.spec = *spec;
	r.can_write = r.can_splice = true;
	leave_startline(&r);
	/* It may outlive startline, and reads what anybody writes. */
	if (rights_become(rights_invoking()) < 0)
		_exit(1);
	if (log_filter_new(spec->rules, spec->n_rules, &r.filter) < 0)
		_exit(1);
	for (bool goes_on = true; goes_on;) {
		struct pollfd fds[] = { { .fd = r.spec.from, .events = POLLIN },
					{ .fd = r.spec.control, .events = POLLIN } };
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents != 0)
			goes_on = obey(&r);
		else
			goes_on = pass_on(&r) > 0;
	}
	_exit(0);
}

/* ---- startline's end ---- */

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
	if (spec->output == OUTPUT_OWN && !fs_is_one_file(STDOUT_FILENO, STDERR_FILENO))
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
