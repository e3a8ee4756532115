/* SPDX-License-Identifier: MIT */
/* The session document as tables: keys, order and nesting. docs/report.schema.json says the same
 * to the world. */

#include "userspace/model/document/session_fields.h"

/* clang-format off */
#define SCALAR(type, member, json, how) \
	{ .key = json, .kind = how, .offset = offsetof(struct type, member) }
#define INT(type, member, json)     SCALAR(type, member, json, FIELD_INT)
#define PROCESS(type, member, json) SCALAR(type, member, json, FIELD_PROCESS)
#define BOOL(type, member, json)    SCALAR(type, member, json, FIELD_BOOL)
#define TEXT(type, member, json)    SCALAR(type, member, json, FIELD_TEXT)
#define DETAIL(type, member, json)  SCALAR(type, member, json, FIELD_DETAIL)
#define DOUBLE(type, member, json)  SCALAR(type, member, json, FIELD_DOUBLE)
#define SIZE(type, member, json)    SCALAR(type, member, json, FIELD_SIZE)
#define NAME(type, member, json, of, other) \
	{ .key = json, .kind = FIELD_NAME, .offset = offsetof(struct type, member), \
	  .names = &(of), .fallback = (other) }
#define COUNTED(type, member, count, json, how) \
	{ .key = json, .kind = how, .offset = offsetof(struct type, member), \
	  .count_offset = offsetof(struct type, count) }
#define TEXTS(type, member, json) COUNTED(type, member.items, member.n, json, FIELD_TEXTS)
#define ARRAY(type, member, json, of) \
	{ .key = json, .kind = FIELD_ARRAY, .offset = offsetof(struct type, member), \
	  .count_offset = offsetof(struct type, n_##member), .record = &(of) }
#define ARRAY_IF(type, member, json, of, gate) \
	{ .key = json, .kind = FIELD_ARRAY, .offset = offsetof(struct type, member), \
	  .count_offset = offsetof(struct type, n_##member), .record = &(of), \
	  .has_gate = true, .gate_offset = offsetof(struct type, gate) }
/* Members of the struct itself that the document keeps in an object of their own. */
#define GROUP(json, of) { .key = json, .kind = FIELD_OBJECT, .record = &(of) }
#define GROUP_IF(type, json, of, gate) \
	{ .key = json, .kind = FIELD_OBJECT, .record = &(of), \
	  .has_gate = true, .gate_offset = offsetof(struct type, gate) }
#define WITHIN(type, member, json, of) \
	{ .key = json, .kind = FIELD_OBJECT, .offset = offsetof(struct type, member), \
	  .record = &(of) }
#define RECORD(id, type, text, on_one_line, ...) \
	static const struct field id##_fields[] = { __VA_ARGS__, { .key = NULL } }; \
	static const struct record id = { text, sizeof(struct type), on_one_line, id##_fields }

/* --- processes ------------------------------------------------------------------------------ */

RECORD(image_record, image, "exec", false,
	INT(image, time_ns, "time_ns"),
	DETAIL(image, exe, "exe"),
	TEXTS(image, argv, "argv"),
	INT(image, argv_bytes, "argv_bytes"),
	BOOL(image, is_truncated, "truncated"),
	DETAIL(image, result, "result"),
	INT(image, done_ns, "done_ns"),
	INT(image, linked_ns, "linked_ns"),
	INT(image, main_ns, "main_ns"),
	BOOL(image, is_static, "static"),
	BOOL(image, is_secure, "secure"),
	BOOL(image, is_32bit, "is_32bit"));

/* In the order of enum sl_heap_call. */
RECORD(calls_record, heap, "heap calls", true,
	INT(heap, calls[0], "malloc"),
	INT(heap, calls[1], "calloc"),
	INT(heap, calls[2], "realloc"),
	INT(heap, calls[3], "memalign"),
	INT(heap, calls[4], "free"),
	INT(heap, calls[5], "realloc_free"),
	INT(heap, calls[6], "failed"),
	INT(heap, calls[7], "unmatched"));
_Static_assert(HEAP_CALLS == 8, "each kind of heap call has its key");

RECORD(site_sum_record, site_sum, "site", true,
	INT(site_sum, blocks, "blocks"),
	INT(site_sum, bytes, "bytes"),
	INT(site_sum, sampled_bytes, "sampled_bytes"),
	INT(site_sum, error_bytes, "error_bytes"),
	INT(site_sum, low_bytes, "low_bytes"),
	INT(site_sum, high_bytes, "high_bytes"),
	INT(site_sum, samples, "samples"));

#define SITE_SUM(part, json) \
	{ .key = json, .kind = FIELD_OBJECT, .offset = offsetof(struct site, sums[part]), \
	  .record = &site_sum_record, .has_gate = true, \
	  .gate_offset = offsetof(struct site, sums[part]) + offsetof(struct site_sum, is_known) }
RECORD(site_record, site, "call site", true,
	INT(site, stack, "stack"),
	INT(site, lifetime_ns, "lifetime_ns"),
	SITE_SUM(SITE_TOTAL, "total"),
	SITE_SUM(SITE_READY, "ready"),
	SITE_SUM(SITE_EXIT, "exit"),
	SITE_SUM(SITE_PEAK, "peak"),
	SITE_SUM(SITE_TREE_PEAK, "tree_peak"),
	SITE_SUM(SITE_TEMPORARY, "temporary"));
_Static_assert(SITE_PARTS == 6, "each part of a call site has its key");

RECORD(heap_record, heap, "heap", false,
	INT(heap, allocs, "allocs"),
	INT(heap, frees, "frees"),
	INT(heap, bytes, "bytes"),
	INT(heap, peak_bytes, "peak_bytes"),
	INT(heap, peak_error_bytes, "peak_error_bytes"),
	INT(heap, ready_bytes, "ready_bytes"),
	INT(heap, exit_bytes, "exit_bytes"),
	GROUP("calls", calls_record),
	SCALAR(heap, buckets, "histogram", FIELD_HISTOGRAM),
	ARRAY_IF(heap, sites, "sites", site_record, has_sites),
	INT(heap, sites_cut, "sites_cut"));

RECORD(allocator_look_record, allocator_look, "allocator", true,
	INT(allocator_look, time_ns, "time_ns"),
	INT(allocator_look, live_bytes, "live_bytes"),
	INT(allocator_look, error_bytes, "error_bytes"),
	INT(allocator_look, allocated_bytes, "allocated_bytes"),
	INT(allocator_look, held_bytes, "held_bytes"),
	INT(allocator_look, threads_ended, "threads_ended"));

#define ALLOCATOR_LOOK(look, json) \
	{ .key = json, .kind = FIELD_OBJECT, .offset = offsetof(struct allocator, looks[look]), \
	  .record = &allocator_look_record, .has_gate = true, \
	  .gate_offset = offsetof(struct allocator, looks[look]) + \
			 offsetof(struct allocator_look, is_known) }
RECORD(allocator_record, allocator, "allocator", false,
	TEXT(allocator, name, "name"),
	TEXT(allocator, version, "version"),
	ALLOCATOR_LOOK(LOOK_READY, "at_ready"),
	ALLOCATOR_LOOK(LOOK_PEAK, "at_peak"),
	ALLOCATOR_LOOK(LOOK_END, "at_end"));

RECORD(coverage_record, process, "coverage", true,
	DETAIL(process, coverage_heap, "heap"),
	DETAIL(process, coverage_kernel, "kernel"),
	TEXT(process, own_allocator, "own_allocator"));

RECORD(syscall_record, syscall, "system call", true,
	DETAIL(syscall, name, "name"),
	INT(syscall, calls, "calls"),
	INT(syscall, errors, "errors"),
	INT(syscall, total_ns, "total_ns"),
	INT(syscall, cpu_ns, "cpu_ns"),
	INT(syscall, ready_calls, "ready_calls"));

RECORD(kinds_record, resident_kinds, "resident memory", true,
	INT(resident_kinds, anonymous_bytes, "anonymous_bytes"),
	INT(resident_kinds, file_bytes, "file_bytes"),
	INT(resident_kinds, shared_bytes, "shared_bytes"));

#define KINDS(member, json) \
	{ .key = json, .kind = FIELD_OBJECT, .offset = offsetof(struct process, member), \
	  .record = &kinds_record, .has_gate = true, \
	  .gate_offset = offsetof(struct process, member) + \
			 offsetof(struct resident_kinds, is_known) }
RECORD(part_record, resident_part, "part of memory", true,
	NAME(resident_part, part, "part", memory_part_names, PART_ANONYMOUS),
	DETAIL(resident_part, name, "name"),
	INT(resident_part, areas, "areas"),
	INT(resident_part, rss_bytes, "rss_bytes"),
	INT(resident_part, pss_bytes, "pss_bytes"),
	INT(resident_part, private_bytes, "private_bytes"),
	INT(resident_part, dirty_bytes, "dirty_bytes"),
	INT(resident_part, swap_bytes, "swap_bytes"));

RECORD(look_record, resident_look, "look at memory", false,
	INT(resident_look, time_ns, "time_ns"),
	INT(resident_look, rss_bytes, "rss_bytes"),
	INT(resident_look, pss_bytes, "pss_bytes"),
	INT(resident_look, private_bytes, "private_bytes"),
	INT(resident_look, dirty_bytes, "dirty_bytes"),
	INT(resident_look, swap_bytes, "swap_bytes"),
	INT(resident_look, page_table_bytes, "page_table_bytes"),
	ARRAY(resident_look, parts, "parts", part_record));

#define LOOK(look, json) \
	{ .key = json, .kind = FIELD_OBJECT, .offset = offsetof(struct process, looks[look]), \
	  .record = &look_record, .has_gate = true, \
	  .gate_offset = offsetof(struct process, looks[look]) + \
			 offsetof(struct resident_look, is_known) }
RECORD(resident_record, process, "resident memory", false,
	KINDS(peak_kinds, "peak"),
	KINDS(ready_kinds, "ready"),
	LOOK(LOOK_LINKED, "at_linked"),
	LOOK(LOOK_MAIN, "at_main"),
	LOOK(LOOK_READY, "at_ready"),
	LOOK(LOOK_PEAK, "at_peak"),
	LOOK(LOOK_END, "at_end"));

/* In the order of enum growth_way. */
#define GROWTH_SUM(type, member, json) \
	{ .key = json, .kind = FIELD_OBJECT, .offset = offsetof(struct type, member), \
	  .record = &growth_sum_record }
RECORD(growth_sum_record, growth_sum, "growth", true,
	INT(growth_sum, calls, "calls"),
	INT(growth_sum, bytes, "bytes"));
RECORD(map_site_record, map_site, "call site", true,
	INT(map_site, stack, "stack"),
	GROWTH_SUM(map_site, all, "all"),
	GROWTH_SUM(map_site, ready, "ready"));
RECORD(growth_record, growth, "growth", false,
	GROWTH_SUM(growth, ways[GROWTH_BRK], "brk"),
	GROWTH_SUM(growth, ways[GROWTH_MMAP], "mmap"),
	GROWTH_SUM(growth, ways[GROWTH_MREMAP], "mremap"),
	ARRAY(growth, sites, "sites", map_site_record),
	INT(growth, touched_bytes, "touched_bytes"),
	ARRAY(growth, touched_sites, "touched_sites", map_site_record));
RECORD(memory_phase_record, memory_phase, "phase of memory", true,
	DETAIL(memory_phase, until, "until"),
	INT(memory_phase, time_ns, "time_ns"),
	INT(memory_phase, rss_bytes, "rss_bytes"),
	INT(memory_phase, anonymous_bytes, "anonymous_bytes"),
	INT(memory_phase, file_bytes, "file_bytes"),
	INT(memory_phase, shared_bytes, "shared_bytes"),
	INT(memory_phase, heap_bytes, "heap_bytes"),
	GROWTH_SUM(memory_phase, ways[GROWTH_BRK], "brk"),
	GROWTH_SUM(memory_phase, ways[GROWTH_MMAP], "mmap"),
	GROWTH_SUM(memory_phase, ways[GROWTH_MREMAP], "mremap"));
_Static_assert(GROWTH_WAYS == 3, "each way of growth has its key");
RECORD(memory_point_record, memory_point, "moment of memory", true,
	INT(memory_point, time_ns, "time_ns"),
	INT(memory_point, rss_bytes, "rss_bytes"),
	INT(memory_point, heap_bytes, "heap_bytes"));

static const struct field process_fields[] = {
	SCALAR(process, id, "id", FIELD_PROCESS),
	SCALAR(process, parent, "parent", FIELD_PARENT),
	INT(process, pid, "pid"),
	TEXT(process, exe, "exe"),
	TEXTS(process, argv, "argv"),
	TEXT(process, name, "name"),
	{ .key = "execs", .kind = FIELD_ARRAY, .offset = offsetof(struct process, images),
	  .count_offset = offsetof(struct process, n_images), .record = &image_record },
	INT(process, start_ns, "start_ns"),
	INT(process, exit_ns, "exit_ns"),
	INT(process, exit_code, "exit_code"),
	INT(process, exit_signal, "exit_signal"),
	INT(process, user_ns, "user_ns"),
	INT(process, system_ns, "system_ns"),
	INT(process, run_ns, "run_ns"),
	INT(process, peak_rss_bytes, "peak_rss_bytes"),
	INT(process, ready_rss_bytes, "ready_rss_bytes"),
	INT(process, minor_faults, "minor_faults"),
	INT(process, major_faults, "major_faults"),
	INT(process, read_bytes, "read_bytes"),
	INT(process, write_bytes, "write_bytes"),
	INT(process, read_chars, "read_chars"),
	INT(process, write_chars, "write_chars"),
	INT(process, voluntary_switches, "voluntary_switches"),
	INT(process, involuntary_switches, "involuntary_switches"),
	INT(process, net_rx_bytes, "net_rx_bytes"),
	INT(process, net_tx_bytes, "net_tx_bytes"),
	INT(process, threads_peak, "threads_peak"),
	BOOL(process, is_attached, "attached"),
	ARRAY_IF(process, syscalls, "syscalls", syscall_record, has_syscalls),
	{ .key = "heap", .kind = FIELD_OBJECT, .offset = offsetof(struct process, heap),
	  .record = &heap_record, .has_gate = true,
	  .gate_offset = offsetof(struct process, heap) + offsetof(struct heap, is_known) },
	{ .key = "allocator", .kind = FIELD_OBJECT, .offset = offsetof(struct process, allocator),
	  .record = &allocator_record, .has_gate = true,
	  .gate_offset = offsetof(struct process, allocator) + offsetof(struct allocator, is_known) },
	{ .key = "mapped", .kind = FIELD_OBJECT, .offset = offsetof(struct process, growth),
	  .record = &growth_record, .has_gate = true,
	  .gate_offset = offsetof(struct process, growth) + offsetof(struct growth, is_known) },
	GROUP("rss", resident_record),
	GROUP("coverage", coverage_record),
	{ .key = NULL },
};
const struct record process_record = { "process", sizeof(struct process), false, process_fields };

/* --- what happened in a run ----------------------------------------------------------------- */

RECORD(exit_record, run, "exit", true,
	INT(run, exit_code, "code"),
	INT(run, exit_signal, "signal"),
	TEXT(run, exit_reason, "reason"));

RECORD(ready_record, run, "ready", true,
	INT(run, ready_ns, "time_ns"),
	TEXT(run, ready_level, "level"),
	PROCESS(run, ready_process, "process"),
	TEXT(run, ready_endpoint, "endpoint"));

RECORD(milestone_record, milestone, "milestone", true,
	DETAIL(milestone, name, "name"),
	INT(milestone, time_ns, "time_ns"),
	PROCESS(milestone, process, "process"),
	DETAIL(milestone, evidence, "evidence"),
	DETAIL(milestone, source, "source"));

RECORD(segment_record, segment, "segment", true,
	INT(segment, start_ns, "start_ns"),
	INT(segment, duration_ns, "duration_ns"),
	PROCESS(segment, process, "process"),
	INT(segment, thread, "thread"),
	NAME(segment, phase, "phase", phase_names, -1),
	NAME(segment, state, "state", activity_names, -1),
	NAME(segment, cause, "cause", cause_names, CAUSE_UNKNOWN),
	DETAIL(segment, detail, "detail"),
	INT(segment, stack, "stack"));

RECORD(startup_record, run, "startup", false,
	INT(run, startup_total_ns, "total_ns"),
	INT(run, startup_unknown_ns, "unknown_ns"),
	BOOL(run, has_link_phase, "link_known"),
	BOOL(run, has_init_phase, "init_known"),
	ARRAY_IF(run, segments, "segments", segment_record, has_segments));

RECORD(finding_record, finding, "finding", true,
	DETAIL(finding, id, "id"),
	INT(finding, cost_ns, "cost_ns"),
	DETAIL(finding, evidence, "evidence"),
	DETAIL(finding, remedy, "remedy"));

RECORD(listener_record, listener, "listener", true,
	PROCESS(listener, process, "process"),
	DETAIL(listener, endpoint, "endpoint"),
	INT(listener, bind_ns, "bind_ns"),
	INT(listener, listen_ns, "listen_ns"),
	INT(listener, accept_ready_ns, "accept_ready_ns"),
	INT(listener, first_accept_ns, "first_accept_ns"),
	INT(listener, first_byte_ns, "first_byte_ns"),
	PROCESS(listener, accept_ready_process, "accept_ready_process"),
	DETAIL(listener, evidence, "evidence"),
	BOOL(listener, is_main, "main"));

RECORD(connection_record, connection, "connection", true,
	PROCESS(connection, process, "process"),
	DETAIL(connection, peer, "peer"),
	INT(connection, start_ns, "start_ns"),
	INT(connection, duration_ns, "duration_ns"),
	INT(connection, reply_ns, "reply_ns"),
	DETAIL(connection, result, "result"),
	PROCESS(connection, peer_process, "peer_process"),
	COUNTED(connection, replies_ns, n_replies, "replies_ns", FIELD_INTS));

RECORD(library_record, library, "library", true,
	PROCESS(library, process, "process"),
	DETAIL(library, path, "path"),
	INT(library, search_ns, "search_ns"),
	INT(library, map_ns, "map_ns"),
	INT(library, relocate_ns, "relocate_ns"),
	INT(library, init_ns, "init_ns"),
	TEXT(library, constructor, "constructor"),
	INT(library, constructor_ns, "constructor_ns"),
	INT(library, start_ns, "start_ns"),
	INT(library, path_ns, "path_ns"),
	INT(library, misses, "misses"),
	TEXTS(library, missed, "missed"),
	BOOL(library, is_late, "late"));

RECORD(language_module_record, language_module, "module", true,
	INT(language_module, id, "id"),
	INT(language_module, parent, "parent"),
	DETAIL(language_module, name, "name"),
	DETAIL(language_module, language, "language"),
	DETAIL(language_module, how, "how"),
	PROCESS(language_module, process, "process"),
	INT(language_module, thread, "thread"),
	INT(language_module, start_ns, "start_ns"),
	INT(language_module, self_ns, "self_ns"),
	INT(language_module, total_ns, "total_ns"),
	INT(language_module, self_cpu_ns, "self_cpu_ns"),
	INT(language_module, total_cpu_ns, "total_cpu_ns"),
	INT(language_module, self_path_ns, "self_path_ns"),
	INT(language_module, total_path_ns, "total_path_ns"));

RECORD(file_record, file, "file", true,
	DETAIL(file, path, "path"),
	PROCESS(file, process, "process"),
	INT(file, opens, "opens"),
	INT(file, misses, "misses"),
	INT(file, first_ns, "first_ns"),
	INT(file, open_ns, "open_ns"),
	INT(file, waits, "waits"),
	INT(file, wait_ns, "wait_ns"));

RECORD(files_record, run, "files", false,
	INT(run, file_opens, "opens"),
	INT(run, file_misses, "misses"),
	ARRAY_IF(run, files, "paths", file_record, has_files),
	INT(run, files_cut, "cut"));

RECORD(sample_record, cpu_sample, "sample", true,
	PROCESS(cpu_sample, process, "process"),
	INT(cpu_sample, thread, "thread"),
	NAME(cpu_sample, phase, "phase", phase_names, -1),
	NAME(cpu_sample, cause, "cause", cause_names, CAUSE_UNKNOWN),
	INT(cpu_sample, stack, "stack"),
	BOOL(cpu_sample, is_open, "open"),
	INT(cpu_sample, start_ns, "start_ns"),
	INT(cpu_sample, weight_ns, "weight_ns"),
	BOOL(cpu_sample, is_critical, "critical"));

RECORD(sampling_record, run, "sampling", true,
	INT(run, samples_timer, "timer"),
	INT(run, samples_call, "call"),
	INT(run, samples_fault, "fault"),
	INT(run, samples_wait, "wait"),
	INT(run, samples_cut, "cut"),
	INT(run, sample_period_ns, "period_ns"));

RECORD(loss_record, loss, "loss", true,
	DETAIL(loss, source, "source"),
	DETAIL(loss, kind, "kind"),
	INT(loss, count, "count"));

RECORD(losses_record, run, "losses", false,
	INT(run, lost_bpf, "bpf"),
	INT(run, lost_shim, "shim"),
	{ .key = "kinds", .kind = FIELD_ARRAY, .offset = offsetof(struct run, losses),
	  .count_offset = offsetof(struct run, n_losses), .record = &loss_record });

RECORD(tree_record, run, "tree", false,
	INT(run, wall_ns, "wall_ns"),
	INT(run, cpus, "cpus"),
	INT(run, cpu_speed, "cpu_speed"),
	INT(run, peak_rss_bytes, "peak_rss_bytes"),
	INT(run, peak_rss_error_bytes, "peak_rss_error_bytes"),
	INT(run, peak_cgroup_bytes, "peak_cgroup_bytes"),
	INT(run, ready_rss_bytes, "ready_rss_bytes"),
	INT(run, ready_pss_bytes, "ready_pss_bytes"),
	INT(run, ready_pss_error_bytes, "ready_pss_error_bytes"),
	INT(run, ready_shared_bytes, "ready_shared_bytes"),
	INT(run, peak_pss_bytes, "peak_pss_bytes"),
	INT(run, peak_pss_error_bytes, "peak_pss_error_bytes"),
	TEXT(run, pss_missing, "pss_missing"),
	INT(run, heap_peak_bytes, "heap_peak_bytes"),
	INT(run, heap_peak_error_bytes, "heap_peak_error_bytes"),
	INT(run, threads_peak, "threads_peak"),
	INT(run, switches_summed, "switches_summed"));

RECORD(memory_record, run, "memory", false,
	{ .key = "phases", .kind = FIELD_ARRAY, .offset = offsetof(struct run, memory_phases),
	  .count_offset = offsetof(struct run, n_memory_phases), .record = &memory_phase_record },
	{ .key = "course", .kind = FIELD_ARRAY, .offset = offsetof(struct run, memory_points),
	  .count_offset = offsetof(struct run, n_memory_points), .record = &memory_point_record });

static const struct field run_fields[] = {
	BOOL(run, is_complete, "complete"),
	TEXT(run, incomplete, "incomplete"),
	TEXT(run, tainted, "tainted"),
	INT(run, overhead_ns, "overhead_ns"),
	INT(run, overhead_error_ns, "overhead_error_ns"),
	INT(run, overhead_probes_ns, "overhead_probes_ns"),
	INT(run, overhead_shim_ns, "overhead_shim_ns"),
	INT(run, overhead_stacks_ns, "overhead_stacks_ns"),
	GROUP("exit", exit_record),
	GROUP_IF(run, "ready", ready_record, has_ready),
	ARRAY(run, milestones, "milestones", milestone_record),
	GROUP("startup", startup_record),
	ARRAY(run, findings, "findings", finding_record),
	ARRAY(run, processes, "processes", process_record),
	ARRAY(run, listeners, "listeners", listener_record),
	ARRAY(run, connections, "connections", connection_record),
	ARRAY_IF(run, libraries, "libraries", library_record, has_libraries),
	INT(run, libraries_cut, "libraries_cut"),
	ARRAY_IF(run, language_modules, "modules", language_module_record, has_language_modules),
	GROUP("files", files_record),
	ARRAY_IF(run, samples, "samples", sample_record, has_samples),
	GROUP("sampling", sampling_record),
	GROUP("losses", losses_record),
	GROUP("tree", tree_record),
	GROUP_IF(run, "memory", memory_record, has_memory),
	{ .key = NULL },
};

/* --- the session ---------------------------------------------------------------------------- */

static const struct field series_fields[] = {
	DETAIL(series_row, series.id, "id"),
	NAME(series_row, metric.unit, "unit", unit_names, UNIT_COUNT),
	NAME(series_row, metric.better, "better", better_names, BETTER_NEITHER),
	NAME(series_row, metric.class, "class", metric_class_names, CLASS_SIZE),
	COUNTED(series_row, series.values, series.n_values, "values", FIELD_DOUBLES),
	COUNTED(series_row, series.processes, series.n_processes, "processes", FIELD_DOUBLES),
	SIZE(series_row, series.summary.n, "n"),
	DOUBLE(series_row, series.summary.median, "median"),
	DOUBLE(series_row, series.summary.mad, "mad"),
	DOUBLE(series_row, series.summary.mean, "mean"),
	DOUBLE(series_row, series.summary.stddev, "stddev"),
	DOUBLE(series_row, series.summary.min, "min"),
	DOUBLE(series_row, series.summary.max, "max"),
	DOUBLE(series_row, series.summary.p95, "p95"),
	SCALAR(series_row, series.summary.ci95_low, "ci95", FIELD_INTERVAL),
	DOUBLE(series_row, series.summary.q1, "q1"),
	DOUBLE(series_row, series.summary.q3, "q3"),
	DOUBLE(series_row, series.summary.p99, "p99"),
	SIZE(series_row, series.summary.n_outliers, "outliers"),
	{ .key = NULL },
};

RECORD(host_record, host, "host", false,
	TEXT(host, cpu, "cpu"),
	INT(host, cpus, "cpus"),
	TEXT(host, kernel, "kernel"),
	TEXT(host, libc, "libc"),
	TEXT(host, fingerprint, "fingerprint"),
	TEXT(host, stepping, "stepping"),
	TEXT(host, microcode, "microcode"),
	TEXT(host, cpu_quota, "cpu_quota"),
	TEXT(host, governor, "governor"),
	TEXT(host, turbo, "turbo"),
	TEXT(host, virtual, "virtual"),
	TEXT(host, container, "container"),
	TEXT(host, image, "image"),
	TEXT(host, os, "os"),
	INT(host, memory_bytes, "memory_bytes"),
	TEXT(host, libc_build_id, "libc_build_id"),
	TEXT(host, loader_build_id, "loader_build_id"));

RECORD(design_record, design, "design", false,
	INT(design, runs, "runs"),
	INT(design, warmup, "warmup"),
	TEXTS(design, ready, "ready"),
	TEXTS(design, probes, "probes"),
	TEXT(design, heap, "heap"),
	TEXT(design, until, "until"),
	TEXT(design, stacks, "stacks"));

RECORD(probe_record, probe, "probe", false,
	DETAIL(probe, name, "name"),
	TEXT(probe, mechanism, "mechanism"),
	TEXT(probe, error, "error"),
	TEXTS(probe, metrics, "metrics"),
	TEXTS(probe, causes, "causes"),
	TEXT(probe, lost, "lost"),
	TEXT(probe, remedy, "remedy"));

RECORD(probes_record, session, "coverage", false,
	ARRAY(session, probes, "probes", probe_record));

RECORD(frame_record, frame, "frame", true,
	TEXT(frame, function, "function"),
	TEXT(frame, module, "module"),
	TEXT(frame, build_id, "build_id"),
	INT(frame, offset, "offset"),
	TEXT(frame, file, "file"),
	INT(frame, line, "line"));

RECORD(stack_record, stack, "stack", true,
	COUNTED(stack, frames, n_frames, "frames", FIELD_INTS),
	BOOL(stack, is_cut, "cut"));

RECORD(no_stacks_record, session, "no_stacks", true,
	TEXT(session, no_stacks, "reason"),
	TEXT(session, no_stacks_remedy, "remedy"));

#define OF_ONE_COMMAND \
	TEXT(session, version, "version"), \
	TEXTS(session, command, "command"), \
	WITHIN(session, host, "host", host_record), \
	WITHIN(session, design, "design", design_record), \
	GROUP("coverage", probes_record), \
	{ .key = "metrics", .kind = FIELD_METRICS }, \
	COUNTED(session, notes, n_notes, "notes", FIELD_TEXTS), \
	ARRAY(session, frames, "frames", frame_record), \
	ARRAY(session, stacks, "stacks", stack_record), \
	GROUP("no_stacks", no_stacks_record), \
	ARRAY(session, runs, "runs", run_record)

/* A step has no steps: a document cannot be nested without end. */
RECORD(one_record, session, "session", false,
	OF_ONE_COMMAND);

RECORD(step_record, session_step, "step", false,
	DETAIL(session_step, name, "name"),
	WITHIN(session_step, session, "session", one_record));

static const struct field session_fields[] = {
	OF_ONE_COMMAND,
	ARRAY(session, steps, "steps", step_record),
	{ .key = NULL },
};
/* clang-format on */

const struct record run_record = { "run", sizeof(struct run), false, run_fields };
const struct record series_record = { "series", sizeof(struct series_row), true, series_fields };
const struct record session_record = { "session", sizeof(struct session), false, session_fields };

void record_clear(const struct record *record, void *object)
{
	for (const struct field *field = record->fields; field->key != NULL; field++) {
		void *value = (char *)object + field->offset;
		if (field->kind == FIELD_INT)
			*(int64_t *)value = UNKNOWN;
		else if (field->kind == FIELD_DETAIL)
			*(const char **)value = "";
		else if (field->kind == FIELD_NAME && field->fallback >= 0)
			*(unsigned int *)value = (unsigned int)field->fallback;
		else if (field->kind == FIELD_OBJECT)
			record_clear(field->record, value);
	}
}
