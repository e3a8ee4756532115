/* SPDX-License-Identifier: MIT */
/* The one loop: everything that happens during a run arrives here as a readable descriptor or as
 * a deadline. Sources are read in batches, except while somebody waits for readiness. */

#include "userspace/collect/run/collect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/collect/proc/synthesize.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/inheritance.h"
#include "userspace/collect/run/run.h"

/* The kernel wakes us only for what may be the ready point, or when the ring fills; everything
 * else waits for the next look. */
#define DRAIN_PERIOD_NS (10 * NS_PER_MS)
#define HASTY_PERIOD_NS (4 * NS_PER_MS)
/* What a killed startline loses at most. */
#define FLUSH_PERIOD_NS (1 * NS_PER_S)

/* When the disk is full the recording ends there (the writer has said so), but the command goes on
 * and is still waited for: it must not notice. */
static int append(void *data, const struct sl_event *event)
{
	struct collector *c = data;
	const int e = trace_append(c->w, event);
	if (e < 0 && c->write_error == 0)
		c->write_error = e;
	return 0;
}

static int flush(struct collector *c)
{
	const int e = trace_flush(c->w);
	if (e < 0 && c->write_error == 0)
		c->write_error = e;
	return 0;
}

static int store_event(struct collector *c, const struct sl_event *event)
{
	/* The kernel probes know nothing of the run's cgroup. */
	if (event->kind == SL_KIND_MEMORY && c->run != NULL &&
	    event->size >= sizeof(struct sl_memory)) {
		struct sl_memory memory = *(const struct sl_memory *)event;
		memory.event.size = sizeof(memory);
		memory.cgroup_peak_bytes = cgroup_peak(&c->run->cgroup);
		return append(c, &memory.event);
	}
	if (c->redactor != NULL)
		return redactor_event(c->redactor, event, (struct sink){ append, c });
	return append(c, event);
}

/* Of what was written, a redacted recording has nothing left to match. */
static int tell_lines(struct run *r)
{
	int e = 0;
	for (size_t i = 0; e >= 0 && i < r->spec->n_rules && i < 64; i++) {
		const struct ready_rule *rule = &r->spec->rules[i];
		const struct ready_point *point = ready_watch_point(r->watch, i);
		if (rule->type != READY_LOG || (r->told_lines & 1ull << i) != 0 || point == NULL)
			continue;
		r->told_lines |= 1ull << i;
		e = emit_mark(collector_sink(r->c), SL_MARK_READY, point->time_ns,
			      (pid_t)point->tid, point->pid, 0, rule->spec);
	}
	return e;
}

static int take_event(void *data, const struct sl_event *event)
{
	struct collector *c = data;
	struct run *r = c->run;
	int e = store_event(c, event);
	if (e < 0 || r == NULL)
		return e;
	e = tree_feed(&r->tree, event);
	if (e < 0)
		return e;
	run_look_feed(r, event);
	if (r->watch != NULL && !r->is_ready)
		r->is_ready = ready_watch_feed(r->watch, event, &r->ready);
	const bool is_hidden = c->redactor != NULL && event->kind == SL_KIND_OUTPUT;
	return is_hidden && r->watch != NULL ? tell_lines(r) : 0;
}

struct sink collector_sink(struct collector *c)
{
	return (struct sink){ .event = take_event, .data = c };
}

static int take_block(void *data, const struct stack_snapshot *taken, size_t n_bytes_max)
{
	struct collector *c = data;
	return source_perf_take_block(c->perf, taken, n_bytes_max, collector_sink(c));
}

/* Blocks that no probe tells of, to who unwinds their stacks: before their image is found to have ended. */
static int drain_blocks(struct collector *c)
{
	return c->shim != NULL && c->perf != NULL ? source_shim_blocks(c->shim, take_block, c) : 0;
}

/* *ret_looks: how often an image that has begun was looked at: its next moment may be near, and the other sources
 * take longer to read. */
static int drain_kernel(struct collector *c, size_t *ret_looks)
{
	int e = source_bpf_drain(c->bpf, collector_sink(c));
	*ret_looks = 0;
	while (e >= 0 && c->run != NULL && c->run->looks.n_early > 0) {
		++*ret_looks;
		e = run_look_early(c->run);
		if (e >= 0)
			e = source_bpf_drain(c->bpf, collector_sink(c));
	}
	return e;
}

int collector_drain(struct collector *c)
{
	/* What happens while the others are read, they do not know. */
	const uint64_t begin_ns = now_ns();
	size_t n_looks = 0;
	int e = 0;
	if (c->bpf != NULL)
		e = drain_kernel(c, &n_looks);
	if (e >= 0)
		e = drain_blocks(c);
	if (e >= 0 && c->shim != NULL)
		e = source_shim_drain(c->shim, collector_sink(c));
	if (e >= 0 && c->perf != NULL)
		e = source_perf_drain(c->perf, begin_ns, collector_sink(c));
	if (c->run != NULL)
		c->run->drained_ns = now_ns();
	return e < 0 ? e : 0;
}

int collector_watch(const struct collector *c, int fd, enum wake wake, uint32_t flags)
{
	if (fd < 0)
		return 0;
	struct epoll_event event = { .events = EPOLLIN | flags, .data = { .u32 = wake } };
	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 && errno != EEXIST ? -errno
											: 0;
}

static int collector_open(struct collector *c, const struct collect_spec *spec)
{
	inheritance_begin(0);
	c->memory_limit_bytes = cgroup_step_out();
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0)
		return fail(-errno, "cannot wait for events: %s", strerror(errno));
	int r = signals_open(&c->signals);
	if (r < 0)
		return fail(r, "cannot take signals: %s", strerror(-r));
	if (spec->redact != NULL)
		r = redactor_new(spec->redact, &c->redactor);
	if (r >= 0)
		r = source_proc_facts(collector_sink(c));
	if (r >= 0)
		r = emit_design(collector_sink(c), spec);
	if (r < 0)
		return r;
	if (spec->probes & (PROBE_SHIM | PROBE_AUTO))
		/* Hardly anybody asks for kernel probes in vain. */
		overhead_trial_start(
			shim_flags(spec, (spec->probes & (PROBE_BPF | PROBE_AUTO)) != 0),
			&c->trial);
	if (spec->stacks_hz != STACKS_OFF || spec->heap.sample_bytes != 0)
		c->perf = source_perf_new(&(struct perf_settings){
			.rate_hz = spec->stacks_hz,
			.sample_bytes = spec->heap.sample_bytes,
			.wait_ns = spec->wait_stacks_ns,
			.debuginfod_ns = spec->debuginfod_ns,
			.ring_bytes = spec->ring_bytes,
		});
	cgroup_sweep();
	r = collector_watch(c, c->signals.fd, WAKE_SIGNAL, 0);
	return r < 0 ? fail(r, "cannot wait for events: %s", strerror(-r)) : 0;
}

int collector_new(const struct collect_spec *spec, struct trace_writer *w, struct collector **ret)
{
	struct collector *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->w = w;
	c->epoll_fd = c->signals.fd = c->trial.fd = -1;
	const int r = collector_open(c, spec);
	if (r < 0) {
		(void)collector_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

int collector_fact(struct collector *c, const char *key, const char *value)
{
	return emit_meta(collector_sink(c), key, "%s", value);
}

bool collector_is_interrupted(void)
{
	return signals_end_is_pending();
}

int collector_finish(struct collector *c)
{
	int r = 0;
	if (c->perf != NULL)
		r = source_perf_finish(c->perf, collector_sink(c));
	if (r >= 0 && c->bpf != NULL)
		r = source_bpf_finish(c->bpf, collector_sink(c));
	if (c->shim != NULL) {
		const int s = source_shim_finish(c->shim, collector_sink(c));
		r = r < 0 ? r : s;
	}
	if (c->redactor != NULL) {
		const int d = redactor_flush(c->redactor, (struct sink){ append, c });
		r = r < 0 ? r : d;
	}
	if (r >= 0)
		r = c->write_error;
	return r < 0 ? r : 0;
}

struct collector *collector_free(struct collector *c)
{
	if (c == NULL)
		return NULL;
	(void)source_perf_free(c->perf);
	(void)source_bpf_free(c->bpf);
	(void)source_shim_free(c->shim);
	(void)redactor_free(c->redactor);
	overhead_trial_done(&c->trial);
	cleanup_close(&c->epoll_fd);
	signals_done(&c->signals);
	free(c);
	return NULL;
}

/* ---- one run ---- */

size_t run_alive(struct run *r)
{
	if (r->c->bpf != NULL && !r->tree.has_strangers) {
		uint32_t threads = 0;
		uint64_t idle_since = 0;
		source_bpf_activity(r->c->bpf, &threads, &idle_since);
		return threads;
	}
	if (!r->tree.has_events || r->tree.use_ns_pids)
		(void)run_walk(r);
	if (r->c->bpf == NULL && r->tree.pids.n == 0 && r->c->shim != NULL)
		(void)tree_add_told(&r->tree, source_shim_directory(r->c->shim));
	return r->tree.pids.n;
}

/* Whether a process of the tree sent it. */
static bool is_of_tree(struct run *r, pid_t sender)
{
	if (sender == 0 || sender == r->pid || tree_knows(&r->tree, sender))
		return sender != 0;
	(void)collector_drain(r->c);
	if (!r->tree.has_events)
		(void)run_walk(r);
	return tree_knows(&r->tree, sender);
}

/* What comes to startline is the command's as well: where the group got it, the command has it. A
 * second one that asks to end is startline's own. */
static void on_signal(struct run *r)
{
	struct signal_news news;
	while (signals_next(&r->c->signals, &news)) {
		if (news.is_child)
			run_suspend(r);
		if (news.is_child || is_of_tree(r, news.sender))
			continue;
		const bool is_ours = news.is_end && r->n_end_signals++ > 0;
		if (!is_ours && (!news.is_for_group || getpgid(r->pid) != getpgrp()))
			run_signal(r, news.number);
		if (news.is_end)
			r->end_signal = news.number;
		r->is_interrupted |= is_ours || (news.is_end && r->is_reaped);
	}
}

static void on_exit_of_command(struct run *r)
{
	if (r->is_reaped)
		return;
	const pid_t pid = r->target.pid;
	(void)run_usage_exit(r);
	if (!target_reap(&r->target, &r->status))
		return;
	r->is_reaped = true;
	r->reaped_ns = now_ns();
	if (r->c->bpf == NULL)
		(void)synthesize_exit(collector_sink(r->c), pid, r->status);
	(void)epoll_ctl(r->c->epoll_fd, EPOLL_CTL_DEL, r->target.pidfd, NULL);
	(void)emit_mark(collector_sink(r->c), SL_MARK_REAPED, r->reaped_ns, pid,
			(uint64_t)(uint32_t)r->status, 0, NULL);
}

static int on_ready(struct run *r)
{
	struct collector *c = r->c;
	r->ready_is_done = true;
	logpipe_stop_looking(&r->logpipe);
	int e = 0;
	if (c->perf != NULL)
		source_perf_ready(c->perf);
	if (c->bpf != NULL) {
		e = source_bpf_snapshot(c->bpf, SL_WHEN_READY);
		if (e >= 0)
			e = source_bpf_ready(c->bpf);
		/* Where the run ends now, it would take longer than it saves. */
		if (e >= 0 && (r->spec->until != UNTIL_READY || r->spec->load != NULL))
			e = source_bpf_thin_out(c->bpf, collector_sink(c));
	}
	if (e >= 0 && !source_bpf_tells(c->bpf, TOLD_TASKS))
		e = run_usage_ready(r);
	else if (e >= 0 && !source_bpf_tells(c->bpf, TOLD_MEMORY))
		e = run_memory(r, SL_WHEN_READY);
	if (e >= 0 && c->shim != NULL)
		e = source_shim_snapshot(c->shim, SL_WHEN_READY, collector_sink(c));
	if (e >= 0)
		e = drain_blocks(c);
	if (e >= 0 && c->perf != NULL)
		e = source_perf_tell_blocks(c->perf, collector_sink(c));
	if (e >= 0 && r->spec->heap.kind == HEAP_EXACT && c->shim != NULL && c->perf != NULL) {
		source_shim_end_exact(c->shim);
		e = source_perf_sample_from_now(c->perf, collector_sink(c));
	}
	/* Who was forked just before is to be looked at, too. */
	if (e >= 0)
		e = collector_drain(c);
	if (e >= 0)
		e = run_look(r, SL_WHEN_READY);
	if (e >= 0)
		e = source_proc_host(SL_WHEN_READY, collector_sink(c));
	if (e >= 0)
		e = collector_drain(c);
	return e < 0 ? e : flush(c);
}

static void on_output(struct run *r, int i)
{
	if (!logpipe_take(&r->logpipe, i, r->pid, collector_sink(r->c)))
		(void)epoll_ctl(r->c->epoll_fd, EPOLL_CTL_DEL, r->logpipe.fds[i], NULL);
}

/* What the command wrote shall stand before what startline says, and count before its end does. */
static void flush_output(struct run *r)
{
	logpipe_flush(&r->logpipe, r->pid, collector_sink(r->c));
}

static int dispatch(struct run *r, enum wake wake)
{
	size_t n_looks = 0;
	int e = 0;
	switch (wake) {
	case WAKE_SIGNAL:
		on_signal(r);
		return 0;
	case WAKE_EXIT:
		/* What it did last is in the sources already: keep the order. */
		(void)collector_drain(r->c);
		on_exit_of_command(r);
		flush_output(r);
		return 0;
	case WAKE_REPORT:
		if (!target_read_report(&r->target) || r->c->bpf != NULL)
			return 0;
		return synthesize_exec(collector_sink(r->c), r->target.pid, r->spawn_ns,
				       r->target.path, r->spec->argv);
	case WAKE_OUTPUT:
	case WAKE_ERROR_OUTPUT:
		on_output(r, wake == WAKE_OUTPUT ? 0 : 1);
		return 0;
	case WAKE_LOAD:
		/* Read whatever else ends the run: news that nobody reads would wake each turn. */
		if (aside_ended(&r->load))
			(void)epoll_ctl(r->c->epoll_fd, EPOLL_CTL_DEL, r->load.fd, NULL);
		return 0;
	case WAKE_PROBES: /* every turn of the loop looks at these */
		return 0;
	case WAKE_BPF:
		e = drain_kernel(r->c, &n_looks);
		if (e < 0 || n_looks > 0)
			return e;
		break;
	case WAKE_SHIM:
	case WAKE_STACKS:
		break;
	}
	return collector_drain(r->c);
}

/* Stacks are put together from what processes have mapped and loaded, which goes with them. */
static uint64_t drain_due(const struct run *r)
{
	const bool is_hasty = r->c->perf != NULL && source_perf_is_on(r->c->perf);
	return r->drained_ns + (is_hasty ? HASTY_PERIOD_NS : DRAIN_PERIOD_NS);
}

static int timeout_of(const struct run *r, uint64_t now)
{
	uint64_t at = run_sooner(drain_due(r), run_deadline(r));
	if (r->watch != NULL)
		at = run_sooner(at, ready_watch_deadline(r->watch));
	at = run_sooner(at, run_confirm_deadline(r));
	if (r->probes != NULL && !r->is_ready)
		at = run_sooner(at, probes_deadline(r->probes));
	/* Rounded up: waking before the deadline would only spin. */
	return at <= now ? 0 : (int)((at - now + NS_PER_MS - 1) / NS_PER_MS);
}

/* What has to be looked at whatever woke us. */
static int run_turn(struct run *r, uint64_t now)
{
	int e = 0;
	const uint64_t tick = r->watch != NULL && !r->is_ready ? ready_watch_deadline(r->watch) : 0;
	const bool is_due = tick != 0 && now >= tick;
	/* Before something is concluded from silence, what was said must have been heard. */
	if (is_due || now >= drain_due(r))
		e = collector_drain(r->c);
	if (e >= 0 && is_due && !r->is_ready)
		r->is_ready = ready_watch_tick(r->watch, now, &r->ready);
	if (e >= 0)
		e = run_confirm(r, now);
	if (e >= 0 && r->probes != NULL && !r->is_ready && r->failure == 0) {
		e = probes_step(r->probes, now);
		/* The command is stopped first. */
		if (e == -EADDRINUSE) {
			r->failure = e;
			e = 0;
		}
	}
	if (e >= 0 && now >= r->flushed_ns + FLUSH_PERIOD_NS) {
		e = flush(r->c);
		r->flushed_ns = now;
	}
	run_sample(r, now);
	if (e >= 0)
		e = run_look_up(r, now);
	if (e >= 0 && r->is_ready && !r->ready_is_done)
		e = on_ready(r);
	if (e >= 0)
		e = run_load_step(r, now_ns());
	return e < 0 ? e : run_step(r, now_ns());
}

static int run_loop(struct run *r)
{
	while (!r->is_over) {
		struct epoll_event events[8];
		const int n = epoll_wait(r->c->epoll_fd, events, 8, timeout_of(r, now_ns()));
		if (n < 0 && errno != EINTR)
			return fail(-errno, "cannot wait for events: %s", strerror(errno));
		int e = 0;
		for (int i = 0; i < n && e >= 0; i++)
			e = dispatch(r, (enum wake)events[i].data.u32);
		if (e >= 0)
			e = run_turn(r, now_ns());
		if (e < 0)
			return e;
	}
	return 0;
}

/* A load on a server that has crashed fails as well, or does not notice. */
static bool has_failed_first(const struct run *r)
{
	return r->is_reaped && r->status != 0 && (r->stop == 0 || r->reaped_ns < r->stop_ns);
}

static void fill_result(const struct run *r, struct collect_result *ret)
{
	*ret = (struct collect_result){
		.status = r->status,
		.exec_errno = r->target.exec_errno,
		.signal = r->end_signal,
		.was_ready = r->is_ready,
		.has_begun = r->spawn_ns != 0,
	};
	(void)snprintf(ret->helper, sizeof(ret->helper), "%s", r->helper_failure);
	(void)snprintf(ret->missing, sizeof(ret->missing), "%s", r->is_ready ? "" : r->missing);
	if (ret->exec_errno != 0)
		ret->end = ret->exec_errno == ENOENT || ret->exec_errno == ENOTDIR
				   ? COLLECT_NOT_FOUND
				   : COLLECT_NOT_EXECUTABLE;
	else if (r->is_interrupted || r->stop == SL_STOP_SIGNAL)
		ret->end = COLLECT_INTERRUPTED;
	else if (r->load_ns != 0 && has_failed_first(r))
		ret->end = COLLECT_EXITED;
	else if (r->helper_failure[0] != '\0')
		ret->end = COLLECT_HELPER_FAILED;
	else if (r->stop == SL_STOP_READY || r->stop == SL_STOP_LOADED)
		ret->end = COLLECT_READY;
	else if (r->stop == SL_STOP_TIMEOUT)
		ret->end = COLLECT_TIMEOUT;
	else if (r->stop == SL_STOP_DURATION)
		ret->end = COLLECT_DURATION;
	else
		ret->end = COLLECT_EXITED;
}

static int run_record(struct run *r)
{
	struct collector *c = r->c;
	int e = run_make_ready(r);
	if (e < 0 || r->is_interrupted || r->helper_failure[0] != '\0')
		return e;
	e = run_launch(r);
	if (e >= 0 && r->target.exec_errno == 0)
		e = run_loop(r);
	if (e < 0 || r->target.exec_errno != 0)
		return e;
	flush_output(r);
	if (c->bpf != NULL)
		e = source_bpf_snapshot(c->bpf, SL_WHEN_EXIT);
	if (e >= 0 && !source_bpf_tells(c->bpf, TOLD_MEMORY))
		e = run_memory(r, SL_WHEN_EXIT);
	if (e >= 0)
		e = collector_drain(c);
	if (e >= 0 && c->perf != NULL)
		e = source_perf_end(c->perf, collector_sink(c));
	if (e >= 0)
		e = run_look_done(r);
	if (e >= 0)
		e = emit_mark(collector_sink(c), SL_MARK_GONE, now_ns(), 0, 0, 0, NULL);
	if (e >= 0)
		e = source_proc_host(SL_WHEN_EXIT, collector_sink(c));
	return e < 0 ? e : flush(c);
}

static void run_done(struct run *r)
{
	if (r->c->perf != NULL) /* no longer there, if the run has succeeded */
		(void)source_perf_end(r->c->perf, collector_sink(r->c));
	r->probes = probes_free(r->probes);
	run_helpers_done(r);
	buf_done(&r->looks.peak);
	logpipe_done(&r->logpipe);
	target_done(&r->target);
	cgroup_leave(&r->cgroup);
	tree_done(&r->tree);
	r->watch = ready_watch_free(r->watch);
}

int collector_run(struct collector *c, const struct collect_spec *spec, struct collect_result *ret)
{
	struct run r = {
		.c = c,
		.spec = spec,
		.target = { .pidfd = -1, .go_fd = -1, .report_fd = -1 },
		.cgroup = { .procs_fd = -1 },
		.drained_ns = now_ns(),
		.flushed_ns = now_ns(),
	};
	logpipe_init(&r.logpipe);
	aside_init(&r.prepare);
	aside_init(&r.load);
	tree_init(&r.tree, c->bpf != NULL);
	c->run = &r;
	int e = run_record(&r);
	if (e >= 0)
		e = r.failure;
	c->run = NULL;
	if (r.stop == 0) /* it ended by itself */
		run_note_missing(&r);
	fill_result(&r, ret);
	run_done(&r);
	return e;
}
