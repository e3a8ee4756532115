/* SPDX-License-Identifier: MIT */
/* Unwinds each thread of a process: unwind_points PID [BYTES]. Stops it for that. Prints "thread TID END",
 * then a line for each frame, innermost first: the address where it goes on, its module and the place in
 * it. Twice as many numbers as gdb's `bt` gives, of the same moment if the process is stopped already. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "userspace/stacks/unwind.h"

enum { DEFAULT_BYTES = 64 << 10 };

/* As much as there is, in pages, since one that is missing fails all of it. */
static size_t read_stack(pid_t pid, uint64_t from, uint8_t *ret, size_t n)
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

static void take_registers(const struct user_regs_struct *from, uint64_t *ret)
{
	const uint64_t registers[N_REGISTERS] = {
		from->rax, from->rdx, from->rcx, from->rbx, from->rsi, from->rdi,
		from->rbp, from->rsp, from->r8,	 from->r9,  from->r10, from->r11,
		from->r12, from->r13, from->r14, from->r15, from->rip,
	};
	memcpy(ret, registers, sizeof(registers));
}

static int unwind_thread(struct unwinder *u, const struct modules *modules, pid_t pid, pid_t tid,
			 size_t n_stack)
{
	static struct unwound unwound;
	_cleanup_free_ uint8_t *stack = malloc(n_stack);
	struct snapshot snapshot = { .time_ns = 1, .pid = pid, .tid = tid, .stack = stack };
	struct user_regs_struct registers;
	int status = 0;
	if (stack == NULL || ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
		return 1;
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 || waitpid(tid, &status, __WALL) != tid ||
	    ptrace(PTRACE_GETREGS, tid, NULL, &registers) < 0)
		return 1;
	take_registers(&registers, snapshot.registers);
	snapshot.n_stack = read_stack(pid, registers.rsp, stack, n_stack);
	unwind(u, &snapshot, &unwound);
	printf("thread %d %s\n", (int)tid, unwind_end_name(unwound.end));
	for (size_t i = 0; i < unwound.n; i++) {
		const struct code_frame *f = &unwound.frames[i];
		const struct module *module = modules_get(modules, f->module);
		printf("%#llx %s %#llx\n", (unsigned long long)f->address,
		       module != NULL ? module->path : "?", (unsigned long long)f->offset);
	}
	return ptrace(PTRACE_DETACH, tid, NULL, NULL) < 0;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	const pid_t pid = (pid_t)strtol(argv[1], NULL, 10);
	const size_t n_stack = argc > 2 ? strtoul(argv[2], NULL, 10) : DEFAULT_BYTES;
	_cleanup_(modules_freep) struct modules *modules = modules_new();
	_cleanup_(spaces_freep) struct spaces *spaces = spaces_new(modules);
	_cleanup_(unwinder_freep) struct unwinder *u = unwinder_new(spaces);
	char path[32];
	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	_cleanup_closedir_ DIR *tasks = opendir(path);
	if (u == NULL || tasks == NULL)
		return 2;
	for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
		const pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (tid > 0 && unwind_thread(u, modules, pid, tid, n_stack) != 0)
			return 1;
	}
	return 0;
}
