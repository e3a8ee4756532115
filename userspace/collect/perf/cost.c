/* SPDX-License-Identifier: MIT */
/* See cost.h. */
#include "userspace/collect/perf/cost.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/base/stats.h"
#include "userspace/base/units.h"
#include "userspace/collect/perf/events.h"
#include "userspace/collect/run/source.h"

/* Of its time a program shall lose no more than that part to the timer: with what snapshots at system calls
 * may take (bpf/stack.bpf.c) that is 2 %. */
#define COST_PART 80
#define RATE_MAX  999u /* Hz */
#define RATE_MIN  99u  /* what makes a sample dearer than that is noise */

#define TRY_PERIOD_NS (250 * NS_PER_US)
#define STEP_NS	      (10 * NS_PER_US) /* of work between two looks at the clock */
#define STEPS	      300
#define AFTER	      5 /* steps in which what an interrupt took out of the caches comes back */
#define LONG_NS	      (2 * NS_PER_US)  /* that much longer, and something came between */
#define TRY_LIMIT_NS  (20 * NS_PER_MS) /* others may be on that CPU */
#define WAIT_MS	      100
#define WORK_BYTES    (256u << 10)
/* A program's own memory takes the kernel's out of the caches, and the other way round, more than this
 * work does: with 8 MiB of it samples take 1.7 times as long, in a storm of processes 2.5 times. */
#define INDIRECT 2

/* Where it could not be measured: what a virtual machine was seen to have. */
static const struct sample_cost usual = { .ns = 65000, .error_ns = 65000 };

static uint8_t memory[WORK_BYTES];

static void work(unsigned int n)
{
	static unsigned int at;
	volatile uint8_t *bytes = memory;
	for (unsigned int i = 0; i < n; i++) {
		at = (at * 69069u + 1) % WORK_BYTES;
		bytes[at]++;
	}
}

static uint64_t time_work(unsigned int n)
{
	const uint64_t start = clock_ns(CLOCK_MONOTONIC);
	work(n);
	return clock_ns(CLOCK_MONOTONIC) - start;
}

/* How much takes about STEP_NS, at most. */
static unsigned int amount(void)
{
	unsigned int n = 16;
	memset(memory, 0, sizeof(memory)); /* so that it is there */
	while (time_work(n) < STEP_NS / 2 && n < UINT_MAX / 2)
		n *= 2;
	return n;
}

/* What each step took. Returns how many there were time for. */
static size_t walk(double *steps)
{
	const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + TRY_LIMIT_NS;
	const unsigned int n = amount();
	size_t i = 0;
	while (i < STEPS && clock_ns(CLOCK_MONOTONIC) < until_ns)
		steps[i++] = (double)time_work(n);
	return i;
}

/* From each long step on, what it and the next ones took longer than usual: the samples' cost. Being
 * preempted, and the scheduler's ticks, look the same, but are fewer, so that the median is a sample. */
static struct sample_cost cost_of(const double *steps, size_t n)
{
	double sorted[STEPS], costs[STEPS];
	size_t n_costs = 0;
	memcpy(sorted, steps, n * sizeof(*steps));
	const double step_ns = stats_median(sorted, n);
	for (size_t i = 0; i + AFTER < n; i++) {
		if (steps[i] - step_ns < (double)LONG_NS)
			continue;
		costs[n_costs] = 0;
		for (size_t k = 0; k <= AFTER; k++)
			costs[n_costs] += steps[i + k] - step_ns;
		n_costs++;
		i += AFTER;
	}
	if (n_costs < 3)
		return usual;
	const double direct_ns = stats_median(costs, n_costs);
	return (struct sample_cost){
		.ns = (uint64_t)(INDIRECT * direct_ns),
		.error_ns = (uint64_t)(direct_ns / 2 + 2 * stats_mad(costs, n_costs)),
	};
}

static struct sample_cost try_samples(void)
{
	/* What a sample copies is part of what it costs. */
	volatile uint8_t stack[STACK_SLICE / 2];
	struct perf_event_attr attr = perf_timer(TRY_PERIOD_NS);
	struct perf_ring ring;
	double steps[STEPS];
	for (size_t i = 0; i < sizeof(stack); i += 512)
		stack[i] = 0;
	_cleanup_close_ int fd = perf_open(&attr, 0, -1);
	if (fd < 0) {
		attr.exclude_kernel = 1;
		fd = perf_open(&attr, 0, -1);
	}
	if (fd < 0)
		return (struct sample_cost){ .error = fd };
	if (perf_ring_map(&ring, fd, RING_BYTES_MIN * 8, NULL) < 0)
		return usual;
	const size_t n = walk(steps);
	perf_ring_unmap(&ring);
	return cost_of(steps, n);
}

void cost_trial_start(struct cost_trial *ret)
{
	int fds[2];
	*ret = (struct cost_trial){ .fd = -1 };
	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	const pid_t pid = fork();
	if (pid == 0) {
		const struct sample_cost cost = try_samples();
		(void)!write(fds[1], &cost, sizeof(cost));
		_exit(0);
	}
	(void)close(fds[1]);
	ret->pid = pid > 0 ? pid : 0;
	ret->fd = fds[0];
}

struct sample_cost cost_trial_finish(struct cost_trial *t)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	struct sample_cost cost;
	if (t->pid == 0 || poll(&p, 1, WAIT_MS) <= 0 ||
	    read(t->fd, &cost, sizeof(cost)) != (ssize_t)sizeof(cost))
		cost = usual;
	cost_trial_done(t);
	return cost;
}

void cost_trial_done(struct cost_trial *t)
{
	if (t->pid > 0) {
		(void)kill(t->pid, SIGKILL);
		(void)waitpid(t->pid, NULL, 0);
	}
	t->pid = 0;
	cleanup_close(&t->fd);
	t->fd = -1;
}

/* ---- doctor ---- */

const char *source_perf_try(const char **ret_remedy, uint64_t *ret_ns)
{
	struct cost_trial trial;
	cost_trial_start(&trial);
	const struct sample_cost cost = cost_trial_finish(&trial);
	*ret_remedy = perf_events_remedy(cost.error);
	*ret_ns = cost.ns;
	return cost.error != 0 ? perf_events_why(cost.error) : NULL;
}

uint64_t sample_cost_rate(const struct sample_cost *cost)
{
	const uint64_t rate = cost->ns > 0 ? NS_PER_S / COST_PART / cost->ns : RATE_MAX;
	return rate > RATE_MAX ? RATE_MAX : rate < RATE_MIN ? RATE_MIN : rate;
}
