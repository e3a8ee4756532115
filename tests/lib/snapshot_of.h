/* SPDX-License-Identifier: MIT */
/* Snapshots of other processes, for tests: what producers take in the kernel. */
#ifndef TESTS_LIB_SNAPSHOT_OF_H
#define TESTS_LIB_SNAPSHOT_OF_H

#include <stdbool.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "userspace/stacks/snapshot.h"

/* As much as there is from @from on, page by page, since one that is missing fails all of it. */
static inline size_t read_stack(pid_t pid, uint64_t from, uint8_t *ret, size_t n)
{
	enum { PAGE = 4096 };
	size_t done = 0;
	while (done < n) {
		size_t piece = PAGE - (from + done) % PAGE;
		if (piece > n - done)
			piece = n - done;
		const struct iovec local = { .iov_base = ret + done, .iov_len = piece };
		// NOLINTNEXTLINE(performance-no-int-to-ptr): an address of another process
		const struct iovec remote = { .iov_base = (void *)(from + done), .iov_len = piece };
		if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != (ssize_t)piece)
			break;
		done += piece;
	}
	return done;
}

/* Stops a thread that was seized. @stack has room for @n bytes. */
static inline bool take_snapshot(pid_t pid, uint8_t *stack, size_t n, struct snapshot *ret)
{
	struct user_regs_struct r;
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || waitpid(pid, NULL, __WALL) != pid ||
	    ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
		return false;
	const uint64_t registers[N_REGISTERS] = { r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi,
						  r.rbp, r.rsp, r.r8,  r.r9,  r.r10, r.r11,
						  r.r12, r.r13, r.r14, r.r15, r.rip };
	*ret = (struct snapshot){ .time_ns = 1, .pid = pid, .tid = pid, .stack = stack };
	memcpy(ret->registers, registers, sizeof(registers));
	ret->n_stack = read_stack(pid, r.rsp, stack, n);
	return true;
}

#endif
