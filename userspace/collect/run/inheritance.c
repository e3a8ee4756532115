/* SPDX-License-Identifier: MIT */
/* See inheritance.h. */
#include "userspace/collect/run/inheritance.h"

#include <stddef.h>
#include <sys/resource.h>

/* Dispositions that startline changes. The others it leaves, and blocks at most. */
static const int signals[] = { SIGPIPE, SIGXFSZ, SIGCHLD };
#define N_SIGNALS (sizeof(signals) / sizeof(signals[0]))

static struct {
	bool is_taken;
	unsigned int closed_fds;
	sigset_t mask;
	struct sigaction actions[N_SIGNALS];
	struct rlimit files, memlock; /* libbpf may raise the latter */
} first;

void inheritance_begin(unsigned int closed_fds)
{
	if (first.is_taken)
		return;
	first.is_taken = true;
	first.closed_fds = closed_fds;
	(void)sigprocmask(SIG_SETMASK, NULL, &first.mask);
	for (size_t i = 0; i < N_SIGNALS; i++)
		(void)sigaction(signals[i], NULL, &first.actions[i]);
	(void)getrlimit(RLIMIT_NOFILE, &first.files);
	(void)getrlimit(RLIMIT_MEMLOCK, &first.memlock);

	(void)signal(SIGXFSZ, SIG_IGN);
	/* Ignored, it would have the kernel reap the command, and nobody would learn how it ended. */
	(void)signal(SIGCHLD, SIG_DFL);
	const struct rlimit files = { first.files.rlim_max, first.files.rlim_max };
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

bool inheritance_ignores_hangup(void)
{
	struct sigaction now;
	return sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

unsigned int inheritance_closed_fds(void)
{
	return first.closed_fds;
}

void inheritance_restore(void)
{
	/* Lowering is always allowed; raising back what was lowered may not be: harmless. */
	(void)setrlimit(RLIMIT_NOFILE, &first.files);
	(void)setrlimit(RLIMIT_MEMLOCK, &first.memlock);
	for (size_t i = 0; i < N_SIGNALS; i++)
		(void)sigaction(signals[i], &first.actions[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &first.mask, NULL);
}
