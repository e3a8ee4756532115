/* SPDX-License-Identifier: MIT */
/* The keeper and its child. startline asks it to stop by closing the socket between them, which happens
 * by itself when startline ends. */

#include "userspace/collect/run/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/inheritance.h"
#include "userspace/collect/run/signals.h"
#include "userspace/collect/run/tree.h"

#define CANNOT_EXECUTE 127
/* As for the command that is measured: stop.c. */
#define PATIENCE_NS (5 * NS_PER_S)
#define REST_NS	    (300 * NS_PER_MS)
#define KILLED_NS   (1 * NS_PER_S)
#define LOOK_MS	    20

/* From keeper to startline, once. */
struct news {
	int status, exec_errno;
};

/* ---- the command ---- */

/* Of the keeper, too: who reads our standard output shall not have to wait for it. */
static void redirect(bool is_shown)
{
	const int null = open("/dev/null", O_RDWR);
	if (null < 0)
		return;
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(is_shown ? STDERR_FILENO : null, STDOUT_FILENO);
	if (!is_shown)
		(void)dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		(void)close(null);
}

/* @report is closed by the exec; an errno in it says why there was none. */
static _Noreturn void command_main(const struct aside_spec *spec, int report)
{
	int error = 0;
	inheritance_restore();
	const int r = rights_become(spec->user);
	if (r < 0)
		error = -r;
	else if (spec->directory != NULL && chdir(spec->directory) < 0)
		error = errno;
	if (error == 0) {
		if (spec->environment != NULL)
			environ = (char **)(uintptr_t)spec->environment;
		(void)execvp(spec->argv[0], spec->argv);
		error = errno;
	}
	(void)!write(report, &error, sizeof(error));
	_exit(CANNOT_EXECUTE);
}

/* ---- the keeper ---- */

struct keeper {
	int socket;    /* to startline; -1: it wants the end, or is gone */
	int children;  /* signalfd */
	pid_t command; /* 0: it has ended */
	int exec_errno;
	uint64_t stop_ns, ended_ns, killed_ns;
	bool rest_was_asked;
};

static void look(void *data)
{
	(void)tree_walk_proc(data);
}

/* All below the keeper, which gets the orphans: nobody else's processes are among them. */
static void signal_all(int number)
{
	struct tree own, below;
	tree_init(&own, false);
	tree_init(&below, false);
	(void)tree_add(&own, getpid());
	(void)tree_walk_proc(&own);
	for (size_t i = 0; i < own.pids.n; i++) {
		if (own.pids.items[i] != getpid())
			(void)tree_add(&below, own.pids.items[i]);
	}
	(void)tree_signal(&below, number, look, &below);
	tree_done(&own);
	tree_done(&below);
}

/* False: there are no children left. */
static bool reap(struct keeper *k)
{
	for (;;) {
		int status = 0;
		const pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid == 0)
			return true;
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return false;
		if (pid != k->command)
			continue;
		const struct news news = { status, k->exec_errno };
		k->command = 0;
		k->ended_ns = now_ns();
		if (k->socket >= 0)
			(void)send(k->socket, &news, sizeof(news), MSG_NOSIGNAL);
	}
}

static void insist(struct keeper *k, uint64_t now)
{
	if (k->command == 0 && !k->rest_was_asked && now >= k->ended_ns + REST_NS) {
		k->rest_was_asked = true;
		signal_all(SIGTERM);
	}
	/* What is born while it is killed dies the next time. */
	if (now < k->stop_ns + PATIENCE_NS)
		return;
	if (k->killed_ns == 0)
		k->killed_ns = now;
	signal_all(SIGKILL);
}

static void await_news(struct keeper *k)
{
	struct signalfd_siginfo info;
	struct pollfd fds[] = { { .fd = k->children, .events = POLLIN },
				{ .fd = k->socket, .events = POLLIN } };
	(void)poll(fds, 2, k->stop_ns != 0 ? LOOK_MS : -1);
	while (read(k->children, &info, sizeof(info)) > 0) {
	}
	/* Nothing is ever sent: it is the end of the file. */
	if (k->socket < 0 || fds[1].revents == 0)
		return;
	(void)close(take_fd(k->socket));
	k->stop_ns = now_ns();
	if (k->command != 0)
		(void)kill(k->command, SIGTERM);
}

/* Starts the command; *ret_errno says why it could not. */
static pid_t beget(const struct aside_spec *spec, int *ret_errno)
{
	int report[2];
	*ret_errno = 0;
	if (pipe2(report, O_CLOEXEC) < 0)
		return -1;
	const pid_t pid = fork();
	if (pid == 0)
		command_main(spec, report[1]);
	(void)close(report[1]);
	while (pid > 0 && read(report[0], ret_errno, sizeof(*ret_errno)) < 0 && errno == EINTR) {
	}
	(void)close(report[0]);
	return pid;
}

static _Noreturn void keeper_main(const struct aside_spec *spec, int own_end)
{
	struct keeper k = { .socket = STDERR_FILENO + 1 };
	sigset_t all;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	redirect(spec->is_shown);
	(void)setsid();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* Nothing of ours stays open for as long as it runs: probes, recordings. */
	if (own_end != k.socket)
		(void)dup3(own_end, k.socket, O_CLOEXEC);
	(void)syscall(SYS_close_range, k.socket + 1, ~0u, 0);
	k.children = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	k.command = beget(spec, &k.exec_errno);
	if (k.command < 0)
		_exit(CANNOT_EXECUTE);
	while (reap(&k)) {
		const uint64_t now = now_ns();
		if (k.stop_ns != 0)
			insist(&k, now);
		/* A process in uninterruptible sleep does not die of SIGKILL: do not hang with it. */
		if (k.killed_ns != 0 && now >= k.killed_ns + KILLED_NS)
			break;
		await_news(&k);
	}
	_exit(0);
}

/* ---- startline ---- */

void aside_init(struct aside *a)
{
	*a = (struct aside){ .fd = -1 };
}

int aside_start(const struct aside_spec *spec, struct aside *ret)
{
	int ends[2];
	aside_init(ret);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(-errno, "cannot start '%s': %s", spec->argv[0], strerror(errno));
	_cleanup_close_ int ours = ends[0];
	_cleanup_close_ int keepers = ends[1];
	const pid_t pid = fork();
	if (pid == 0)
		keeper_main(spec, keepers);
	if (pid < 0)
		return fail(-errno, "cannot start '%s': %s", spec->argv[0], strerror(errno));
	ret->keeper = pid;
	ret->fd = take_fd(ours);
	return 0;
}

bool aside_ended(struct aside *a)
{
	struct news news = { 0 };
	if (a->has_ended || a->fd < 0)
		return a->has_ended;
	const ssize_t n = recv(a->fd, &news, sizeof(news), MSG_DONTWAIT);
	if (n < 0)
		return false;
	a->has_ended = true;
	a->status = news.status;
	a->exec_errno = n == sizeof(news) ? news.exec_errno : ECHILD;
	return true;
}

int aside_wait(struct aside *a, uint64_t timeout_ns)
{
	const uint64_t start = now_ns();
	while (!aside_ended(a)) {
		struct pollfd fd = { .fd = a->fd, .events = POLLIN };
		if (signals_end_is_pending())
			return -EINTR;
		if (now_ns() >= start + timeout_ns)
			return -ETIMEDOUT;
		(void)poll(&fd, 1, LOOK_MS);
	}
	return 0;
}

void aside_explain(const struct aside *a, char *ret, size_t size)
{
	if (size > 0)
		ret[0] = '\0';
	if (a->exec_errno != 0)
		(void)snprintf(ret, size, "cannot execute: %s", strerror(a->exec_errno));
	else if (WIFSIGNALED(a->status))
		(void)snprintf(ret, size, "killed by signal %d (%s)", WTERMSIG(a->status),
			       strsignal(WTERMSIG(a->status)));
	else if (WEXITSTATUS(a->status) != 0)
		(void)snprintf(ret, size, "exit status %d", WEXITSTATUS(a->status));
}

void aside_stop(struct aside *a)
{
	if (a->fd >= 0)
		(void)close(take_fd(a->fd));
	while (a->keeper > 0 && waitpid(a->keeper, NULL, 0) < 0 && errno == EINTR) {
	}
	a->keeper = 0;
}

bool aside_has(void *data, pid_t pid)
{
	const struct aside *a = data;
	struct tree tree;
	tree_init(&tree, false);
	(void)tree_add(&tree, a->keeper);
	(void)tree_walk_proc(&tree);
	const bool has = tree_has(&tree, pid);
	tree_done(&tree);
	return has;
}

void aside_hold_signals(void)
{
	sigset_t set;
	signals_choose_end(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}
