/* SPDX-License-Identifier: MIT */
/* Measures what overhead.h says. */
#include "userspace/collect/run/overhead.h"

#include <fcntl.h>
#include <math.h>
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

#define TRIALS	       5 /* of each kind, at most; the lower quartile counts */
#define MIN_TRIALS     3
#define TRIAL_TIME_MS  200 /* then it ends, with fewer of them */
#define TRIAL_LIMIT_MS 300 /* then nobody waits for it any longer */

struct figure {
	uint64_t value, error; /* 19 of 20 times it is within that of the truth */
};

/* Of one allocation or free under the shim: `make bench ROWS=malloc`. It is a handful of
 * instructions, so that no machine's figure is far from another's. */
static const struct figure hook_ps = { 950, 475 };

/* Where it could not be measured now: what machines were seen to have, give or take all of it. */
static const struct figure usual_call_ps = { 100000, 100000 };
static const struct figure usual_image_ns = { 60000, 60000 };

static const char *const trivial_programs[] = { "/bin/true", "/usr/bin/true" };

static int emit_figure(struct sink sink, const char *name, const char *unit, struct figure f)
{
	char key[64];
	(void)snprintf(key, sizeof(key), "overhead.%s_%s", name, unit);
	const int e = emit_meta(sink, key, "%llu", (unsigned long long)f.value);
	(void)snprintf(key, sizeof(key), "overhead.%s_error_%s", name, unit);
	return e < 0 ? e : emit_meta(sink, key, "%llu", (unsigned long long)f.error);
}

/* A cost is not negative: what noise made of it widens the error. */
static struct figure figure_of(double value, double error)
{
	if (value < 0)
		return (struct figure){ 0, (uint64_t)(error > -value ? error : -value) };
	return (struct figure){ (uint64_t)value, (uint64_t)error };
}

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

/* False: it cannot be measured here. */
static bool measure_call(struct source_bpf *bpf, uint64_t without_ps, struct figure *ret)
{
	double differences[TRIES];
	for (int i = 0; i < TRIES; i++) {
		uint64_t with_ps = 0, own_ns = 0, n_calls = 0;
		if (source_bpf_try(bpf, measure, &with_ps, &own_ns, &n_calls) < 0 || n_calls == 0)
			return false;
		differences[i] = (double)with_ps - (double)without_ps -
				 (double)own_ns * PS_PER_NS / (double)n_calls;
	}
	/* An interrupt in one of the runs that the probes time counts many-fold. Of five values the
	 * least and the greatest enclose the true median 15 of 16 times. */
	const double median_ps = stats_median(differences, TRIES);
	*ret = figure_of(median_ps, (differences[TRIES - 1] - differences[0]) / 2);
	return true;
}

int overhead_emit_calls(struct source_bpf *bpf, uint64_t without_ps, struct sink sink)
{
	struct figure call = usual_call_ps;
	(void)measure_call(bpf, without_ps, &call);
	const int e = emit_figure(sink, "call", "ps", call);
	/* A call meets two probes, at its begin and its end. */
	const struct figure hit = { call.value / 2, call.error / 2 };
	return e < 0 ? e : emit_figure(sink, "hit", "ps", hit);
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

/* CPU time of one run, in ns: what others do on this machine meanwhile does not enter. False: it
 * failed. */
static bool run_once(const char *program, char *const *environment, double *ret_ns)
{
	char *const argv[] = { (char *)(uintptr_t)program, NULL };
	struct rusage usage;
	int status;
	pid_t pid;

	if (posix_spawn(&pid, program, NULL, NULL, argv, environment) != 0 ||
	    wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status))
		return false;
	*ret_ns = (double)(microseconds_ns(usage.ru_utime) + microseconds_ns(usage.ru_stime));
	return true;
}

/* The lower quartile of @ns[0..n), and in *ret_error its error: with few values that is about two thirds
 * of the distance between the quartiles. A quartile is steadier than the least: of that, one lucky run
 * decides. */
static double lower_quartile(double *ns, size_t n, double *ret_error)
{
	const double low = stats_quantile(ns, n, 0.25);
	*ret_error = (stats_quantile(ns, n, 0.75) - low) * 2 / 3;
	return low;
}

/* What an image costs more with the shim. */
static struct figure try_all(const struct trial *t, uint64_t until_ns)
{
	char *const bare[] = { NULL };
	char *const full[] = { (char *)(uintptr_t)t->variable, (char *)(uintptr_t)t->load, NULL };
	double bare_ns[TRIALS], full_ns[TRIALS], bare_error, full_error;
	size_t n = 0;

	/* The first ones find cold caches. */
	if (!run_once(t->program, bare, &bare_ns[0]) || !run_once(t->program, full, &full_ns[0]))
		return usual_image_ns;
	while (n < TRIALS && (n < MIN_TRIALS || now_ns() < until_ns)) {
		if (!run_once(t->program, bare, &bare_ns[n]) ||
		    !run_once(t->program, full, &full_ns[n]))
			return usual_image_ns;
		n++;
	}
	const double without = lower_quartile(bare_ns, n, &bare_error);
	const double with = lower_quartile(full_ns, n, &full_error);
	return figure_of(with - without, hypot(bare_error, full_error));
}

static struct figure trial(unsigned int flags)
{
	const uint64_t until_ns = now_ns() + TRIAL_TIME_MS * NS_PER_MS;
	struct trial t = { .program = find_program() };
	struct session_dir dir = { .fd = -1 };
	char why[128];
	struct figure cost = usual_image_ns;

	if (t.program == NULL ||
	    session_dir_make(shim_path_is_copied(), why, sizeof(why), &dir) < 0)
		return cost;
	_cleanup_close_ int tree_fd = -1;
	/* What is preloaded may be the user's file. */
	if (session_dir_make_tree(&dir, 0, 0, &tree_fd) == 0 &&
	    shim_path_find(&dir, t.shim, sizeof(t.shim)) >= 0 &&
	    rights_become(rights_invoking()) == 0) {
		(void)snprintf(t.variable, sizeof(t.variable), SHIM_VARIABLE "%x:%s", flags,
			       dir.path);
		(void)snprintf(t.load, sizeof(t.load), LOAD_VARIABLE "%s", t.shim);
		struct lane_pool pool;
		lane_pool_init(&pool, &dir, tree_fd, (flags & SHIM_WRAPS_NETWORK) != 0, TRIALS + 1);
		cost = try_all(&t, until_ns);
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
		const struct figure cost = trial(flags);
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
	struct figure cost;

	if (t->pid == 0 || poll(&p, 1, TRIAL_LIMIT_MS) <= 0 ||
	    read(t->fd, &cost, sizeof(cost)) != (ssize_t)sizeof(cost))
		cost = usual_image_ns;
	overhead_trial_done(t);
	const int e = emit_figure(sink, "image", "ns", cost);
	return e < 0 ? e : emit_figure(sink, "hook", "ps", hook_ps);
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
