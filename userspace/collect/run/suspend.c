/* SPDX-License-Identifier: MIT */
/* A command that stops itself. Who waits for startline, mostly a shell, is to see what it would see of the
 * command, so that the terminal is not lost: startline stops as well, and goes on with it. Ctrl-Z stops
 * both anyway. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/collect/run/run.h"

/* Stopping and continuing a group goes through its members in microseconds. */
#define SETTLE_US 10000
#define WATCH_US  20000

static bool is_stopped(const struct run *r)
{
	siginfo_t info = { 0 };
	return !r->is_reaped &&
	       waitid(P_PID, (id_t)r->pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == r->pid;
}

/* Without a terminal nobody takes over, and nobody would continue startline. */
static bool has_terminal(void)
{
	_cleanup_close_ int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	return fd >= 0;
}

/* A process that continues startline should somebody else continue the command, or end it. */
static pid_t watch_command(pid_t command)
{
	const pid_t startline = getpid();
	const pid_t pid = fork();
	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == startline && tree_is_stopped(command))
		(void)usleep(WATCH_US);
	(void)kill(startline, SIGCONT);
	_exit(0);
}

static void end_watch(pid_t pid)
{
	if (pid <= 0)
		return;
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
	}
}

void run_suspend(struct run *r)
{
	if (!is_stopped(r) || !has_terminal())
		return;
	(void)usleep(SETTLE_US);
	if (!is_stopped(r))
		return;
	(void)collector_drain(r->c);
	const pid_t watch = watch_command(r->pid);
	(void)kill(getpid(), SIGSTOP);
	end_watch(watch);
	(void)usleep(SETTLE_US);
	/* In a group of its own it was not continued with us. */
	if (is_stopped(r))
		run_signal(r, SIGCONT);
}
