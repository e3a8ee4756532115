/* SPDX-License-Identifier: MIT */
/* Measures what overhead.h says. */
#include "userspace/collect/run/overhead.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/settings.h"
#include "preload/target_check.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/rights.h"
#include "userspace/base/stats.h"
#include "userspace/base/units.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/shim/lane_pool.h"
#include "userspace/collect/shim/session_dir.h"
#include "userspace/collect/shim/shim_path.h"

#define PS_PER_NS	 1000u
#define CALL_WINDOWS	 10
#define CALLS_PER_WINDOW 100u
#define TRIES		 5

#define TRIALS	       9   /* of each kind; the lower quartile counts */
#define TRIAL_LIMIT_MS 300 /* a machine that takes longer tells nothing */
#define TRIAL_MAX_NS   (10 * NS_PER_MS)
#define FAILED_NS      (1000 * NS_PER_S)

/* Of one allocation or free under the shim: `make bench ROWS=malloc`. It is a handful of
 * instructions, so that no machine's figure is far from another's. */
#define HOOK_PS 950u

static const char *const trivial_programs[] = { "/bin/true", "/usr/bin/true" };

/* ---- system calls ---- */

uint64_t overhead_measure_call(void)
{
	uint64_t best = UINT64_MAX;
	for (int i = 0; i < CALL_WINDOWS; i++) {
		const uint64_t start = now_ns();
		for (unsigned int k = 0; k < CALLS_PER_WINDOW; k++)
			(void)syscall(SYS_lseek, -1, 0, 0);
		const uint64_t took = now_ns() - start;
		best = took < best ? took : best;
	}
	return best * PS_PER_NS / CALLS_PER_WINDOW;
}

static void measure(void *data)
{
	*(uint64_t *)data = overhead_measure_call();
}

int overhead_emit_calls(struct source_bpf *bpf, uint64_t without_ps, struct sink sink)
{
	double differences[TRIES];
	for (int i = 0; i < TRIES; i++) {
		uint64_t with_ps = 0, own_ns = 0, n_calls = 0;
		if (source_bpf_try(bpf, measure, &with_ps, &own_ns, &n_calls) < 0 || n_calls == 0)
			return 0; /* the overhead is not known then */
		differences[i] = (double)with_ps - (double)without_ps -
				 (double)own_ns * PS_PER_NS / (double)n_calls;
	}
	/* An interrupt in one of the runs that the probes time counts many-fold. */
	const double median_ps = stats_median(differences, TRIES);
	const uint64_t call_ps = median_ps > 0 ? (uint64_t)median_ps : 0;
	int e = emit_meta(sink, "overhead.call_ps", "%llu", (unsigned long long)call_ps);
	/* A call meets two probes, at its begin and its end. */
	if (e >= 0)
		e = emit_meta(sink, "overhead.hit_ps", "%llu", (unsigned long long)(call_ps / 2));
	return e;
}

/* ---- the trial ---- */

/* Asked by startline to end: it has no time for this, or ends itself. */
static volatile sig_atomic_t is_told_to_end;

static void on_term(int number)
{
	(void)number;
	is_told_to_end = 1;
}

/* Blocked so far, as startline has it. */
static void hear_term(void)
{
	sigset_t set;
	const struct sigaction action = { .sa_handler = on_term }; /* interrupts waiting */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

struct trial {
	char shim[SETTING_LIMIT];
	char variable[SETTING_LIMIT + 32], load[SETTING_LIMIT + 32];
	const char *program;
};

static const char *find_program(void)
{
	for (size_t i = 0; i < sizeof(trivial_programs) / sizeof(trivial_programs[0]); i++) {
		const char *path = trivial_programs[i];
		if (access(path, X_OK) == 0 &&
		    target_reason(target_check(AT_FDCWD, path, NULL)) == 0)
			return path;
	}
	return NULL;
}

static uint64_t microseconds_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_usec * NS_PER_US;
}

/* CPU time of one run, in ns: what others do on this machine meanwhile does not enter. */
static uint64_t run_once(const char *program, char *const *environment)
{
	char *const argv[] = { (char *)(uintptr_t)program, NULL };
	struct rusage usage;
	int status;
	pid_t pid;

	if (posix_spawn(&pid, program, NULL, NULL, argv, environment) != 0)
		return FAILED_NS;
	if (wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status))
		return FAILED_NS;
	return microseconds_ns(usage.ru_utime) + microseconds_ns(usage.ru_stime);
}

/* What an image costs more with the shim; 0: not known. */
static uint64_t try_all(const struct trial *t)
{
	char *const bare[] = { NULL };
	char *const full[] = { (char *)(uintptr_t)t->variable, (char *)(uintptr_t)t->load, NULL };
	double bare_ns[TRIALS], full_ns[TRIALS];

	/* The first ones find cold caches. */
	(void)run_once(t->program, bare);
	(void)run_once(t->program, full);
	for (int i = 0; i < TRIALS; i++) {
		if (is_told_to_end)
			return 0;
		bare_ns[i] = (double)run_once(t->program, bare);
		full_ns[i] = (double)run_once(t->program, full);
	}
	/* Steadier than the least: of that, one lucky run decides. */
	const uint64_t without = (uint64_t)stats_quantile(bare_ns, TRIALS, 0.25);
	const uint64_t with = (uint64_t)stats_quantile(full_ns, TRIALS, 0.25);
	const bool is_sane = with > without && with - without < TRIAL_MAX_NS;
	return is_sane ? with - without : 0;
}

static uint64_t trial(unsigned int flags)
{
	struct trial t = { .program = find_program() };
	struct session_dir dir = { .fd = -1 };
	char why[128];
	uint64_t cost = 0;

	if (t.program == NULL ||
	    session_dir_make(shim_path_is_copied(), why, sizeof(why), &dir) < 0)
		return 0;
	_cleanup_close_ int tree_fd = -1;
	/* What is preloaded may be the user's file. */
	if (session_dir_make_tree(&dir, &tree_fd) == 0 &&
	    shim_path_find(&dir, t.shim, sizeof(t.shim)) >= 0 &&
	    rights_become(rights_invoking()) == 0) {
		(void)snprintf(t.variable, sizeof(t.variable), SHIM_VARIABLE "%x:%s", flags,
			       dir.path);
		(void)snprintf(t.load, sizeof(t.load), LOAD_VARIABLE "%s", t.shim);
		struct lane_pool pool;
		lane_pool_init(&pool, &dir, tree_fd, (flags & SHIM_WRAPS_NETWORK) != 0, TRIALS + 1);
		cost = try_all(&t);
	}
	session_dir_remove(&dir);
	return cost;
}

void overhead_trial_start(unsigned int flags, struct overhead_trial *ret)
{
	int fds[2];

	*ret = (struct overhead_trial){ .flags = flags, .fd = -1 };
	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	const pid_t pid = fork();
	if (pid == 0) {
		hear_term();
		const uint64_t cost = trial(flags);
		(void)!write(fds[1], &cost, sizeof(cost));
		_exit(0);
	}
	(void)close(fds[1]);
	ret->pid = pid > 0 ? pid : 0;
	ret->fd = fds[0];
}

int overhead_trial_finish(struct overhead_trial *t, struct sink sink)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	uint64_t cost = 0;

	if (t->pid != 0 && poll(&p, 1, TRIAL_LIMIT_MS) > 0 &&
	    read(t->fd, &cost, sizeof(cost)) != (ssize_t)sizeof(cost))
		cost = 0;
	overhead_trial_done(t);
	if (cost == 0)
		return 0;
	const int e = emit_meta(sink, "overhead.image_ns", "%llu", (unsigned long long)cost);
	return e < 0 ? e : emit_meta(sink, "overhead.hook_ps", "%u", HOOK_PS);
}

void overhead_trial_done(struct overhead_trial *t)
{
	if (t->pid > 0) {
		/* It takes its directory with it. */
		(void)kill(t->pid, SIGTERM);
		(void)waitpid(t->pid, NULL, 0);
	}
	t->pid = 0;
	cleanup_close(&t->fd);
	t->fd = -1;
}
