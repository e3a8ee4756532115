/* SPDX-License-Identifier: MIT */
/* What only a connection can tell: whether a program that waits edge-triggered would accept one.
 * trace/listeners.h says what follows from the answer. */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/log.h"
#include "userspace/collect/ready/own_connection.h"
#include "userspace/collect/ready/runtime.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/run.h"

uint64_t run_confirm_deadline(const struct run *r)
{
	return r->watch != NULL && !r->is_ready ? ready_watch_question_due(r->watch) : 0;
}

/* Who waits, by a number that /proc knows here. */
static pid_t waiter_of(const struct run *r, const struct listening *s)
{
	const bool is_ours = !r->tree.use_ns_pids && (s->edge.flags & SL_FLAG_NS_IDS) == 0;
	return is_ours ? (pid_t)s->edge.pid : r->target.pid;
}

/* Why it is not to be connected to; NULL: it may be. */
static const char *forbidden(struct run *r, pid_t pid)
{
	if (r->spec->no_connect)
		return "edge-triggered, unconfirmed, since --no-connect forbids to try it";
	const char *runtime = runtime_that_tries_first(pid);
	if (runtime == NULL)
		return NULL;
	(void)snprintf(r->waived_why, sizeof(r->waived_why),
		       "%s tries to accept before it waits, and has not yet", runtime);
	return r->waived_why;
}

static int emit_probed(const struct run *r, uint64_t listener, uint64_t at_ns, int n_running,
		       const struct sl_addr *end)
{
	const struct sl_net probed = {
		.event = emit_header(SL_KIND_NET, sizeof(probed), at_ns,
				     r->tree.use_ns_pids ? 0 : getpid()),
		.enter_ns = at_ns,
		.other = listener,
		.op = SL_NET_PROBED,
		.fd = -1,
		.result = n_running,
		.addr = *end,
	};
	return collector_sink(r->c).event(r->c, &probed.event);
}

/* Who sleeps now, and since when, must be known before anybody is woken, as far as it can be. */
static int look(struct run *r)
{
	if (r->c->bpf != NULL)
		(void)source_bpf_snapshot(r->c->bpf, SL_WHEN_PROBED);
	return collector_drain(r->c);
}

static int ask(struct run *r, uint64_t listener, struct own_connection *connection)
{
	if (r->c->bpf != NULL)
		source_bpf_own_end(r->c->bpf, &connection->end);
	int e = look(r);
	const struct listening *still = ready_watch_question(r->watch);
	if (e < 0 || still == NULL || still->sock != listener)
		return e;
	const int n_running = source_proc_running(connection->pid);
	const uint64_t at_ns = now_ns();
	e = own_connection_make(connection);
	return e < 0 ? e : emit_probed(r, listener, at_ns, n_running, &connection->end);
}

int run_confirm(struct run *r, uint64_t now)
{
	const uint64_t due_ns = run_confirm_deadline(r);
	if (due_ns == 0 || now < due_ns)
		return 0;
	const struct listening *s = ready_watch_question(r->watch);
	const uint64_t listener = s->sock;
	const pid_t pid = waiter_of(r, s);
	const char *why = forbidden(r, pid);
	if (why != NULL) {
		ready_watch_waive(r->watch, listener, why);
		return 0;
	}
	struct own_connection connection;
	int e = own_connection_open(&connection, &s->addr, pid);
	if (e >= 0)
		e = ask(r, listener, &connection);
	own_connection_done(&connection);
	if (e >= 0)
		return 0;
	(void)snprintf(r->waived_why, sizeof(r->waived_why),
		       "edge-triggered, unconfirmed, since startline cannot connect to it: %s",
		       strerror(-e));
	ready_watch_waive(r->watch, listener, r->waived_why);
	return 0;
}
