/* SPDX-License-Identifier: MIT */
/* unwind_cost CMD...: stops it at many points, and prints what it takes to unwind such a stack: nanoseconds
 * a stack when all rows are at hand, nanoseconds a row that is not, frames a stack. The fastest of
 * several rounds. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void take(pid_t pid, size_t i)
{
	struct user_regs_struct r;
	struct snapshot *s = &snapshots[i];
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || waitpid(pid, NULL, __WALL) != pid ||
	    ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
		exit(1);
	const uint64_t registers[N_REGISTERS] = { r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi,
						  r.rbp, r.rsp, r.r8,  r.r9,  r.r10, r.r11,
						  r.r12, r.r13, r.r14, r.r15, r.rip };
	*s = (struct snapshot){ .time_ns = 1, .pid = pid, .stack = slices[i] };
	memcpy(s->registers, registers, sizeof(registers));
	while (s->n_stack < SLICE) {
		const uint64_t from = r.rsp + s->n_stack;
		size_t n = PAGE - from % PAGE;
		n = n < SLICE - s->n_stack ? n : SLICE - s->n_stack;
		const struct iovec local = { slices[i] + s->n_stack, n };
		const struct iovec remote = { (void *)from,
					      n }; // NOLINT(performance-no-int-to-ptr)
		if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != (ssize_t)n)
			break;
		s->n_stack += n;
	}
}

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
		take(pid, i);
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
