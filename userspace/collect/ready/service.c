/* SPDX-License-Identifier: MIT */
/* The watch of a run, fed by probes alone. */

#include "userspace/collect/ready/service.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/environment.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/collect/ready/probe.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/signals.h"

#define LOOK_MS 20
/* Nothing says when a service is ready: what cannot be run at all has ended by then. */
#define SETTLE_NS (50 * NS_PER_MS)

struct waiting {
	struct ready_watch *watch;
	struct probes *probes;
	struct ready_point point;
	bool is_ready;
};

static int take_event(void *data, const struct sl_event *event)
{
	struct waiting *w = data;
	w->is_ready |= ready_watch_feed(w->watch, event, &w->point);
	return 0;
}

static int prepare(const struct service_spec *spec, struct aside *service, struct waiting *w)
{
	if (spec->n_rules == 0)
		return 0;
	const struct probe_context context = {
		.rules = spec->rules,
		.n_rules = spec->n_rules,
		.user = spec->command.user,
		.sink = { .event = take_event, .data = w },
		.is_of_tree = aside_has,
		.data = service,
	};
	const int r = ready_watch_new(spec->rules, spec->n_rules, &w->watch);
	return r < 0 ? r : probes_new(&context, &w->probes);
}

static int launch(const struct service_spec *spec, const struct waiting *w, struct aside *ret)
{
	struct aside_spec command = spec->command;
	char *const notify[] = {
		(char *)(uintptr_t)(w->probes != NULL ? probes_environment(w->probes) : NULL),
		NULL,
	};
	_cleanup_free_ char **environment = environment_with(command.environment, notify);
	if (environment == NULL)
		return fail(-ENOMEM, "not enough memory for a service");
	command.environment = environment;
	return aside_start(&command, ret);
}

static bool has_failed(struct aside *service)
{
	/* One that ended well may have gone into the background by itself. */
	return aside_ended(service) && (service->exec_errno != 0 || service->status != 0);
}

static int say_late(const struct service_spec *spec, const struct waiting *w, char *why,
		    size_t size)
{
	char time[UNITS_BYTES], missing[512] = "";
	probes_missing(w->probes, w->watch, spec->rules, spec->n_rules, missing, sizeof(missing));
	(void)snprintf(why, size, "not ready after %s, without %s",
		       format_ns(time, (double)spec->timeout_ns), missing);
	return -ECHILD;
}

static int await(const struct service_spec *spec, struct aside *service, struct waiting *w,
		 char *why, size_t size)
{
	const uint64_t start = now_ns();
	const uint64_t limit = w->probes != NULL ? spec->timeout_ns : SETTLE_NS;
	if (w->probes != NULL)
		probes_start(w->probes, start);
	for (;;) {
		struct pollfd fds[] = {
			/* Once it has ended its descriptor is always readable. */
			{ .fd = service->has_ended ? -1 : service->fd, .events = POLLIN },
			{ .fd = w->probes != NULL ? probes_fd(w->probes) : -1, .events = POLLIN },
		};
		const int r = w->probes != NULL ? probes_step(w->probes, now_ns()) : 0;
		if (r < 0 || w->is_ready)
			return r;
		if (signals_end_is_pending())
			return -EINTR;
		if (has_failed(service)) {
			aside_explain(service, why, size);
			return -ECHILD;
		}
		if (now_ns() >= start + limit)
			return w->probes != NULL ? say_late(spec, w, why, size) : 0;
		(void)poll(fds, 2, LOOK_MS);
	}
}

int service_start(const struct service_spec *spec, struct aside *ret, char *why, size_t size)
{
	struct waiting w = { 0 };
	aside_init(ret);
	int r = prepare(spec, ret, &w);
	if (r >= 0)
		r = launch(spec, &w, ret);
	if (r >= 0)
		r = await(spec, ret, &w, why, size);
	w.probes = probes_free(w.probes);
	w.watch = ready_watch_free(w.watch);
	return r;
}
