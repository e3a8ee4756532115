/* SPDX-License-Identifier: MIT */
/* How the run ended, whether and when it became ready, and so where startup ends. Readiness is
 * decided by trace/ready.h, the same code that told the collector when to stop. */
#include "userspace/model/build/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Without kernel events only startline itself saw the command end. */
static void end_command(struct builder *b)
{
	struct proc *command = &b->procs.items[0];
	if (command->end_ns != 0 || !b->has_status || b->reaped_ns < command->start_ns)
		return;
	command->end_ns = b->reaped_ns;
	command->out.exit_ns = rel(b, b->reaped_ns);
	if (WIFEXITED((int)b->wait_status))
		command->out.exit_code = WEXITSTATUS((int)b->wait_status);
	else if (WIFSIGNALED((int)b->wait_status))
		command->out.exit_signal = WTERMSIG((int)b->wait_status);
}

static void set_exit(struct builder *b)
{
	static const char *const reasons[] = {
		[SL_STOP_READY] = "ready",	 [SL_STOP_TIMEOUT] = "timeout",
		[SL_STOP_DURATION] = "duration", [SL_STOP_SIGNAL] = "interrupted",
		[SL_STOP_FAILED] = "failed",	 [SL_STOP_LOADED] = "loaded",
	};
	struct run *run = b->run;
	const struct process *command = &b->procs.items[0].out;

	run->exit_code = command->exit_code;
	run->exit_signal = command->exit_signal;
	if (b->stop_reason > 0 && b->stop_reason < sizeof(reasons) / sizeof(reasons[0]))
		run->exit_reason = reasons[b->stop_reason];
	else if (command->exit_ns == UNKNOWN && !b->has_status && b->gone_ns == 0)
		run->exit_reason = "truncated";
	else
		run->exit_reason = run->exit_signal != UNKNOWN ? "signal" : "exit";
}

/* When the last process of the tree ended; 0: not known. */
static uint64_t tree_end(const struct builder *b)
{
	uint64_t end_ns = 0;
	for (size_t i = 0; i < b->procs.n; i++) {
		const struct proc *p = &b->procs.items[i];
		if (p->end_ns == 0)
			return b->gone_ns != 0 ? b->gone_ns : b->reaped_ns;
		if (p->end_ns > end_ns)
			end_ns = p->end_ns;
	}
	return end_ns;
}

/* The listener that a rule was about and that made it hold, else the first. */
static const struct listening *choose_listener(const struct builder *b)
{
	const struct listeners *l = ready_watch_listeners(b->watch);
	const struct ready_point *last = NULL;
	bool is_asked = false;
	for (size_t i = 0; i < b->facts->n_rules; i++) {
		const struct ready_point *point = ready_watch_point(b->watch, i);
		if (!ready_rule_is_of_sockets(&b->facts->rules[i]))
			continue;
		is_asked = true;
		if (point != NULL && (last == NULL || point->time_ns > last->time_ns))
			last = point;
	}
	const struct listening *first = listeners_first(l);
	if (last != NULL)
		return listeners_find(l, last->sock);
	/* Clients bind datagram sockets, too: only who asks for readiness means a server. */
	return first != NULL && first->is_datagram && !is_asked ? NULL : first;
}

void ending_watch(struct builder *b)
{
	const struct facts *f = b->facts;
	struct ready_point point;
	if (ready_watch_new(f->rules, f->n_rules, &b->watch) < 0) {
		b->error = -ENOMEM;
		return;
	}
	for (size_t i = b->span->first; i < b->span->last; i++) {
		const struct sl_event *event = f->trace->events[i];
		/* The launcher's own writes and opens before R0 are not the command's. */
		if (event->time_ns >= b->zero_ns && ready_watch_feed(b->watch, event, &point)) {
			b->is_ready = true;
			b->ready = point;
		}
	}
	b->ladder = choose_listener(b);
}

/* R6 has a rung of its own, also when another rule held last. */
static void find_notified(struct builder *b)
{
	const struct facts *f = b->facts;
	if (b->notified_mark != NULL) {
		b->notified_ns = b->notified_mark->event.time_ns;
		b->notified_by = "READY=1";
	}
	for (size_t i = 0; i < f->n_rules; i++) {
		const struct ready_point *point = ready_watch_point(b->watch, i);
		if (point == NULL || strcmp(ready_rule_level(&f->rules[i]), "notified") != 0 ||
		    (b->notified_ns != 0 && b->notified_ns <= point->time_ns))
			continue;
		b->notified_ns = point->time_ns;
		b->notified_by = arena_strdup(b->arena, f->rules[i].spec);
	}
}

static const struct ready_rule *rule_of(const struct facts *f, enum ready_type type)
{
	for (size_t i = 0; i < f->n_rules; i++)
		if (f->rules[i].type == type)
			return &f->rules[i];
	return NULL;
}

static int ready_process(struct builder *b, uint32_t pid, uint64_t at_ns)
{
	int proc = pid == 0 ? -1 : process_lookup(b, pid, at_ns);
	if (proc < 0 && pid != 0)
		proc = process_lookup_ns(b, pid, at_ns);
	if (proc >= 0)
		return proc;
	/* Seen from the outside only (a probe, a file): the one that listens, else the command. */
	const struct listener *first = run_listener(b->run);
	if (first == NULL || first->process <= 0)
		return 0;
	const bool is_served =
		first->accept_ready_process > 0 && first->accept_ready_ns <= rel(b, at_ns);
	return (is_served ? first->accept_ready_process : first->process) - 1;
}

static void set_ready(struct builder *b, uint64_t at_ns, uint32_t pid, uint32_t tid)
{
	struct run *run = b->run;
	const int proc = ready_process(b, pid, at_ns);

	run->has_ready = true;
	run->ready_ns = rel(b, at_ns);
	run->ready_process = proc + 1;
	b->end_ns = at_ns;
	b->end_thread = thread_lookup(b, tid, at_ns);
	if (b->end_thread < 0 || b->threads.items[b->end_thread].proc != proc)
		b->end_thread = b->procs.items[proc].main_thread;
}

static const char *endpoint_of(const struct builder *b, uint64_t sock)
{
	const struct socket *s = socket_of(b, sock);
	return s != NULL && s->listener >= 0 ? b->run->listeners[s->listener].endpoint : NULL;
}

static void ready_by_rules(struct builder *b, const struct ready_point *point)
{
	const struct ready_rule *rule = rule_of(b->facts, point->type);
	set_ready(b, point->time_ns, point->pid, point->tid);
	b->run->ready_level = rule != NULL ? ready_rule_level(rule) : "ready";
	b->run->ready_endpoint = endpoint_of(b, point->sock);
	if (b->run->ready_endpoint == NULL && point->addr.family != AF_UNSPEC)
		b->run->ready_endpoint = text_endpoint(b->arena, &point->addr);
}

static void ready_by_mark(struct builder *b)
{
	const struct sl_mark *mark = b->ready_mark;
	const char *spec = text_of(b->arena, &mark->event, mark->text);
	const uint64_t pid = mark->value;
	set_ready(b, mark->event.time_ns, pid <= UINT32_MAX ? (uint32_t)pid : 0, mark->event.tid);
	b->run->ready_level = "ready";
	struct ready_rule rule = { 0 };
	if (spec[0] != '\0' && ready_rule_parse(spec, &rule) == 0) {
		b->run->ready_level = ready_rule_level(&rule);
		ready_rule_done(&rule);
	}
}

/* Without a ready point startup ends where the command did. */
static void end_by_exit(struct builder *b)
{
	const struct proc *command = &b->procs.items[0];
	b->end_ns = command->end_ns;
	if (b->end_ns == 0)
		b->end_ns = b->reaped_ns != 0 ? b->reaped_ns : b->gone_ns;
	if (b->end_ns == 0)
		b->end_ns = b->last_ns;
	b->end_thread = command->last_thread >= 0 ? command->last_thread : command->main_thread;
	/* Of threads that are ended by another it is chance which goes last. */
	if (command->ender >= 0)
		b->end_thread = command->ender;
}

void ending_finish(struct builder *b)
{
	end_command(b);
	set_exit(b);
	find_notified(b);
	if (b->is_ready)
		ready_by_rules(b, &b->ready);
	else if (b->ready_mark != NULL && b->ready_mark->event.time_ns >= b->zero_ns)
		ready_by_mark(b);
	else
		end_by_exit(b);
	if (b->end_ns < b->zero_ns)
		b->end_ns = b->zero_ns;
	b->run->startup_total_ns = rel(b, b->end_ns);
	/* A load is what such a run is about, not how long it takes to end afterwards. */
	const uint64_t wall_end_ns = b->stop_reason == SL_STOP_LOADED ? b->stop_ns : tree_end(b);
	b->run->wall_ns = wall_end_ns >= b->zero_ns ? rel(b, wall_end_ns) : UNKNOWN;
}
