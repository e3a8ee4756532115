/* SPDX-License-Identifier: MIT */
/* What a run has beside the command: the one that prepares it, and the one that puts a load on it. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/run.h"

/* Where nothing else was asked for. */
#define HELPER_TIMEOUT_NS (60 * NS_PER_S)

static uint64_t timeout_of(const struct run *r)
{
	return r->spec->timeout_ns != 0 ? r->spec->timeout_ns : HELPER_TIMEOUT_NS;
}

static int start(const struct run *r, const char *command, struct aside *ret)
{
	const struct aside_spec spec = {
		.argv = ASIDE_SHELL(command),
		.environment = r->spec->environment,
		.directory = r->spec->directory,
		.user = r->spec->user,
		.is_shown = r->spec->output != OUTPUT_NOWHERE,
	};
	return aside_start(&spec, ret);
}

static void say(struct run *r, const char *role, const char *command, const char *how)
{
	(void)snprintf(r->helper_failure, sizeof(r->helper_failure), "%s '%s': %s", role, command,
		       how);
}

static void say_late(struct run *r, const char *role, const char *command)
{
	char time[UNITS_BYTES], how[UNITS_BYTES + 64];
	(void)snprintf(how, sizeof(how), "not done after %s: stopped it",
		       format_ns(time, (double)timeout_of(r)));
	say(r, role, command, how);
}

/* The signal that came meanwhile ends the run before it has begun. */
static void take_end_signal(struct run *r)
{
	struct signal_news news;
	while (signals_next(&r->c->signals, &news)) {
		if (news.is_end)
			r->end_signal = news.number;
	}
	r->is_interrupted = true;
}

int run_make_ready(struct run *r)
{
	const char *command = r->spec->prepare;
	char how[128];
	if (command == NULL)
		return 0;
	int e = start(r, command, &r->prepare);
	if (e < 0)
		return e;
	e = aside_wait(&r->prepare, timeout_of(r));
	if (e == -EINTR)
		take_end_signal(r);
	if (e == -ETIMEDOUT)
		say_late(r, "prepare", command);
	aside_explain(&r->prepare, how, sizeof(how));
	if (e == 0 && how[0] != '\0')
		say(r, "prepare", command, how);
	return 0;
}

int run_load_step(struct run *r, uint64_t now)
{
	const char *command = r->spec->load;
	char how[128];
	if (command == NULL || !r->ready_is_done || r->load_is_over || r->stop != 0)
		return 0;
	if (r->load_ns == 0) {
		r->load_ns = now;
		const int e = start(r, command, &r->load);
		return e < 0 ? e : collector_watch(r->c, r->load.fd, WAKE_LOAD, 0);
	}
	r->load_is_over = aside_ended(&r->load);
	if (r->load_is_over) {
		aside_explain(&r->load, how, sizeof(how));
		if (how[0] != '\0')
			say(r, "load", command, how);
	} else if (now >= r->load_ns + timeout_of(r)) {
		r->load_is_over = true;
		say_late(r, "load", command);
	}
	return 0;
}

uint64_t run_load_deadline(const struct run *r)
{
	return run_is_under_load(r) ? r->load_ns + timeout_of(r) : 0;
}

bool run_is_under_load(const struct run *r)
{
	return r->load_ns != 0 && !r->load_is_over && r->stop == 0;
}

void run_helpers_done(struct run *r)
{
	aside_stop(&r->load);
	aside_stop(&r->prepare);
}
