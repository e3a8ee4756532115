/* SPDX-License-Identifier: MIT */
/* Stacks as a source: samples of a timer and snapshots at system calls are unwound as they come, in the
 * order in which they were taken, together with what was mapped until then. Only what is left of them
 * then, interned stacks, leaves this file: the copies of a program's memory never do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bpf/block.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/collect/perf/cost.h"
#include "userspace/collect/perf/events.h"
#include "userspace/collect/perf/fetch.h"
#include "userspace/collect/perf/goroutines.h"
#include "userspace/collect/perf/interpreter.h"
#include "userspace/collect/perf/processes.h"
#include "userspace/collect/perf/snapshots.h"
#include "userspace/collect/perf/tell.h"
#include "userspace/collect/perf/told_block.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/source.h"
#include "userspace/stacks/intern.h"
#include "userspace/stacks/unwind.h"

/* Of its own time that a thread has between two snapshots at system calls, at least. */
#define GAP_NS	(250 * NS_PER_US)
#define WAIT_NS (1 * NS_PER_MS)

/* A record may be a moment late behind one that another CPU made after it. */
#define SETTLED_NS (2 * NS_PER_MS)

/* A run that nobody expects to become ready is sampled in full for so long; whenever that has doubled, half
 * as densely: stretches of about WINDOW_NS, with pauses between them. */
#define FULL_NS	   (10 * NS_PER_S)
#define WINDOW_NS  (100 * NS_PER_MS)
#define THIN_LIMIT 12

/* What is in the rings is read in less than that, but for files made to take time: then the samples in it
 * are lost, since other sources have rings that fill, and somebody may be waiting for the report. */
#define PATIENCE_NS (500 * NS_PER_MS)

struct source_perf {
	uint64_t rate_hz; /* asked for; 0: what the cost allows */
	uint64_t wait_ns; /* shorter waits have no stack */
	uint64_t debuginfod_ns;
	uint64_t sample_bytes; /* of the heap; 0: no blocks are told of */
	const char *shim_path; /* its own frames are none of the program */
	bool has_timer;	       /* is one wanted */
	struct cost_trial trial;
	uint64_t period_ns; /* 0: no timer */
	size_t ring_bytes;

	struct perf_events events;
	struct snapshot_ring snapshots;
	struct source_bpf *bpf; /* that takes them; NULL: nobody does */
	bool use_ns_pids;

	/* The run in progress. */
	bool is_on; /* … and somebody wants to know */
	bool is_endless, is_paused;
	unsigned int thin; /* by so many halvings */
	uint64_t begin_ns, turn_ns;

	struct teller teller;
	struct modules *modules;
	struct processes processes; /* of the run */
	struct unwinder *unwinder;
	struct intern *intern;
	struct unwound unwound;
	struct interpreters interpreters;
	struct goroutines goroutines;
	struct exact_lost exact_lost;
	uint64_t patience_ns; /* CLOCK_MONOTONIC; from then on samples are dropped */
	struct samples_told told;
};

struct source_perf *source_perf_new(const struct perf_settings *settings)
{
	struct source_perf *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->rate_hz = settings->rate_hz > 0 ? (uint64_t)settings->rate_hz : 0;
	s->wait_ns = settings->wait_ns != 0 ? settings->wait_ns : WAIT_NS;
	s->ring_bytes = settings->ring_bytes;
	s->debuginfod_ns = settings->debuginfod_ns;
	s->sample_bytes = settings->sample_bytes;
	s->has_timer = settings->rate_hz >= 0;
	s->events.epoll_fd = -1;
	if (s->has_timer)
		cost_trial_start(&s->trial);
	return s;
}

static void forget_processes(struct source_perf *s)
{
	s->told.n_lost += s->processes.n_lost;
	if (s->processes.spaces != NULL)
		s->told.n_mappings += spaces_n_refused(s->processes.spaces);
	s->unwinder = unwinder_free(s->unwinder);
	if (s->processes.exact != NULL)
		exact_lost(s->processes.exact, &s->exact_lost);
	(void)exact_free(s->processes.exact);
	(void)spaces_free(s->processes.spaces);
	(void)sites_free(s->processes.sites);
	(void)map_sites_free(s->processes.map_sites);
	s->processes = (struct processes){ 0 };
}

struct source_perf *source_perf_free(struct source_perf *s)
{
	if (s == NULL)
		return NULL;
	cost_trial_done(&s->trial);
	perf_events_close(&s->events);
	snapshot_ring_unmap(&s->snapshots);
	forget_processes(s);
	(void)intern_free(s->intern);
	interpreters_done(&s->interpreters);
	goroutines_done(&s->goroutines);
	(void)modules_free(s->modules);
	free(s);
	return NULL;
}

/* ---- opening ---- */

static int emit_refused(int error, struct sink sink)
{
	const int r = emit_meta(sink, "source.stacks", "%s", perf_events_why(error));
	return r < 0 || *perf_events_remedy(error) == '\0'
		       ? r
		       : emit_meta(sink, "source.stacks.remedy", "%s", perf_events_remedy(error));
}

int source_perf_open(struct source_perf *s, struct sink sink)
{
	const struct intern_listener listener = tell_listener(&s->teller);
	s->modules = modules_new();
	s->intern = s->modules != NULL ? intern_new(s->modules, &listener) : NULL;
	if (s->intern == NULL)
		return -ENOMEM;
	if (!s->has_timer)
		return 0;
	const struct sample_cost cost = cost_trial_finish(&s->trial);
	if (cost.error != 0)
		return emit_refused(cost.error, sink);
	s->period_ns = NS_PER_S / (s->rate_hz != 0 ? s->rate_hz : sample_cost_rate(&cost));
	int r = emit_meta(sink, "source.stacks", "ok");
	if (r >= 0)
		r = emit_meta(sink, "stacks.period_ns", "%llu", (unsigned long long)s->period_ns);
	if (r >= 0)
		r = emit_meta(sink, "stacks.sample_ns", "%llu", (unsigned long long)cost.ns);
	return r < 0 ? r
		     : emit_meta(sink, "stacks.sample_error_ns", "%llu",
				 (unsigned long long)cost.error_ns);
}

/* ---- one run ---- */

static int begin_timer(struct source_perf *s, pid_t pid, struct sink sink)
{
	const struct perf_wish wish = {
		.pid = pid,
		.period_ns = s->period_ns,
		.ring_bytes = s->ring_bytes,
		.may_pause = s->is_endless || s->processes.sites != NULL ||
			     s->processes.map_sites != NULL,
		.program = s->bpf != NULL ? source_bpf_timer_fd(s->bpf) : -1,
	};
	const bool is_wanted = s->period_ns > 0 || !s->has_timer;
	int r = is_wanted ? perf_events_open(&wish, &s->events) : 0;
	/* Records are of all processes: it is the first that is ours. */
	if (r >= 0 && s->events.is_whole)
		r = spaces_exec(s->processes.spaces, pid, 0);
	if (r >= 0 || !s->has_timer)
		return 0;
	log_info("no samples of the CPU: %s", perf_events_why(r));
	return emit_refused(r, sink);
}

/* What the shim records of all blocks. */
static int begin_exact(struct source_perf *s, const struct perf_target *target)
{
	if (target->exact == NULL || s->processes.sites == NULL)
		return 0;
	const struct exact_users users = {
		.unwinder = s->unwinder,
		.intern = s->intern,
		.sites = s->processes.sites,
		.told_ns = &s->teller.time_ns,
		.sink = &s->teller.sink,
	};
	const int r = exact_new(target->exact, &users, &s->processes.exact);
	struct epoll_event event = { .events = EPOLLIN };
	if (r < 0 || s->events.epoll_fd < 0)
		return r;
	const int fd = exact_fd(s->processes.exact);
	return epoll_ctl(s->events.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int source_perf_begin(struct source_perf *s, const struct perf_target *target, struct sink sink)
{
	s->bpf = source_bpf_tells(target->bpf, TOLD_CALLS) ? target->bpf : NULL;
	s->use_ns_pids = target->use_ns_pids;
	s->is_endless = target->is_endless;
	s->is_on = s->has_timer;
	s->is_paused = false;
	s->thin = 0;
	s->begin_ns = now_ns();
	s->shim_path = target->shim_path;
	s->processes = (struct processes){
		.spaces = spaces_new(s->modules),
		.interpreters = &s->interpreters,
		.sites = s->sample_bytes != 0 ? sites_new() : NULL,
		.map_sites = s->bpf != NULL ? map_sites_new() : NULL,
	};
	if ((s->sample_bytes != 0 && s->processes.sites == NULL) ||
	    (s->bpf != NULL && s->processes.map_sites == NULL))
		return -ENOMEM;
	s->unwinder = s->processes.spaces != NULL ? unwinder_new(s->processes.spaces) : NULL;
	if (s->unwinder == NULL)
		return -ENOMEM;
	int r = begin_timer(s, target->pid, sink);
	s->processes.is_whole = s->events.is_whole;
	if (r >= 0)
		r = begin_exact(s, target);
	if (r >= 0)
		r = interpreters_begin(&s->interpreters, s->modules, s->bpf);
	if (r >= 0)
		unwinder_set_made(s->unwinder, hotspot_processes_look, s->interpreters.jvms);
	if (r < 0 || s->bpf == NULL)
		return r;
	if (s->snapshots.data == NULL)
		r = snapshot_ring_map(&s->snapshots, source_bpf_stack_fd(s->bpf),
				      source_bpf_stack_bytes(s->bpf));
	if (r < 0)
		return fail(r, "cannot map the ring of snapshots: %s", strerror(-r));
	if (s->has_timer)
		source_bpf_take_stacks(s->bpf, GAP_NS, s->wait_ns);
	return 0;
}

int source_perf_fd(const struct source_perf *s)
{
	return s->events.epoll_fd;
}

/* ---- samples ---- */

/* @r->unwound without the frames of the shim, which are innermost. */
static void leave_shim(struct source_perf *s)
{
	struct unwound *u = &s->unwound;
	size_t n = 0;
	while (n < u->n && s->shim_path != NULL) {
		const struct module *module = modules_get(s->modules, u->frames[n].module);
		if (module == NULL || strcmp(module->path, s->shim_path) != 0)
			break;
		n++;
	}
	u->n -= n;
	memmove(u->frames, u->frames + n, u->n * sizeof(*u->frames));
}

/* 1: *ret_stack is its stack; 0: it came too late. */
static int stack_of(struct source_perf *s, struct snapshot *snapshot, uint16_t reason,
		    uint32_t *ret_stack)
{
	const bool is_timer = reason == SL_SAMPLE_TIMER;
	if (now_ns() > s->patience_ns) {
		s->told.n_late++;
		return 0;
	}
	s->told.n_kept++;
	s->teller.time_ns = snapshot->time_ns;
	snapshot->goroutine = goroutines_of(&s->goroutines, snapshot, is_timer);
	unwind(s->unwinder, snapshot, &s->unwound);
	interpreters_merge(&s->interpreters, snapshot, is_timer, &s->unwound);
	if (reason == SNAPSHOT_BLOCK)
		leave_shim(s);
	const int r = intern_stack(s->intern, &s->unwound, ret_stack);
	if (r >= 0 && *ret_stack == 0 && s->unwound.n > 0)
		s->told.n_full++;
	return r < 0 ? r : 1;
}

static int emit_sample(struct source_perf *s, struct snapshot *snapshot, struct sl_sample *sample)
{
	const int r = stack_of(s, snapshot, sample->reason, &sample->stack);
	return r <= 0 ? r : s->teller.sink.event(s->teller.sink.data, &sample->event);
}

/* Pid and tid are as those of the event's namespace: ours. */
static struct sl_sample sample_header(uint64_t time_ns, pid_t pid, pid_t tid, bool is_ns)
{
	struct sl_sample sample = { .event = emit_header(SL_KIND_SAMPLE, sizeof(sample), time_ns,
							 pid) };
	sample.event.tid = (uint32_t)tid;
	sample.event.flags |= is_ns ? SL_FLAG_NS_IDS : 0;
	return sample;
}

/* False: it is the stack itself. */
static bool is_along(struct source_perf *s, const struct stack_snapshot *taken, int *ret)
{
	const pid_t tid = (pid_t)taken->own_tid;
	*ret = 0;
	switch (taken->reason) {
	case SNAPSHOT_PYTHON:
		interpreters_keep(&s->interpreters, taken, tid);
		return true;
	case SNAPSHOT_PYTHON_CODE:
		interpreters_learn(&s->interpreters, taken, (pid_t)taken->own_pid);
		return true;
	case SNAPSHOT_GOROUTINE:
		*ret = goroutines_keep(&s->goroutines, taken, tid);
		return true;
	default:
		return false;
	}
}

/* @flags: of whose namespace the process's number is (SL_FLAG_NS_IDS). */
static int take_block(struct source_perf *s, const struct stack_snapshot *taken, uint16_t flags,
		      struct snapshot *snapshot)
{
	struct told_block told;
	const pid_t pid = snapshot->pid;
	if (s->processes.sites == NULL || !told_block_read(taken, &told))
		return 0;
	if (told.op == SL_BLOCK_FREED) {
		sites_freed(s->processes.sites, pid, taken->time_ns, told.address,
			    told.is_temporary);
		return 0;
	}
	struct site_block block = {
		.owner = { .pid = pid, .told_pid = taken->pid, .flags = flags },
		.time_ns = taken->time_ns,
		.address = told.address,
		.bytes = told.bytes,
		.p = sites_probability(told.bytes, s->sample_bytes),
		.is_sampled = true,
		.live_bytes = told.live_bytes,
		.peak_bytes = told.peak_bytes,
	};
	const int r = stack_of(s, snapshot, SNAPSHOT_BLOCK, &block.stack);
	return r <= 0 ? r : sites_allocated(s->processes.sites, &block);
}

static int take_growth(struct source_perf *s, const struct stack_snapshot *taken,
		       struct snapshot *snapshot)
{
	const struct site_owner owner = { .pid = snapshot->pid, .told_pid = taken->pid };
	uint32_t stack = 0;
	const enum sl_mapsite_what what =
		taken->reason == SNAPSHOT_TOUCHED ? SL_MAPSITE_TOUCHED : SL_MAPSITE_MAPPED;
	const int r =
		s->processes.map_sites == NULL ? 0 : stack_of(s, snapshot, taken->reason, &stack);
	return r <= 0 ? r
		      : map_sites_add(s->processes.map_sites, &owner, taken->time_ns, what, stack,
				      taken->since_ns);
}

static int take_snapshot(struct source_perf *s, const struct stack_snapshot *taken)
{
	int r;
	if (is_along(s, taken, &r))
		return r;
	struct snapshot snapshot = snapshot_of(taken, taken->n_bytes);
	if (taken->reason == SNAPSHOT_BLOCK)
		return take_block(s, taken, 0, &snapshot);
	if (taken->reason == SNAPSHOT_GROWTH || taken->reason == SNAPSHOT_TOUCHED)
		return take_growth(s, taken, &snapshot);
	struct sl_sample sample =
		sample_header(taken->time_ns, (pid_t)taken->pid, (pid_t)taken->tid, false);
	sample.reason = taken->reason;
	sample.syscall = taken->syscall;
	sample.since_ns = taken->since_ns;
	return emit_sample(s, &snapshot, &sample);
}

static int take_timer(struct source_perf *s, const struct perf_cpu *cpu,
		      const struct perf_event_header *record)
{
	struct perf_sample taken;
	uint64_t kernel[SNAPSHOT_KERNEL_FRAMES];
	/* Of a thread that has just been taken off the list of processes the kernel tells -1. */
	if (!perf_sample_read(record, &taken) || taken.pid <= 0 || taken.tid <= 0)
		return 0;
	struct snapshot snapshot = snapshot_of_timer(&taken, kernel);
	struct sl_sample sample =
		sample_header(taken.time_ns, taken.pid, taken.tid, s->use_ns_pids);
	sample.reason = SL_SAMPLE_TIMER;
	sample.syscall = SL_NO_SYSCALL;
	sample.period_ns = cpu->period_ns << s->thin;
	return emit_sample(s, &snapshot, &sample);
}

/* ---- in order ---- */

static int take_record(struct source_perf *s, struct perf_cpu *cpu, uint64_t time_ns)
{
	const struct perf_event_header *record = perf_ring_peek(&cpu->ring);
	if (record->type == PERF_RECORD_SAMPLE)
		return take_timer(s, cpu, record);
	processes_take(&s->processes, record, time_ns);
	return 0;
}

/* The CPU whose ring has the oldest record; NULL: there is none. */
static struct perf_cpu *oldest(const struct source_perf *s, uint64_t *ret_ns)
{
	struct perf_cpu *found = NULL;
	for (size_t i = 0; i < s->events.n; i++) {
		const uint64_t time_ns = perf_ring_time(&s->events.cpus[i].ring);
		if (time_ns == 0 || (found != NULL && time_ns >= *ret_ns))
			continue;
		found = &s->events.cpus[i];
		*ret_ns = time_ns;
	}
	return found;
}

/* What was recorded until the next of all others. */
static int take_exact(struct source_perf *s, const struct stack_snapshot *snapshot,
		      uint64_t time_ns, uint64_t until_ns)
{
	if (s->processes.exact == NULL)
		return 0;
	if (snapshot != NULL && snapshot->time_ns < time_ns)
		time_ns = snapshot->time_ns;
	return exact_take(s->processes.exact, time_ns < until_ns ? time_ns : until_ns);
}

/* What happened until @until_ns. */
static int read_rings(struct source_perf *s, uint64_t until_ns)
{
	int r = s->processes.exact != NULL ? exact_fetch(s->processes.exact) : 0, n = 0;
	s->patience_ns = now_ns() + PATIENCE_NS;
	while (r >= 0) {
		uint64_t time_ns = UINT64_MAX;
		struct perf_cpu *cpu = oldest(s, &time_ns);
		const struct stack_snapshot *snapshot = snapshot_ring_peek(&s->snapshots);
		r = take_exact(s, snapshot, time_ns, until_ns);
		if (r < 0)
			break;
		if (snapshot != NULL && snapshot->time_ns < time_ns) {
			if (snapshot->time_ns > until_ns)
				break;
			r = take_snapshot(s, snapshot);
			snapshot_ring_drop(&s->snapshots);
		} else {
			if (cpu == NULL || time_ns > until_ns)
				break;
			r = take_record(s, cpu, time_ns);
			perf_ring_drop(&cpu->ring);
		}
		n++;
	}
	return r < 0 ? r : n;
}

static void pace(struct source_perf *s, uint64_t now)
{
	unsigned int thin = 0;
	for (uint64_t age = now - s->begin_ns; age >= FULL_NS && thin < THIN_LIMIT; age /= 2)
		thin++;
	if (!s->is_endless || !s->is_on || thin == 0 || now < s->turn_ns)
		return;
	/* Of different lengths: a program may have a rhythm of its own. */
	const uint64_t window_ns = WINDOW_NS / 2 + now % WINDOW_NS;
	s->is_paused = !s->is_paused;
	s->turn_ns = now + (s->is_paused ? window_ns * ((1u << thin) - 1) : window_ns);
	if (!s->is_paused)
		s->thin = thin;
	perf_events_let_run(&s->events, !s->is_paused);
	if (s->bpf != NULL)
		source_bpf_take_stacks(s->bpf, GAP_NS << thin, s->wait_ns);
}

int source_perf_drain(struct source_perf *s, uint64_t now, struct sink sink)
{
	struct epoll_event events[16];
	if (s->processes.spaces == NULL)
		return 0;
	/* They have woken us, or will not have to. */
	while (s->events.epoll_fd >= 0 && epoll_wait(s->events.epoll_fd, events, 16, 0) == 16)
		;
	s->teller.sink = sink;
	const int r = read_rings(s, now - SETTLED_NS);
	pace(s, now);
	return r;
}

bool source_perf_is_on(const struct source_perf *s)
{
	return s->is_on;
}

void source_perf_ready(struct source_perf *s)
{
	s->is_on = false;
	if (s->has_timer)
		perf_events_let_run(&s->events, false);
	if (s->bpf != NULL)
		source_bpf_take_stacks(s->bpf, 0, 0);
}

int source_perf_take_block(struct source_perf *s, const struct stack_snapshot *taken,
			   size_t n_bytes_max, struct sink sink)
{
	if (s->processes.spaces == NULL)
		return 0;
	s->teller.sink = sink;
	/* What was mapped by then comes first. */
	const int r = read_rings(s, taken->time_ns);
	struct snapshot snapshot =
		snapshot_of(taken, taken->n_bytes < n_bytes_max ? taken->n_bytes : n_bytes_max);
	return r < 0 ? r : take_block(s, taken, SL_FLAG_NS_IDS, &snapshot);
}

int source_perf_tell_blocks(struct source_perf *s, struct sink sink)
{
	if (s->processes.sites == NULL && s->processes.map_sites == NULL)
		return 0;
	s->teller.sink = sink;
	const int r = read_rings(s, now_ns());
	if (r >= 0 && s->processes.map_sites != NULL)
		map_sites_ready(s->processes.map_sites);
	return r < 0 || s->processes.sites == NULL
		       ? r
		       : sites_tell_ready(s->processes.sites, now_ns(), sink);
}

int source_perf_sample_from_now(struct source_perf *s, struct sink sink)
{
	s->teller.sink = sink;
	const int r = read_rings(s, now_ns());
	if (r >= 0 && s->processes.sites != NULL)
		sites_sample_from_now(s->processes.sites, 0, s->sample_bytes);
	return r;
}

int source_perf_end(struct source_perf *s, struct sink sink)
{
	if (s->processes.spaces == NULL)
		return 0;
	source_perf_ready(s);
	s->teller.sink = sink;
	int r = read_rings(s, UINT64_MAX);
	if (r >= 0 && s->processes.sites != NULL)
		r = sites_tell_end(s->processes.sites, now_ns(), sink);
	if (r >= 0 && s->processes.map_sites != NULL)
		r = map_sites_tell(s->processes.map_sites, sink);
	perf_events_close(&s->events);
	interpreters_end(&s->interpreters);
	forget_processes(s);
	return r < 0 ? r : 0;
}

/* ---- the end ---- */

int source_perf_finish(struct source_perf *s, struct sink sink)
{
	size_t n_unnamed = 0;
	if (s->intern == NULL)
		return 0;
	const struct name_sources names = { .bpf = s->bpf,
					    .python = s->interpreters.processes,
					    .jvms = s->interpreters.jvms };
	int r = s->debuginfod_ns > 0
			? fetch_debug_files(s->modules, s->intern, s->debuginfod_ns, sink)
			: 0;
	if (r >= 0)
		r = tell_functions(s->modules, s->intern, &names, sink, &n_unnamed);
	if (r >= 0 && n_unnamed > 0)
		r = emit_meta(sink, "note",
			      "%zu places of code have no names: looking them up took too long",
			      n_unnamed);
	if (r >= 0)
		r = interpreters_tell(&s->interpreters, sink);
	s->told.n_lost += s->bpf != NULL ? source_bpf_stacks_lost(s->bpf) : 0;
	s->told.n_mappings += modules_n_refused(s->modules);
	if (r >= 0)
		r = tell_lost(&s->told, sink);
	return r < 0 ? r : exact_tell_lost(&s->exact_lost, sink);
}
