/* SPDX-License-Identifier: MIT */
/* Reads signals, and finds out to whom they went: see signals.h. siginfo does not tell whether a
 * signal was sent to one process or to a group, the other members do. */
#include "userspace/collect/run/signals.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/units.h"
#include "userspace/collect/run/emit.h"

#define STACK_BYTES  (16u * 1024)
#define STATUS_BYTES (64u * 1024)
/* The kernel goes through a group in microseconds, who sends to one and then to all takes longer. */
#define SETTLE_US 3000
#define TWICE_NS  (100 * NS_PER_MS)

static const int end_signals[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
#define N_END_SIGNALS (sizeof(end_signals) / sizeof(end_signals[0]))

/* Left alone: job control, what nobody dies of, and what a fault of our own raises. */
static const int other_signals[] = { SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGWINCH, SIGURG, SIGSEGV,
				     SIGBUS,  SIGFPE,  SIGILL,	SIGTRAP, SIGSYS,   SIGABRT };
#define N_OTHER_SIGNALS (sizeof(other_signals) / sizeof(other_signals[0]))

static bool is_end(int number)
{
	for (size_t i = 0; i < N_END_SIGNALS; i++) {
		if (end_signals[i] == number)
			return true;
	}
	return false;
}

/* A blocked one would be queued although it is ignored. Who is ignored stays so, but for Ctrl-C and
 * termination, which any script has ignored by what it starts in the background. */
static bool is_ignored(int number)
{
	struct sigaction now;
	return (number == SIGHUP || !is_end(number)) && sigaction(number, NULL, &now) == 0 &&
	       now.sa_handler == SIG_IGN;
}

static void choose(sigset_t *ret)
{
	(void)sigfillset(ret);
	for (size_t i = 0; i < N_OTHER_SIGNALS; i++)
		(void)sigdelset(ret, other_signals[i]);
	for (int number = 1; number <= SIGRTMAX; number++) {
		if (is_ignored(number))
			(void)sigdelset(ret, number);
	}
}

/* ---- the member of the group ---- */

/* Shares our memory: makes nothing but system calls that succeed. */
static int stay(void *data)
{
	const pid_t parent = *(const pid_t *)data;
	(void)syscall(SYS_close_range, 0, ~0u, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		(void)pause();
	return 0;
}

static void member_make(struct signals *s)
{
	static pid_t self;
	sigset_t all, before;
	self = getpid();
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	s->member = s->stack != NULL
			    ? clone(stay, s->stack + STACK_BYTES, CLONE_VM | SIGCHLD, &self)
			    : 0;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (s->member < 0)
		s->member = 0;
}

static void member_end(struct signals *s)
{
	if (s->member == 0)
		return;
	(void)kill(s->member, SIGKILL);
	while (waitpid(s->member, NULL, 0) < 0 && errno == EINTR) {
	}
	s->member = 0;
}

/* Whether the group got it. Nothing is pending afterwards. */
static bool group_got(struct signals *s, int number)
{
	char path[64];
	unsigned long long pending = 0;
	_cleanup_(buf_done) struct buf status;
	buf_init(&status, STATUS_BYTES);
	(void)snprintf(path, sizeof(path), "/proc/%d/status", s->member);
	if (s->member == 0 || fs_read_file(path, &status) < 0)
		return false;
	const char *line = strstr(buf_str(&status), "\nShdPnd:");
	if (line == NULL || sscanf(line, "\nShdPnd: %llx", &pending) != 1 ||
	    !(pending >> (number - 1) & 1))
		return false;
	member_end(s);
	member_make(s);
	return true;
}

/* ---- reading ---- */

int signals_open(struct signals *s)
{
	sigset_t set;
	choose(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	s->stack = malloc(STACK_BYTES);
	member_make(s);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->fd < 0 ? -errno : 0;
}

/* One request to end, sent twice: by timeout(1) to its child and then to the group, by a shell and then
 * by the kernel when a terminal goes. */
static bool is_same_request(struct signals *s, const struct signal_news *news)
{
	const uint64_t now = now_ns();
	const bool is_same =
		news->is_end && news->number == s->last_end && now < s->last_end_ns + TWICE_NS;
	if (news->is_end) {
		s->last_end = news->number;
		s->last_end_ns = now;
	}
	return is_same;
}

bool signals_next(struct signals *s, struct signal_news *ret)
{
	struct signalfd_siginfo info;
	while (read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		const bool is_from_kernel = info.ssi_code > 0;
		*ret = (struct signal_news){
			.number = (int)info.ssi_signo,
			.sender = is_from_kernel ? 0 : (pid_t)info.ssi_pid,
			.is_end = is_end((int)info.ssi_signo),
		};
		ret->is_child = ret->number == SIGCHLD;
		if (ret->is_child)
			return true;
		if (is_same_request(s, ret))
			continue;
		(void)usleep(SETTLE_US);
		ret->is_for_group = group_got(s, ret->number);
		return true;
	}
	return false;
}

void signals_choose_end(sigset_t *ret)
{
	(void)sigemptyset(ret);
	for (size_t i = 0; i < N_END_SIGNALS; i++) {
		if (!is_ignored(end_signals[i]))
			(void)sigaddset(ret, end_signals[i]);
	}
}

bool signals_end_is_pending(void)
{
	sigset_t pending;
	bool is_pending = false;
	(void)sigemptyset(&pending);
	(void)sigpending(&pending);
	for (size_t i = 0; i < N_END_SIGNALS; i++)
		is_pending |= sigismember(&pending, end_signals[i]) == 1;
	return is_pending;
}

void signals_done(struct signals *s)
{
	member_end(s);
	cleanup_close(&s->fd);
	s->fd = -1;
	free(s->stack);
	s->stack = NULL;
}
