/* SPDX-License-Identifier: MIT */
/* Passes output on: see relay.h. Reads and writes while somebody wants to know of it, splices else. */
#include "userspace/collect/ready/relay.h"

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
#include <unistd.h>

#include "userspace/base/rights.h"
#include "userspace/collect/ready/log_filter.h"
#include "userspace/collect/run/emit.h"

#define CHUNK	   (64u * 1024)
#define SPLICE_MAX (1u << 20)
#define LINE_BYTES 8192u  /* of an unfinished line so much is kept, as in ready_watch.c */
#define PIECE	   16384u /* in one event */

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

_Noreturn void relay_main(const struct relay_spec *spec)
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
