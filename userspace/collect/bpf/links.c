/* SPDX-License-Identifier: MIT */
/* Attaching programs and taking them out again. Closing the last descriptor of an attached probe waits
 * for grace periods of the kernel, 10 ms each and 200 ms in all, which the user need not wait for: a
 * process of its own does it. It is forked when they are to be closed, not before, so nothing of it
 * exists while a program is recorded. */
#include "userspace/collect/bpf/links.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"

/* How long that process lives, if we do not end before. */
#define CLOSER_MAX_MS 1000

/* What is after @prefix in its section; NULL: something else. */
static const char *after(const struct program *program, const char *prefix)
{
	const size_t n = strlen(prefix);
	return strncmp(program->section, prefix, n) == 0 ? program->section + n : NULL;
}

/* Whether it can be read shows when somebody begins to. */
static int attach_iterator(const struct program *program)
{
	_cleanup_close_ int link = bpf_link_create(program->fd, 0, BPF_TRACE_ITER, NULL);
	if (link < 0)
		return link;
	_cleanup_close_ const int reader = bpf_iter_create(link);
	return reader < 0 ? reader : take_fd(link);
}

#define UPROBE_TYPE   "/sys/bus/event_source/devices/uprobe/type"
#define COUNTER_SHIFT 32 /* PERF_UPROBE_REF_CTR_OFFSET_SHIFT of Linux */

/* In all processes that map the file, those of others included: the program tells them apart. */
static int attach_uprobe(const struct program *program, const struct place *place)
{
	_cleanup_(buf_done) struct buf type = { .limit = 32 };
	LIBBPF_OPTS(bpf_link_create_opts, options, .perf_event.bpf_cookie = place->cookie);
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.config = place->probe.counter << COUNTER_SHIFT,
		.uprobe_path = (uint64_t)(uintptr_t)place->path,
		.probe_offset = place->probe.place,
	};
	const int r = fs_read_file(UPROBE_TYPE, &type);
	if (r < 0)
		return r;
	attr.type = (uint32_t)strtoul(buf_str(&type), NULL, 10);
	_cleanup_close_ int fd =
		(int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : bpf_link_create(program->fd, fd, BPF_PERF_EVENT, &options);
}

/* What is of the kernel's types knows its tracepoint from its loading, others are told. */
static int attach(const struct program *program)
{
	if (after(program, "iter/") != NULL)
		return attach_iterator(program);
	/* It hangs on events, or in files. */
	if (after(program, "perf_event") != NULL || after(program, "uprobe") != NULL)
		return fcntl(program->fd, F_DUPFD_CLOEXEC, 0);
	return bpf_raw_tracepoint_open(after(program, "raw_tp/"), program->fd);
}

/* Of several files one may be where the kernel sets none. */
static void attach_places(struct program *program)
{
	size_t n = 0;
	for (size_t i = 0; i < program->n_places; i++) {
		struct place *place = &program->places[i];
		if (place->link_fd < 0)
			place->link_fd = attach_uprobe(program, place);
		n += place->link_fd >= 0;
	}
	if (program->n_places > 0 && n == 0)
		program->error = program->places[0].link_fd;
}

void links_attach_one(struct program *program)
{
	if (program->link_fd < 0)
		program->link_fd = attach(program);
	if (program->link_fd < 0)
		program->error = program->link_fd;
	attach_places(program);
}

static bool is_kept(int fd, const int *fds, size_t n, int parent)
{
	if (fd == parent)
		return true;
	for (size_t i = 0; i < n; i++)
		if (fds[i] == fd)
			return true;
	return false;
}

/* Descriptors are handed out from below: none of ours lies far above the highest we keep. */
static int highest(const int *fds, size_t n, int parent)
{
	int max = parent;
	for (size_t i = 0; i < n; i++)
		if (fds[i] > max)
			max = fds[i];
	return max;
}

/* Whoever reads our standard streams through a pipe waits until the last copy is closed, so
 * those go first. */
static void live_on(const int *fds, size_t n, int parent)
{
	const int limit = highest(fds, n, parent);
	struct pollfd ended = { .fd = parent, .events = POLLIN };

	for (int fd = 0; fd <= limit; fd++)
		if (!is_kept(fd, fds, n, parent))
			(void)close(fd);
	(void)close_range((unsigned int)limit + 1, ~0u, 0);
	(void)prctl(PR_SET_NAME, "startline-detach", 0, 0, 0);
	(void)poll(&ended, 1, CLOSER_MAX_MS);
	_exit(0);
}

/* Starts a process that holds copies of @fds and nothing else, so that closing them here is instant. It
 * ends when we end. Where no process can be started, closing just takes its time. */
static void background_close(const int *fds, size_t n)
{
	int ends[2]; /* the write end stays open here for as long as we live */

	if (n == 0 || pipe2(ends, O_CLOEXEC) < 0)
		return;
	const pid_t child = fork();
	if (child == 0) {
		(void)close(ends[1]);
		live_on(fds, n, ends[0]);
	}
	(void)close(ends[0]);
	if (child < 0)
		(void)close(ends[1]);
}

void links_detach_one(struct program *program)
{
	cleanup_close(&program->link_fd);
	program->link_fd = -1;
	for (size_t i = 0; i < program->n_places; i++) {
		cleanup_close(&program->places[i].link_fd);
		program->places[i].link_fd = -1;
	}
}

void links_detach(struct programs *p)
{
	int fds[PROBE_PROGRAMS_TOTAL * (1 + SL_INTERPRETERS)];
	size_t n_fds = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct program *program = &p->items[i];
		if (program->link_fd >= 0)
			fds[n_fds++] = program->link_fd;
		for (size_t k = 0; k < program->n_places; k++)
			if (program->places[k].link_fd >= 0)
				fds[n_fds++] = program->places[k].link_fd;
	}
	background_close(fds, n_fds);
	for (size_t i = 0; i < p->n; i++)
		links_detach_one(&p->items[i]);
}

uint64_t links_skipped(const struct programs *p)
{
	uint64_t n = 0;
	for (size_t i = 0; i < p->n; i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);
		const int fd = p->items[i].fd;
		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
			n += info.recursion_misses;
	}
	return n;
}
