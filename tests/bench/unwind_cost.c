/* SPDX-License-Identifier: MIT */
/* unwind_cost CMD...: stops it at many points, and prints what it takes to unwind such a stack: nanoseconds
 * a stack when all rows are at hand, nanoseconds a row that is not, frames a stack. The fastest of
 * several rounds. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "tests/lib/snapshot_of.h"
#include "userspace/base/clock.h"
#include "userspace/stacks/proc_maps.h"
#include "userspace/stacks/unwind.h"

enum {
	POINTS = 200,
	SLICE = 64 << 10,
	PAGE = 4096,
	ROUNDS = 20,
	FIRST_US = 100000,
	NEXT_US = 2000
};

static struct snapshot snapshots[POINTS];
static uint8_t slices[POINTS][SLICE];
static struct unwound unwound;

/* Nanoseconds for all of them once. */
static double unwind_all(struct unwinder *u, size_t *ret_frames)
{
	const uint64_t start = clock_ns(CLOCK_MONOTONIC);
	*ret_frames = 0;
	for (size_t i = 0; i < POINTS; i++) {
		unwind(u, &snapshots[i], &unwound);
		*ret_frames += unwound.n;
	}
	return (double)(clock_ns(CLOCK_MONOTONIC) - start);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	const pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	usleep(FIRST_US);
	if (pid < 0 || ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return 1;
	for (size_t i = 0; i < POINTS; i++) {
		if (!take_snapshot(pid, slices[i], SLICE, &snapshots[i]))
			return 1;
		if (i + 1 < POINTS && ptrace(PTRACE_CONT, pid, NULL, NULL) == 0)
			usleep(NEXT_US);
	}
	double best_warm = 1e18, best_cold = 1e18;
	uint64_t n_rows = 0, n_missed = 1;
	size_t n_frames = 0;
	for (int round = 0; round < ROUNDS; round++) {
		_cleanup_(modules_freep) struct modules *modules = modules_new();
		_cleanup_(spaces_freep) struct spaces *spaces = spaces_new(modules);
		_cleanup_(unwinder_freep) struct unwinder *u = unwinder_new(spaces);
		if (u == NULL)
			return 1;
		(void)spaces_find(spaces, pid, 1, 0); /* reads what is mapped */
		const double cold = unwind_all(u, &n_frames);
		unwinder_counts(u, &n_rows, &n_missed);
		const double warm = unwind_all(u, &n_frames);
		best_warm = warm < best_warm ? warm : best_warm;
		best_cold = cold < best_cold ? cold : best_cold;
	}
	printf("%.0f %.0f %.1f\n", best_warm / POINTS, (best_cold - best_warm) / (double)n_missed,
	       (double)n_frames / POINTS);
	kill(pid, SIGKILL);
	return 0;
}
