/* SPDX-License-Identifier: MIT */
/* Stacks as a source: samples of a timer and snapshots at system calls are unwound as they come, in the
 * order in which they were taken, together with what was mapped until then. Only what is left of them
 * then, interned stacks, leaves this file: the copies of a program's memory never do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/collect/perf/cost.h"
#include "userspace/collect/perf/events.h"
#include "userspace/collect/perf/fetch.h"
#include "userspace/collect/perf/goroutines.h"
#include "userspace/collect/perf/interpreter.h"
#include "userspace/collect/perf/tell.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/source.h"
#include "userspace/stacks/intern.h"
#include "userspace/stacks/unwind.h"

/* Of its time a program shall lose no more than that part to the timer: with what snapshots at system calls
 * may take (bpf/stack.bpf.c) that is 2 %. */
#define COST_PART 80
#define RATE_MAX  999u /* Hz */
#define RATE_MIN  99u  /* what makes a sample dearer than that is noise */

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

#define KERNEL_FRAMES 128

/* Once the main thread has ended the others may have a last snapshot to give, of a wait that was ended. No
 * other process has the number that soon. */
#define LAST_THREADS_NS NS_PER_S

struct source_perf {
	uint64_t rate_hz; /* asked for; 0: what the cost allows */
	uint64_t wait_ns; /* shorter waits have no stack */
	uint64_t debuginfod_ns;
	struct cost_trial trial;
	uint64_t period_ns; /* 0: no timer */
	size_t ring_bytes;

	struct perf_events events;
	struct snapshot_ring snapshots;
	struct source_bpf *bpf; /* that takes them; NULL: nobody does */
	bool use_ns_pids;

	/* The run in progress. */
	bool is_on; /* … and somebody wants to know */
	bool may_pause, is_paused;
	unsigned int thin; /* by so many halvings */
	uint64_t begin_ns, turn_ns;

	struct teller teller;
	struct modules *modules;
	struct spaces *spaces; /* of the run */
	struct unwinder *unwinder;
	struct intern *intern;
	struct unwound unwound;
	struct interpreters interpreters;
	struct goroutines goroutines;
	uint64_t patience_ns; /* CLOCK_MONOTONIC; from then on samples are dropped */
	uint64_t n_kept, n_late,
		n_lost; /* samples; n_late: to patience, n_lost: for want of room */
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
	s->events.epoll_fd = -1;
	cost_trial_start(&s->trial);
	return s;
}

static void forget_spaces(struct source_perf *s)
{
	s->unwinder = unwinder_free(s->unwinder);
	s->spaces = spaces_free(s->spaces);
}

struct source_perf *source_perf_free(struct source_perf *s)
{
	if (s == NULL)
		return NULL;
	cost_trial_done(&s->trial);
	perf_events_close(&s->events);
	snapshot_ring_unmap(&s->snapshots);
	forget_spaces(s);
	(void)intern_free(s->intern);
	interpreters_done(&s->interpreters);
	goroutines_done(&s->goroutines);
	(void)modules_free(s->modules);
	free(s);
	return NULL;
}

/* ---- opening ---- */

static uint64_t rate_for(uint64_t cost_ns)
{
	const uint64_t rate = cost_ns > 0 ? NS_PER_S / COST_PART / cost_ns : RATE_MAX;
	return rate > RATE_MAX ? RATE_MAX : rate < RATE_MIN ? RATE_MIN : rate;
}

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
	const struct sample_cost cost = cost_trial_finish(&s->trial);
	s->modules = modules_new();
	s->intern = s->modules != NULL ? intern_new(s->modules, &listener) : NULL;
	if (s->intern == NULL)
		return -ENOMEM;
	if (cost.error != 0)
		return emit_refused(cost.error, sink);
	s->period_ns = NS_PER_S / (s->rate_hz != 0 ? s->rate_hz : rate_for(cost.ns));
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
		.may_pause = s->may_pause,
		.program = s->bpf != NULL ? source_bpf_timer_fd(s->bpf) : -1,
	};
	int r = s->period_ns > 0 ? perf_events_open(&wish, &s->events) : 0;
	/* Records are of all processes: it is the first that is ours. */
	if (r >= 0 && s->events.is_whole)
		r = spaces_exec(s->spaces, pid, 0);
	if (r >= 0)
		return 0;
	log_info("no samples of the CPU: %s", perf_events_why(r));
	return emit_refused(r, sink);
}

int source_perf_begin(struct source_perf *s, const struct perf_target *target, struct sink sink)
{
	s->bpf = source_bpf_tells(target->bpf, TOLD_CALLS) ? target->bpf : NULL;
	s->use_ns_pids = target->use_ns_pids;
	s->may_pause = target->is_endless;
	s->is_on = true;
	s->is_paused = false;
	s->thin = 0;
	s->begin_ns = now_ns();
	s->spaces = spaces_new(s->modules);
	s->unwinder = s->spaces != NULL ? unwinder_new(s->spaces) : NULL;
	if (s->unwinder == NULL)
		return -ENOMEM;
	int r = begin_timer(s, target->pid, sink);
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
	source_bpf_take_stacks(s->bpf, GAP_NS, s->wait_ns);
	return 0;
}

int source_perf_fd(const struct source_perf *s)
{
	return s->events.epoll_fd;
}

/* ---- samples ---- */

static int emit_sample(struct source_perf *s, struct snapshot *snapshot, struct sl_sample *sample)
{
	const bool is_timer = sample->reason == SL_SAMPLE_TIMER;
	if (now_ns() > s->patience_ns) {
		s->n_late++;
		return 0;
	}
	s->n_kept++;
	s->teller.time_ns = snapshot->time_ns;
	snapshot->goroutine = goroutines_of(&s->goroutines, snapshot, is_timer);
	unwind(s->unwinder, snapshot, &s->unwound);
	interpreters_merge(&s->interpreters, snapshot, is_timer, &s->unwound);
	int r = intern_stack(s->intern, &s->unwound, &sample->stack);
	if (r < 0)
		return r;
	if (sample->stack == 0 && s->unwound.n > 0)
		s->n_lost++;
	return s->teller.sink.event(s->teller.sink.data, &sample->event);
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

static int take_snapshot(struct source_perf *s, const struct stack_snapshot *taken)
{
	int r;
	if (is_along(s, taken, &r))
		return r;
	struct snapshot snapshot = {
		.time_ns = taken->time_ns,
		.pid = (pid_t)taken->own_pid,
		.tid = (pid_t)taken->own_tid,
		.stack = taken->bytes,
		.n_stack = taken->n_bytes,
	};
	struct sl_sample sample =
		sample_header(taken->time_ns, (pid_t)taken->pid, (pid_t)taken->tid, false);
	sample.reason = taken->reason;
	sample.syscall = taken->syscall;
	sample.since_ns = taken->since_ns;
	memcpy(snapshot.registers, taken->registers, sizeof(snapshot.registers));
	_Static_assert(sizeof(snapshot.registers) == sizeof(taken->registers),
		       "the same registers");
	return emit_sample(s, &snapshot, &sample);
}

static void set_registers(const uint64_t *registers, struct snapshot *ret)
{
	static const uint8_t numbers[PERF_REGISTERS] = {
		[0] = REGISTER_RAX,  [1] = REGISTER_RBX,  [2] = REGISTER_RCX,  [3] = REGISTER_RDX,
		[4] = REGISTER_RSI,  [5] = REGISTER_RDI,  [6] = REGISTER_RBP,  [7] = REGISTER_RSP,
		[8] = REGISTER_RIP,  [12] = REGISTER_R8,  [13] = REGISTER_R9,  [14] = REGISTER_R10,
		[15] = REGISTER_R11, [16] = REGISTER_R12, [17] = REGISTER_R13, [18] = REGISTER_R14,
		[19] = REGISTER_R15,
	};
	for (size_t i = 0; i < PERF_REGISTERS; i++)
		if (i < 9 || i >= 12) /* flags and segments */
			ret->registers[numbers[i]] = registers[i];
}

static size_t copy_kernel(const struct perf_sample *sample, uint64_t ret[static KERNEL_FRAMES])
{
	size_t n = 0;
	for (size_t i = 0; i < sample->n_kernel && n < KERNEL_FRAMES; i++)
		if (sample->kernel[i] < PERF_CONTEXT_MAX)
			ret[n++] = sample->kernel[i];
	return n;
}

static int take_timer(struct source_perf *s, const struct perf_cpu *cpu,
		      const struct perf_event_header *record)
{
	struct perf_sample taken;
	uint64_t kernel[KERNEL_FRAMES];
	/* Of a thread that has just been taken off the list of processes the kernel tells -1. */
	if (!perf_sample_read(record, &taken) || taken.pid <= 0 || taken.tid <= 0)
		return 0;
	struct snapshot snapshot = {
		.time_ns = taken.time_ns,
		.pid = taken.pid,
		.tid = taken.tid,
		.stack = taken.stack,
		.n_stack = taken.n_stack,
		.kernel = kernel,
		.n_kernel = copy_kernel(&taken, kernel),
	};
	struct sl_sample sample =
		sample_header(taken.time_ns, taken.pid, taken.tid, s->use_ns_pids);
	sample.reason = SL_SAMPLE_TIMER;
	sample.syscall = SL_NO_SYSCALL;
	sample.period_ns = cpu->period_ns << s->thin;
	if (taken.registers != NULL)
		set_registers(taken.registers, &snapshot);
	return emit_sample(s, &snapshot, &sample);
}

/* ---- other records ---- */

struct mmap2 {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t address, length, offset;
	union {
		struct {
			uint32_t major, minor;
			uint64_t inode, generation;
		};
		struct {
			uint8_t build_id_size, reserved[3];
			uint8_t build_id[20];
		};
	};
	uint32_t protection, flags;
	char path[];
};

struct birth { /* FORK and EXIT */
	struct perf_event_header header;
	uint32_t pid, parent_pid, tid, parent_tid;
	uint64_t time_ns;
};

struct named { /* COMM */
	struct perf_event_header header;
	uint32_t pid, tid;
};

struct lost {
	struct perf_event_header header;
	uint64_t id, n;
};

static int take_mapping(struct source_perf *s, const struct mmap2 *m, uint64_t time_ns)
{
	if (m->header.size <= sizeof(*m))
		return 0;
	struct mapping mapping = {
		.address = m->address,
		.length = m->length,
		.offset = m->offset,
		.path = m->path,
	};
	struct file_identity *identity = &mapping.identity;
	if (m->header.misc & PERF_RECORD_MISC_MMAP_BUILD_ID) {
		identity->n_build_id =
			m->build_id_size <= sizeof(m->build_id) ? m->build_id_size : 0;
		memcpy(identity->build_id, m->build_id, identity->n_build_id);
	} else {
		identity->device_major = m->major;
		identity->device_minor = m->minor;
		identity->inode = m->inode;
	}
	const int r = spaces_map(s->spaces, (pid_t)m->pid, time_ns, &mapping);
	if (r >= 0)
		interpreters_mapped(&s->interpreters, (pid_t)m->pid,
				    spaces_find(s->spaces, (pid_t)m->pid, time_ns, m->address));
	return r;
}

static void take_exec(struct source_perf *s, pid_t pid, uint64_t time_ns)
{
	(void)spaces_exec(s->spaces, pid, time_ns);
	interpreters_gone(&s->interpreters, pid);
}

static void take_fork(struct source_perf *s, const struct birth *birth, uint64_t time_ns)
{
	(void)spaces_fork(s->spaces, (pid_t)birth->pid, (pid_t)birth->parent_pid, time_ns);
	interpreters_forked(&s->interpreters, (pid_t)birth->pid, (pid_t)birth->parent_pid);
}

static void take_exit(struct source_perf *s, pid_t pid, uint64_t time_ns)
{
	spaces_exit(s->spaces, pid, time_ns + LAST_THREADS_NS);
	interpreters_gone(&s->interpreters, pid);
}

/* Whose mappings are followed: the command's, those of what it creates, and of what was sampled. */
static bool is_followed(const struct source_perf *s, pid_t pid)
{
	return !s->events.is_whole || spaces_have(s->spaces, pid);
}

/* What the spaces have no room for shows as code that belongs to nothing known. */
static int take_record(struct source_perf *s, const struct perf_cpu *cpu,
		       const struct perf_event_header *record, uint64_t time_ns)
{
	const struct birth *birth = (const struct birth *)record;
	/* MMAP2, COMM, FORK and EXIT all begin with it. */
	const pid_t pid = (pid_t)((const struct named *)record)->pid;
	switch (record->type) {
	case PERF_RECORD_SAMPLE:
		return take_timer(s, cpu, record);
	case PERF_RECORD_MMAP2:
		if (is_followed(s, pid))
			(void)take_mapping(s, (const struct mmap2 *)record, time_ns);
		break;
	case PERF_RECORD_COMM:
		if ((record->misc & PERF_RECORD_MISC_COMM_EXEC) && is_followed(s, pid))
			take_exec(s, pid, time_ns);
		break;
	case PERF_RECORD_FORK:
		if (birth->pid != birth->parent_pid && is_followed(s, (pid_t)birth->parent_pid))
			take_fork(s, birth, time_ns);
		break;
	case PERF_RECORD_EXIT:
		if (birth->pid == birth->tid && is_followed(s, pid))
			take_exit(s, pid, time_ns);
		break;
	case PERF_RECORD_LOST:
		s->n_lost += ((const struct lost *)record)->n;
		break;
	default:
		break;
	}
	return 0;
}

/* ---- in order ---- */

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

/* What happened until @until_ns. */
static int read_rings(struct source_perf *s, uint64_t until_ns)
{
	int r = 0, n = 0;
	s->patience_ns = now_ns() + PATIENCE_NS;
	while (r >= 0) {
		uint64_t time_ns = UINT64_MAX;
		struct perf_cpu *cpu = oldest(s, &time_ns);
		const struct stack_snapshot *snapshot = snapshot_ring_peek(&s->snapshots);
		if (snapshot != NULL && snapshot->time_ns < time_ns) {
			if (snapshot->time_ns > until_ns)
				break;
			r = take_snapshot(s, snapshot);
			snapshot_ring_drop(&s->snapshots);
		} else {
			if (cpu == NULL || time_ns > until_ns)
				break;
			r = take_record(s, cpu, perf_ring_peek(&cpu->ring), time_ns);
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
	if (!s->may_pause || !s->is_on || thin == 0 || now < s->turn_ns)
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

int source_perf_drain(struct source_perf *s, struct sink sink)
{
	const uint64_t now = now_ns();
	struct epoll_event events[16];
	if (s->spaces == NULL)
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
	perf_events_let_run(&s->events, false);
	if (s->bpf != NULL)
		source_bpf_take_stacks(s->bpf, 0, 0);
}

int source_perf_end(struct source_perf *s, struct sink sink)
{
	if (s->spaces == NULL)
		return 0;
	source_perf_ready(s);
	s->teller.sink = sink;
	const int r = read_rings(s, UINT64_MAX);
	perf_events_close(&s->events);
	interpreters_end(&s->interpreters);
	forget_spaces(s);
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
	const struct samples_told told = {
		.n_kept = s->n_kept,
		.n_late = s->n_late,
		.n_lost = s->n_lost + (s->bpf != NULL ? source_bpf_stacks_lost(s->bpf) : 0),
	};
	return r < 0 ? r : tell_lost(&told, sink);
}

/* ---- doctor ---- */

const char *source_perf_try(const char **ret_remedy, uint64_t *ret_ns)
{
	struct cost_trial trial;
	cost_trial_start(&trial);
	const struct sample_cost cost = cost_trial_finish(&trial);
	*ret_remedy = perf_events_remedy(cost.error);
	*ret_ns = cost.ns;
	return cost.error != 0 ? perf_events_why(cost.error) : NULL;
}
