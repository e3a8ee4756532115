/* SPDX-License-Identifier: MIT */
/* See events.h; perf_event_open(2) has the formats. */
#include "userspace/collect/perf/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"

/* Users may lock 516 KiB a CPU (kernel.perf_event_mlock_kb), of which one page is the ring's header. */
#define RING_BYTES     ((size_t)512 << 10)
#define RING_BYTES_MAX ((size_t)8 << 20)
#define WAKE_PART      4 /* the reader is woken when that part of a ring is full */
/* All general registers, RIP and flags, CS and SS: enum perf_event_x86_regs. */
#define REGISTER_MASK 0xff0fffu
/* A program whose rhythm is the timer's would always be met at the same place: no two CPUs and no two
 * runs have the same period. */
#define JITTER_PART 8

/* ---- opening ---- */

int perf_open(const struct perf_event_attr *attr, pid_t pid, int cpu)
{
	const long fd = syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

struct perf_event_attr perf_timer(uint64_t period_ns)
{
	return (struct perf_event_attr){
		.size = sizeof(struct perf_event_attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = period_ns,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CALLCHAIN |
			       PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
		.sample_regs_user = REGISTER_MASK,
		.sample_stack_user = STACK_SLICE,
		.exclude_callchain_user = 1,
		.exclude_hv = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.sample_id_all = 1,
	};
}

static void add_tracking(struct perf_event_attr *attr)
{
	attr->mmap = attr->mmap2 = attr->build_id = 1;
	attr->comm = attr->comm_exec = attr->task = 1;
}

/* Of a whole CPU where a program says whose samples are taken; else of a command and what it creates. */
static void add_reach(struct perf_event_attr *attr, bool is_whole, size_t ring_bytes)
{
	attr->disabled = 1;
	attr->inherit = attr->enable_on_exec = !is_whole;
	attr->exclude_idle = is_whole;
	attr->watermark = 1;
	attr->wakeup_watermark = (uint32_t)(ring_bytes / WAKE_PART);
}

static uint64_t jittered(uint64_t period_ns)
{
	uint64_t random = 0;
	const uint64_t width = period_ns / JITTER_PART * 2 + 1;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = period_ns / JITTER_PART;
	return period_ns - period_ns / JITTER_PART + random % width;
}

/* Older kernels do without build ids. */
static int open_one(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	int fd = perf_open(attr, pid, cpu);
	if (fd == -EINVAL && attr->build_id) {
		attr->build_id = 0;
		fd = perf_open(attr, pid, cpu);
	}
	return fd;
}

static void close_cpu(struct perf_cpu *c)
{
	perf_ring_unmap(&c->ring);
	cleanup_close(&c->tracker_fd);
	cleanup_close(&c->fd);
}

/* Of a timer, an event that only tells what processes do. */
static void make_tracker(struct perf_event_attr *attr)
{
	attr->config = PERF_COUNT_SW_DUMMY;
	attr->sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
	attr->sample_regs_user = 0;
	attr->sample_stack_user = 0;
	attr->sample_period = 0;
	attr->exclude_callchain_user = 0;
	add_tracking(attr);
}

static int open_tracker(struct perf_cpu *c, const struct perf_event_attr *timer, pid_t pid, int cpu)
{
	struct perf_event_attr attr = *timer;
	make_tracker(&attr);
	c->tracker_fd = open_one(&attr, pid, cpu);
	if (c->tracker_fd < 0)
		return c->tracker_fd;
	if (ioctl(c->tracker_fd, PERF_EVENT_IOC_SET_OUTPUT, c->fd) < 0)
		return -errno;
	return pid < 0 && ioctl(c->tracker_fd, PERF_EVENT_IOC_ENABLE, 0) < 0 ? -errno : 0;
}

/* Its program must be there before it may see what is not ours. */
static int start_whole(const struct perf_cpu *c, const struct perf_wish *wish)
{
	if ((wish->period_ns > 0 && ioctl(c->fd, PERF_EVENT_IOC_SET_BPF, wish->program) < 0) ||
	    ioctl(c->fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
		return -errno;
	return 0;
}

static int open_cpu(struct perf_events *e, const struct perf_wish *wish, size_t ring_bytes, int cpu)
{
	struct perf_cpu c = { .tracker_fd = -1, .period_ns = jittered(wish->period_ns) };
	struct perf_event_attr attr = perf_timer(c.period_ns);
	const pid_t pid = e->is_whole ? -1 : wish->pid;
	attr.exclude_kernel = !e->has_kernel;
	add_reach(&attr, e->is_whole, ring_bytes);
	const bool has_tracker = wish->may_pause && wish->period_ns > 0;
	if (wish->period_ns == 0)
		make_tracker(&attr);
	else if (!has_tracker)
		add_tracking(&attr);
	c.fd = open_one(&attr, pid, cpu);
	int r = c.fd < 0 ? c.fd : perf_ring_map(&c.ring, c.fd, ring_bytes, e->whole);
	if (r >= 0 && has_tracker)
		r = open_tracker(&c, &attr, pid, cpu);
	if (r >= 0 && e->is_whole)
		r = start_whole(&c, wish);
	else if (r >= 0 && wish->program >= 0 &&
		 wish->period_ns > 0) /* without, Python's frames are missing */
		(void)ioctl(c.fd, PERF_EVENT_IOC_SET_BPF, wish->program);
	/* Edge-triggered: that its tasks have all ended is told once. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	if (r >= 0 && epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, c.fd, &event) < 0)
		r = -errno;
	if (r >= 0) {
		e->cpus[e->n++] = c;
		return 0;
	}
	close_cpu(&c);
	return r;
}

static int open_all(struct perf_events *e, const struct perf_wish *wish, size_t ring_bytes, int n)
{
	for (int cpu = 0; cpu < n; cpu++) {
		const int r = open_cpu(e, wish, ring_bytes, cpu);
		/* That CPU is off. */
		if (r < 0 && r != -ENODEV)
			return r;
	}
	return e->n > 0 ? 0 : -ENODEV;
}

static void close_all(struct perf_events *e)
{
	for (size_t i = 0; i < e->n; i++)
		close_cpu(&e->cpus[i]);
	e->n = 0;
}

static size_t power_of_two(size_t wanted)
{
	size_t bytes = RING_BYTES_MIN;
	while (bytes < wanted && bytes < RING_BYTES_MAX)
		bytes *= 2;
	return bytes;
}

/* With less where the kernel does not let us have all. */
static int open_somehow(struct perf_events *e, const struct perf_wish *wish, int n)
{
	size_t bytes = power_of_two(wish->ring_bytes == 0 ? RING_BYTES : wish->ring_bytes);
	e->is_whole = wish->program >= 0;
	int r = open_all(e, wish, bytes, n);
	if (r < 0 && e->is_whole) {
		close_all(e);
		e->is_whole = false;
		r = open_all(e, wish, bytes, n);
	}
	if ((r == -EACCES || r == -EPERM) && e->n == 0) {
		e->has_kernel = false;
		r = open_all(e, wish, bytes, n);
	}
	/* Memory that may be locked is shared with others. */
	while ((r == -EPERM || r == -ENOMEM) && bytes > RING_BYTES_MIN) {
		bytes /= 2;
		close_all(e);
		r = open_all(e, wish, bytes, n);
	}
	return r;
}

int perf_events_open(const struct perf_wish *wish, struct perf_events *ret)
{
	const long n = sysconf(_SC_NPROCESSORS_CONF);
	struct perf_events e = { .has_kernel = true, .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	if (e.epoll_fd < 0)
		return -errno;
	e.cpus = calloc(n > 0 ? (size_t)n : 1, sizeof(*e.cpus));
	e.whole = malloc(RECORD_MAX);
	const int r = e.cpus == NULL || e.whole == NULL ? -ENOMEM : open_somehow(&e, wish, (int)n);
	if (r < 0)
		perf_events_close(&e);
	else
		*ret = e;
	return r;
}

void perf_events_close(struct perf_events *e)
{
	close_all(e);
	free(e->cpus);
	free(e->whole);
	cleanup_close(&e->epoll_fd);
	*e = (struct perf_events){ .epoll_fd = -1 };
}

void perf_events_let_run(const struct perf_events *e, bool is_on)
{
	for (size_t i = 0; i < e->n; i++)
		(void)ioctl(e->cpus[i].fd, is_on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE,
			    0);
}

/* ---- why not ---- */

int perf_events_paranoid(void)
{
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, 64);
	if (fs_read_file("/proc/sys/kernel/perf_event_paranoid", &text) < 0)
		return -1;
	return (int)strtol(buf_str(&text), NULL, 10);
}

static bool is_forbidden_by_setting(int r)
{
	return (r == -EACCES || r == -EPERM) && geteuid() != 0 && perf_events_paranoid() > 2;
}

const char *perf_events_why(int r)
{
	if (is_forbidden_by_setting(r))
		return "kernel.perf_event_paranoid is above 2";
	if (r == -EACCES || r == -EPERM)
		return "perf_event_open is not permitted here (a container's seccomp filter?)";
	if (r == -ENOSYS)
		return "perf_event_open is not there: the kernel, or a seccomp filter, lacks it";
	if (r == -ENOENT || r == -EOPNOTSUPP)
		return "this kernel has no timer to sample with";
	return strerror(-r);
}

const char *perf_events_remedy(int r)
{
	if (is_forbidden_by_setting(r))
		return "sudo sysctl kernel.perf_event_paranoid=2";
	if (r == -EACCES || r == -EPERM)
		return "allow perf_event_open (docker: --cap-add PERFMON, or another seccomp profile)";
	return r == -ENOSYS ? "boot a kernel with CONFIG_PERF_EVENTS=y" : "";
}

/* ---- records ---- */

/* The next word of a record; 0 behind its end, where *ret_left stays 0. */
static uint64_t take_word(const uint64_t **at, size_t *left)
{
	if (*left == 0)
		return 0;
	(*left)--;
	return *(*at)++;
}

static const uint64_t *take_words(const uint64_t **at, size_t *left, size_t n)
{
	const uint64_t *words = *at;
	if (n > *left)
		return NULL;
	*at += n;
	*left -= n;
	return words;
}

bool perf_sample_read(const struct perf_event_header *record, struct perf_sample *ret)
{
	const uint64_t *at = (const uint64_t *)(record + 1);
	size_t left = record->size / sizeof(*at) - 1;
	const uint64_t ids = take_word(&at, &left);
	struct perf_sample s = { .pid = (pid_t)(uint32_t)ids, .tid = (pid_t)(ids >> 32) };
	s.time_ns = take_word(&at, &left);
	s.n_kernel = take_word(&at, &left);
	s.kernel = take_words(&at, &left, s.n_kernel);
	if (s.kernel == NULL)
		return false;
	const uint64_t abi = take_word(&at, &left);
	if (abi != PERF_SAMPLE_REGS_ABI_NONE) {
		s.registers = take_words(&at, &left, PERF_REGISTERS);
		if (s.registers == NULL)
			return false;
	}
	if (abi != PERF_SAMPLE_REGS_ABI_64)
		s.registers = NULL;
	const uint64_t room = take_word(&at, &left);
	s.stack = (const uint8_t *)take_words(&at, &left, room / sizeof(*at));
	const uint64_t filled = room > 0 ? take_word(&at, &left) : 0;
	s.n_stack = s.stack == NULL || s.registers == NULL ? 0 : filled < room ? filled : room;
	*ret = s;
	return true;
}
