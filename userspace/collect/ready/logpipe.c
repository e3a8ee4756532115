/* SPDX-License-Identifier: MIT */
/* Two pipes between the command and the user's terminal. */

#include "userspace/collect/ready/logpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/collect/run/emit.h"

#define CHUNK  16384u
#define CHUNKS 4u

void logpipe_init(struct logpipe *p)
{
	*p = (struct logpipe){
		.read_fds = { -1, -1 },
		.write_fds = { -1, -1 },
		.to_fds = { STDOUT_FILENO, STDERR_FILENO },
	};
}

static int open_one(struct logpipe *p, int i)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail(-errno, "cannot make a pipe: %s", strerror(errno));
	p->read_fds[i] = fds[0];
	p->write_fds[i] = fds[1];
	return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static bool lead_to_one_file(int a, int b)
{
	struct stat x;
	struct stat y;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

int logpipe_open(struct logpipe *p, enum output output)
{
	int r = open_one(p, 0);
	if (r < 0)
		return r;
	if (output == OUTPUT_NOWHERE)
		p->to_fds[0] = p->to_fds[1] = -1;
	else if (output == OUTPUT_TO_STDERR)
		p->to_fds[0] = STDERR_FILENO;
	else if (!lead_to_one_file(STDOUT_FILENO, STDERR_FILENO))
		return open_one(p, 1);
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

bool logpipe_pass(struct logpipe *p, int i, pid_t pid, struct sink sink)
{
	static union {
		struct sl_output output;
		char room[sizeof(struct sl_output) + CHUNK + 8];
	} record;
	ssize_t n = 1;
	/* No more than the pipe holds: a command that writes without end must not keep us here. */
	for (unsigned int k = 0; k < CHUNKS && n > 0; k++) {
		n = read(p->read_fds[i], record.output.bytes, CHUNK);
		if (n <= 0)
			break;
		const int fd = i + 1;
		/* A reader that has gone away is the user's choice: the command goes on. */
		if (p->to_fds[i] >= 0)
			(void)write_all(p->to_fds[i], record.output.bytes, (size_t)n);
		const size_t size = offsetof(struct sl_output, bytes) + (size_t)n;
		memset(record.output.bytes + n, 0, 8);
		record.output.event = emit_header(SL_KIND_OUTPUT, size, now_ns(), pid);
		record.output.fd = fd;
		record.output.length = (uint32_t)n;
		(void)sink.event(sink.data, &record.output.event);
	}
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

void logpipe_done(struct logpipe *p)
{
	logpipe_close_writers(p);
	for (int i = 0; i < 2; i++) {
		if (p->read_fds[i] >= 0)
			(void)close(take_fd(p->read_fds[i]));
	}
}
