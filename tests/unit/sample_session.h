/* SPDX-License-Identifier: MIT */
/* A session made by hand, for the tests of reports and of the session document: a server that
 * waits for its database, started by a shell. */
#ifndef TESTS_UNIT_SAMPLE_SESSION_H
#define TESTS_UNIT_SAMPLE_SESSION_H

#include <assert.h>
#include <math.h>
#include <string.h>

#include "userspace/model/metrics.h"
#include "userspace/model/session.h"

#define MS 1000000LL

/* Copies @n items into the session's arena. */
static void *sample_copy(struct session *s, const void *items, size_t n_bytes)
{
	void *copy = arena_memdup(s->arena, items, n_bytes);
	assert(copy != NULL);
	return copy;
}
#define SAMPLE(s, to, count, from)                          \
	do {                                                \
		(to) = sample_copy(s, from, sizeof(from));  \
		(count) = sizeof(from) / sizeof((from)[0]); \
	} while (0)

static struct session *sample_new(size_t n_runs)
{
	struct arena *arena = arena_new();
	assert(arena != NULL);
	struct session *s = arena_alloc(arena, sizeof(*s));
	s->arena = arena;
	s->version = "0.1.0";
	s->runs = arena_alloc_array(arena, n_runs, sizeof(*s->runs));
	s->n_runs = n_runs;
	s->design = (struct design){ .runs = (int64_t)n_runs, .warmup = 0, .until = "exit" };
	s->host.cpus = UNKNOWN;
	for (size_t i = 0; i < n_runs; i++) {
		struct run *run = &s->runs[i];
		*run = (struct run){ .session = s,
				     .exit_code = 0,
				     .exit_signal = UNKNOWN,
				     .exit_reason = "exit",
				     .is_complete = true,
				     .overhead_ns = UNKNOWN,
				     .overhead_error_ns = UNKNOWN,
				     .overhead_probes_ns = UNKNOWN,
				     .overhead_shim_ns = UNKNOWN,
				     .overhead_stacks_ns = UNKNOWN,
				     .ready_ns = UNKNOWN,
				     .startup_total_ns = 0,
				     .startup_unknown_ns = 0,
				     .has_segments = true,
				     .file_opens = UNKNOWN,
				     .file_misses = UNKNOWN,
				     .files_cut = UNKNOWN,
				     .samples_timer = UNKNOWN,
				     .samples_call = UNKNOWN,
				     .samples_fault = UNKNOWN,
				     .samples_wait = UNKNOWN,
				     .samples_cut = UNKNOWN,
				     .sample_period_ns = UNKNOWN,
				     .lost_bpf = UNKNOWN,
				     .lost_shim = UNKNOWN,
				     .wall_ns = UNKNOWN,
				     .cpus = UNKNOWN,
				     .peak_rss_bytes = UNKNOWN,
				     .peak_rss_error_bytes = UNKNOWN,
				     .peak_cgroup_bytes = UNKNOWN,
				     .ready_rss_bytes = UNKNOWN,
				     .heap_peak_bytes = UNKNOWN,
				     .heap_peak_error_bytes = UNKNOWN,
				     .threads_peak = UNKNOWN,
				     .switches_summed = UNKNOWN };
		run->values = arena_alloc_array(arena, metrics_count(), sizeof(double));
		for (size_t m = 0; m < metrics_count(); m++)
			run->values[m] = NAN;
	}
	return s;
}

static void sample_value(struct run *run, const char *id, double value)
{
	for (size_t i = 0; metrics[i].id != NULL; i++) {
		if (strcmp(metrics[i].id, id) == 0) {
			run->values[i] = value;
			return;
		}
	}
	assert(!"no such metric");
}

/* Adds a segment that begins where the last one ended. */
static struct segment *sample_segment(struct session *s, struct run *run, int64_t duration_ns,
				      enum phase phase, enum cause cause, const char *detail)
{
	struct segment *grown = arena_alloc_array(s->arena, run->n_segments + 1, sizeof(*grown));
	assert(grown != NULL);
	if (run->n_segments > 0)
		memcpy(grown, run->segments, run->n_segments * sizeof(*grown));
	struct segment *last = &grown[run->n_segments++];
	run->segments = grown;
	*last = (struct segment){ .start_ns = run->startup_total_ns,
				  .duration_ns = duration_ns,
				  .process = 1,
				  .thread = 4123,
				  .phase = phase,
				  .state = cause == CAUSE_CPU	     ? ACTIVITY_RUNNING
					   : cause == CAUSE_RUNQUEUE ? ACTIVITY_RUNNABLE
								     : ACTIVITY_BLOCKED,
				  .cause = cause,
				  .detail = detail,
				  .stack = UNKNOWN };
	run->startup_total_ns += duration_ns;
	return last;
}

static struct process sample_process(struct session *s, int id, const char *exe,
				     const char *argument)
{
	const char *argv[] = { exe, argument };
	struct process p = { .id = id,
			     .parent = id > 1 ? 1 : 0,
			     .pid = 4122 + id,
			     .exe = exe,
			     .start_ns = (id - 1) * 11 * MS,
			     .exit_ns = UNKNOWN,
			     .exit_code = UNKNOWN,
			     .exit_signal = UNKNOWN,
			     .user_ns = id * 5100000LL,
			     .system_ns = id * 2100000LL,
			     .run_ns = id * 7200000LL,
			     .peak_rss_bytes = id * 8500000LL,
			     .peak_kinds = { true, id * 5000000LL, id * 3500000LL, 0 },
			     .ready_rss_bytes = id * 8100000LL,
			     .minor_faults = id * 812LL,
			     .major_faults = 0,
			     .read_bytes = 0,
			     .write_bytes = 4096,
			     .read_chars = 23,
			     .write_chars = 41,
			     .voluntary_switches = 7,
			     .involuntary_switches = 3,
			     .net_rx_bytes = 117,
			     .net_tx_bytes = UNKNOWN,
			     .threads_peak = 5,
			     .coverage_heap = "counted",
			     .coverage_kernel = "bpf" };
	const struct syscall syscalls[] = {
		{ .name = "read",
		  .calls = 23,
		  .errors = 1,
		  .total_ns = 41000,
		  .cpu_ns = 13000,
		  .ready_calls = 7 },
		{ .name = "getpid",
		  .calls = 41,
		  .errors = 0,
		  .total_ns = UNKNOWN,
		  .cpu_ns = UNKNOWN,
		  .ready_calls = UNKNOWN },
	};
	SAMPLE(s, p.argv.items, p.argv.n, argv);
	SAMPLE(s, p.syscalls, p.n_syscalls, syscalls);
	p.has_syscalls = true;
	struct image images[] = { { .time_ns = p.start_ns,
				    .done_ns = p.start_ns + MS,
				    .linked_ns = p.start_ns + 24 * MS,
				    .main_ns = UNKNOWN,
				    .exe = exe,
				    .argv = p.argv,
				    .argv_bytes = 31,
				    .result = "ok" } };
	SAMPLE(s, p.images, p.n_images, images);
	p.heap = (struct heap){ .is_known = true,
				.allocs = 3412,
				.frees = 901,
				.bytes = 2400000,
				.peak_bytes = 1200000,
				.peak_error_bytes = 4096,
				.ready_bytes = 1100000,
				.exit_bytes = 1100001,
				.calls = { 3001, 211, 150, 50, 800, 101, 0, 1 },
				.buckets = { 0, 0, 5, 0, 0, 2312, 1000, 95 } };
	return p;
}

#define SAMPLE_LIBC   "/lib/x86_64-linux-gnu/libc.so.6"
#define SAMPLE_LOADER "/lib64/ld-linux-x86-64.so.2"
#define SAMPLE_SERVER "/usr/bin/server"

/* What the server's code is called: _start > main > build_index, parse, load_config, open_db. */
static void sample_code(struct session *s)
{
	const struct frame frames[] = {
		{ "_start", SAMPLE_SERVER, "c0de", 0x10, NULL, UNKNOWN },
		{ "main", SAMPLE_SERVER, "c0de", 0x20, "/src/server.c", 40 },
		{ "build_index", SAMPLE_SERVER, "c0de", 0x30, "/src/index.c", 7 },
		{ "parse", SAMPLE_SERVER, "c0de", 0x40, "/src/parse.c", 99 },
		{ "load_config", SAMPLE_SERVER, "c0de", 0x50, "/src/config.c", 23 },
		{ "open_db", SAMPLE_SERVER, "c0de", 0x60, "/src/db.c", 112 },
		{ "read", SAMPLE_LIBC, "11bc", 0x70, NULL, UNKNOWN },
		{ "connect", SAMPLE_LIBC, "11bc", 0x80, NULL, UNKNOWN },
		{ "vfs_read", "[kernel]", NULL, 0x90, NULL, UNKNOWN },
		{ "_dl_relocate_object", SAMPLE_LOADER, "1d", 0xa0, NULL, UNKNOWN },
		{ "do_lookup_x", SAMPLE_LOADER, "1d", 0xb0, NULL, UNKNOWN },
		{ NULL, "/opt/lib/libbig.so", NULL, 0x1f40, NULL, UNKNOWN },
		{ NULL, NULL, NULL, 0x7f0000001000, NULL, UNKNOWN },
	};
	static const int64_t of_stacks[][5] = {
		{ 2, 1, 0, -1 }, { 3, 1, 0, -1 }, { 8, 6, 4, 1, 0 },  { 1, 0, -1 }, { 9, -1 },
		{ 10, 9, -1 },	 { 11, 9, -1 },	  { 7, 5, 1, 0, -1 }, { 12, -1 },
	};
	struct stack stacks[sizeof(of_stacks) / sizeof(of_stacks[0])] = { 0 };
	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		while (stacks[i].n_frames < 5 && of_stacks[i][stacks[i].n_frames] >= 0)
			stacks[i].n_frames++;
		stacks[i].frames =
			sample_copy(s, of_stacks[i], stacks[i].n_frames * sizeof(int64_t));
		stacks[i].is_cut = i == 8;
	}
	SAMPLE(s, s->frames, s->n_frames, frames);
	SAMPLE(s, s->stacks, s->n_stacks, stacks);
}
enum sample_stack {
	STACK_INDEX,
	STACK_PARSE,
	STACK_READ,
	STACK_MAIN,
	STACK_RELOCATE,
	STACK_LOOKUP,
	STACK_INIT,
	STACK_CONNECT,
	STACK_UNKNOWN
};

static void sample_taken(struct run *run, enum phase phase, int64_t start_ns, int64_t weight_ns,
			 int64_t stack)
{
	run->samples[run->n_samples++] = (struct cpu_sample){ .process = 2,
							      .thread = 4124,
							      .phase = phase,
							      .cause = CAUSE_CPU,
							      .stack = stack,
							      .is_open = stack == STACK_MAIN,
							      .start_ns = start_ns,
							      .weight_ns = weight_ns,
							      .is_critical = true };
}

/* As the segments of sample_fill_run() have it. */
static void sample_stacks(struct session *s, struct run *run)
{
	run->samples = arena_alloc_array(s->arena, 64, sizeof(*run->samples));
	assert(run->samples != NULL);
	sample_taken(run, PHASE_EXEC, 0, 812000, UNKNOWN);
	for (int i = 0; i < 23; i++)
		sample_taken(run, PHASE_LINK, (i + 1) * MS, 900000,
			     i % 3 == 2 ? STACK_RELOCATE : STACK_LOOKUP);
	sample_taken(run, PHASE_INIT, 24 * MS, 2 * MS, STACK_INIT);
	for (int i = 0; i < 16; i++)
		sample_taken(run, PHASE_MAIN, (i + 26) * MS, MS,
			     i < 9    ? STACK_INDEX
			     : i < 13 ? STACK_PARSE
			     : i < 15 ? STACK_MAIN
				      : STACK_UNKNOWN);
	for (int i = 0; i < 10; i++)
		sample_taken(run, PHASE_MAIN, (i + 46) * MS, MS, STACK_READ);
	sample_taken(run, PHASE_MAIN, 26 * MS, 5 * MS, STACK_PARSE);
	run->samples[run->n_samples - 1].thread = 4125;
	run->samples[run->n_samples - 1].is_critical = false;
	run->has_samples = true;
	run->samples_timer = 11;
	run->samples_call = 37;
	run->samples_fault = 1;
	run->samples_wait = 1;
	run->samples_cut = 0;
	run->sample_period_ns = 2 * MS;
}

static void sample_fill_run(struct session *s, struct run *run, int64_t late_ns)
{
	const struct process processes[] = {
		sample_process(s, 1, "/bin/sh", "entry.sh"),
		sample_process(s, 2, "/usr/bin/server", "--port=7777"),
		sample_process(s, 3, "/bin/busybox", "sleep 1"),
	};
	const struct milestone milestones[] = {
		{ "exec", 0, 1, "execve", "bpf" },
		{ "linked", 24 * MS, 2, "libraries relocated", "shim" },
		{ "main", 26 * MS, 2, "main is entered", "shim" },
		{ "bind", 40 * MS, 2, "tcp 127.0.0.1:7777", "bpf" },
		{ "listen", 56 * MS, 2, "tcp 127.0.0.1:7777", "bpf" },
		{ "accept_ready", 456 * MS + late_ns, 2, "epoll_wait", "bpf" },
		{ "first_accept", UNKNOWN, 0, "no client came", "" },
		{ "first_byte", UNKNOWN, 0, "no client came", "" },
	};
	const struct listener listeners[] = { { .process = 2,
						.endpoint = "tcp 127.0.0.1:7777",
						.bind_ns = 40 * MS,
						.listen_ns = 56 * MS,
						.accept_ready_ns = 456 * MS + late_ns,
						.first_accept_ns = UNKNOWN,
						.first_byte_ns = UNKNOWN,
						.accept_ready_process = 2,
						.evidence = "epoll_wait" } };
	int64_t replies[] = { 3 * MS, 2 * MS };
	struct connection connections[] = { { .process = 2,
					      .peer = "tcp 127.0.0.1:5432",
					      .start_ns = 56 * MS,
					      .duration_ns = 400 * MS,
					      .reply_ns = 3 * MS,
					      .result = "ok" } };
	static const char *missed[] = { "/opt/a", "/opt/b" };
	const struct library libraries[] = {
		{ .process = 2,
		  .path = "/lib/x86_64-linux-gnu/libc.so.6",
		  .start_ns = 3 * MS,
		  .search_ns = 100000,
		  .map_ns = 300000,
		  .relocate_ns = 200000,
		  .init_ns = 20000,
		  .constructor = "init_cacheinfo",
		  .constructor_ns = 15000,
		  .path_ns = 620000 },
		{ .process = 2,
		  .path = "/opt/lib/libbig.so",
		  .start_ns = 4 * MS,
		  .search_ns = 5 * MS,
		  .map_ns = 2 * MS,
		  .relocate_ns = 13 * MS,
		  .init_ns = UNKNOWN,
		  .constructor_ns = UNKNOWN,
		  .path_ns = 20 * MS,
		  .misses = 2,
		  .missed = { .items = missed, .n = 2 },
		  .is_late = true },
	};
	const struct finding findings[] = {
		{ "early-listen", 400 * MS,
		  "tcp 127.0.0.1:7777: listen at 56 ms, served from 456 ms on",
		  "call listen when the program can serve, or wait for accept_ready" },
	};
	const struct loss losses[] = { { "bpf", "open", 12 }, { "bpf", "exec", 1 } };
	SAMPLE(s, run->processes, run->n_processes, processes);
	run->processes[2].heap.is_known = false;
	run->processes[2].coverage_heap = "static";
	run->processes[2].exit_ns = 33 * MS;
	run->processes[2].exit_code = 1;
	SAMPLE(s, run->milestones, run->n_milestones, milestones);
	SAMPLE(s, run->listeners, run->n_listeners, listeners);
	SAMPLE(s, connections[0].replies_ns, connections[0].n_replies, replies);
	SAMPLE(s, run->connections, run->n_connections, connections);
	const struct language_module modules[] = {
		{ .id = 1,
		  .parent = UNKNOWN,
		  .name = "flask",
		  .language = "python",
		  .how = "probe",
		  .process = 2,
		  .thread = 4124,
		  .start_ns = 12 * MS,
		  .self_ns = 2 * MS,
		  .total_ns = 9 * MS,
		  .self_cpu_ns = 1 * MS,
		  .total_cpu_ns = 8 * MS,
		  .self_path_ns = 2 * MS,
		  .total_path_ns = 9 * MS },
		{ .id = 2,
		  .parent = 1,
		  .name = "jinja2",
		  .language = "python",
		  .how = "files",
		  .process = 2,
		  .thread = 4124,
		  .start_ns = 13 * MS,
		  .self_ns = 7 * MS,
		  .total_ns = 7 * MS,
		  .self_cpu_ns = 7 * MS,
		  .total_cpu_ns = 7 * MS,
		  .self_path_ns = 7 * MS,
		  .total_path_ns = 7 * MS },
	};
	SAMPLE(s, run->language_modules, run->n_language_modules, modules);
	run->has_language_modules = true;
	const struct file files[] = {
		{ .path = "/etc/hosts",
		  .process = 2,
		  .opens = 23,
		  .misses = 0,
		  .first_ns = 11 * MS,
		  .open_ns = 41000,
		  .waits = 1,
		  .wait_ns = 7 * MS },
		{ .path = "/missing", .process = 1, .opens = 0, .misses = 3, .first_ns = UNKNOWN },
	};
	SAMPLE(s, run->files, run->n_files, files);
	run->has_files = true;
	run->files_cut = 5;
	SAMPLE(s, run->libraries, run->n_libraries, libraries);
	SAMPLE(s, run->findings, run->n_findings, findings);
	SAMPLE(s, run->losses, run->n_losses, losses);
	run->has_libraries = true;
	run->has_link_phase = true;
	run->has_init_phase = true;
	run->has_ready = true;
	run->ready_ns = 456 * MS + late_ns;
	run->ready_level = "accept_ready";
	run->ready_process = 2;
	run->ready_endpoint = "tcp 127.0.0.1:7777";
	run->exit_reason = "ready";
	run->file_opens = 41;
	run->file_misses = 3;
	run->lost_bpf = 13;
	run->lost_shim = 0;
	run->is_complete = false;
	run->incomplete = "13 records were lost";
	run->overhead_ns = 310000;
	run->overhead_error_ns = 42000;
	run->overhead_probes_ns = 120000;
	run->overhead_shim_ns = 180000;
	run->overhead_stacks_ns = 10000;
	run->wall_ns = 480 * MS;
	run->cpus = 2;
	run->peak_rss_bytes = 25500000;
	run->cpu_speed = 900000;

	(void)sample_segment(s, run, 812000, PHASE_EXEC, CAUSE_CPU, "execve");
	(void)sample_segment(s, run, 188000, PHASE_EXEC, CAUSE_DISK, "/usr/bin/server");
	for (int i = 0; i < 23; i++) {
		(void)sample_segment(s, run, 900000, PHASE_LINK, CAUSE_CPU, "");
		(void)sample_segment(s, run, 100000, PHASE_LINK, CAUSE_PAGE_FAULT, "libbig.so");
	}
	(void)sample_segment(s, run, 2 * MS, PHASE_INIT, CAUSE_CPU, "");
	(void)sample_segment(s, run, 16 * MS, PHASE_MAIN, CAUSE_CPU, "");
	(void)sample_segment(s, run, 4 * MS, PHASE_MAIN, CAUSE_RUNQUEUE, "");
	(void)sample_segment(s, run, 10 * MS, PHASE_MAIN, CAUSE_CPU, "read");
	sample_segment(s, run, 400 * MS + late_ns, PHASE_MAIN, CAUSE_CONNECT, "tcp 127.0.0.1:5432")
		->stack = STACK_CONNECT;
	sample_stacks(s, run);
	for (size_t i = 0; i < run->n_segments; i++) {
		run->segments[i].process = 2;
		run->segments[i].thread = 4124;
	}

	sample_value(run, "time.wall", (double)run->wall_ns);
	sample_value(run, "startup.ready", (double)run->ready_ns);
	sample_value(run, "cpu.user", 15300000);
	sample_value(run, "cpu.system", 6300000);
	sample_value(run, "cpu.utilization", 0.0225);
	sample_value(run, "mem.peak_rss", 25500000);
	sample_value(run, "heap.allocs", 6824);
	sample_value(run, "heap.frees", 1802);
	sample_value(run, "heap.bytes", 4800000);
	sample_value(run, "heap.peak", 2400000);
	sample_value(run, "faults.minor", 4872);
	sample_value(run, "faults.major", 0);
	sample_value(run, "proc.count", 3);
	sample_value(run, "proc.execs", 3);
	sample_value(run, "net.connects", 1);
	sample_value(run, "files.opens", 41);
	sample_value(run, "files.misses", 3);
}

__attribute__((unused)) static struct session *sample_server(size_t n_runs)
{
	struct session *s = sample_new(n_runs);
	const char *command[] = { "sh", "entry.sh" };
	const char *ready[] = { "accept" };
	const char *probes[] = { "bpf", "shim" };
	const char *notes[] = { "the ring was 64 KiB" };
	SAMPLE(s, s->command.items, s->command.n, command);
	SAMPLE(s, s->design.ready.items, s->design.ready.n, ready);
	SAMPLE(s, s->design.probes.items, s->design.probes.n, probes);
	SAMPLE(s, s->notes, s->n_notes, notes);
	s->design.heap = "count";
	s->design.stacks = "auto";
	s->design.until = "ready";
	s->design.warmup = 1;
	s->host = (struct host){ .cpu = "A CPU",
				 .kernel = "6.1.0",
				 .libc = "glibc 2.36",
				 .fingerprint = "sha256:1234",
				 .cpus = 2 };
	sample_code(s);
	for (size_t i = 0; i < n_runs; i++)
		sample_fill_run(s, &s->runs[i], (int64_t)i * MS);
	const int rc = metrics_collect(s);
	assert(rc == 0);
	(void)rc;
	return s;
}

#endif
