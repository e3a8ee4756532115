/* SPDX-License-Identifier: MIT */
/* What the collector's sources look like to collect.c. A source only appends events; it
 * interprets nothing. Functions return 0 or a negative errno, logged, where nothing else is said.
 *
 * To add one: its functions here, opened in launch.c, polled and drained in collect.c, and, where it
 * numbers its records itself, a value of enum sl_source in bpf/schema.h. */
#ifndef USERSPACE_COLLECT_RUN_SOURCE_H
#define USERSPACE_COLLECT_RUN_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "bpf/schema.h"

/* Takes one event, valid during the call only. Negative: stop draining, pass it up. */
struct sink {
	int (*event)(void *data, const struct sl_event *event);
	void *data;
};

/* ---- kernel events ---- */

struct source_bpf;

struct bpf_settings {
	size_t ring_bytes;	 /* 0: the default */
	bool want_output;	 /* capture writes on descriptors 1 and 2 (OUTPUT) */
	bool look_early;	 /* wake the reader when an image is linked, and when it begins */
	bool wake_early;	 /* wake the reader for events that may satisfy a readiness rule */
	uint64_t cgroup_id;	 /* also record tasks of this cgroup (v2 id); 0: none */
	bool follows_containers; /* … and of those that container runtimes make from now on */
	char *const *argv;	 /* the command: its interpreter may tell what it loads; NULL */
	uint64_t switch_limit;	 /* OFFCPU records after source_bpf_ready() before sums take over */
	bool want_stacks;	 /* snapshots may be asked for */
	bool want_blocks; /* … and come from the shim's samples of the heap (bpf/block.h), all of them */
};

/* Loads and attaches. On failure *ret is untouched and @why (of @why_size) says in one line
 * what is missing, for META and the report ("not root", "no BTF in this kernel" …); nothing is
 * logged then, since going on without is normal. */
int source_bpf_open(const struct bpf_settings *settings, char *why, size_t why_size,
		    struct source_bpf **ret);
/* Whether this kernel lets probes read its memory: 1; 0: it is locked down (confidentiality);
 * negative: that cannot be tried. */
int source_bpf_reads_kernel(void);
/* Records @pidfd's process and all it will create. */
int source_bpf_track(struct source_bpf *s, int pidfd);
/* Has the probes treat this very process as if it were recorded, without anything being recorded,
 * while @work(@data) runs: what they measured of themselves meanwhile, and in how many calls. Not
 * during a run. */
int source_bpf_try(struct source_bpf *s, void (*work)(void *data), void *data, uint64_t *ret_ns,
		   uint64_t *ret_calls);
/* What kernel events may lack, and the collector takes from /proc or the shim then. */
enum told { TOLD_MEMORY, TOLD_TASKS, TOLD_SWITCHES, TOLD_CALLS };
/* Whether @s (NULL: there are no kernel events) tells it. */
bool source_bpf_tells(const struct source_bpf *s, enum told what);
/* One of the things that kernel probes tell, and what became of it on this kernel. */
#define PROBE_TEXT 200
struct probe_report {
	const char *name;
	char used[PROBE_TEXT];	/* the mechanism; "": none works */
	char error[PROBE_TEXT]; /* why not the first one; "": it is that */
	/* What is lost: ids of metrics ("net.connect[]": the whole family) and causes of waits,
	 * separated by spaces, and a line for people. NULL: nothing. */
	const char *metrics, *causes, *lost;
	char remedy[PROBE_TEXT]; /* "" when nothing is lost */
};
/* Fills @ret with the next one; *@cursor is 0 at first. False: there are no more. */
bool source_bpf_probe(struct source_bpf *s, size_t *cursor, struct probe_report *ret);
/* META about those of which all is known before anything is recorded. @has_shim: there is one, too. */
int source_bpf_tell(struct source_bpf *s, bool has_shim, struct sink sink);
/* Poll for reading. */
int source_bpf_fd(const struct source_bpf *s);
/* Hands over what is in the ring. Returns the number of events or a negative errno. */
int source_bpf_drain(struct source_bpf *s, struct sink sink);
/* Makes the kernel append USAGE for each live process, MEMORY, and OFFCPU (STILL) for each
 * thread off the CPU. Drain afterwards. */
int source_bpf_snapshot(struct source_bpf *s, enum sl_when when);
/* A connection from @end is startline's own: no client's. */
void source_bpf_own_end(struct source_bpf *s, const struct sl_addr *end);
/* Readiness was reached: the switch limit starts. */
int source_bpf_ready(struct source_bpf *s);
/* … and the run goes on: what nothing later needs is detached, and META says so. The next
 * source_bpf_track() puts it back. */
int source_bpf_thin_out(struct source_bpf *s, struct sink sink);
/* Live tracked threads now, and since when none of them has been running (0: one runs). */
void source_bpf_activity(const struct source_bpf *s, uint32_t *ret_threads,
			 uint64_t *ret_idle_since_ns);
/* Detaches, drains the rest, appends SYMBOL, MEMORY, DROPS and TALLY. */
int source_bpf_finish(struct source_bpf *s, struct sink sink);
/* Resident bytes of the tree now, as far as the kernel has told. */
uint64_t source_bpf_resident(const struct source_bpf *s);
size_t source_bpf_ring_bytes(const struct source_bpf *s);
/* From now on threads leave a snapshot of their stack when they enter a system call after @gap_ns of their
 * own time, and when they return from one in which they were off the CPU for @wait_ns; 0: never. */
void source_bpf_take_stacks(struct source_bpf *s, uint64_t gap_ns, uint64_t wait_ns);
/* Where: records of bpf/control.h, in a ring of this size. To be mapped; the kernel wakes nobody else. */
int source_bpf_stack_fd(const struct source_bpf *s);
size_t source_bpf_stack_bytes(const struct source_bpf *s);
/* How many there was no room for. */
uint64_t source_bpf_stacks_lost(const struct source_bpf *s);
/* From now on the frames of its interpreter go before each stack of process @pid, which lie where
 * @python says; NULL: no longer. At samples of the timer a program takes them that has to be set on the
 * events (-1: there is none). */
struct python_process;
struct stack_snapshot;
void source_bpf_take_python(struct source_bpf *s, pid_t pid, const struct python_process *python);
int source_bpf_timer_fd(struct source_bpf *s);
/* Names the functions that @addresses[0..@n) in the kernel are in, as far as it knows them, which takes
 * a fiftieth of reading /proc/kallsyms. False: not here. After the last run. */
typedef void kernel_name_fn(void *data, size_t i, const char *name);
bool source_bpf_kernel_names(struct source_bpf *s, const uint64_t *addresses, size_t n,
			     kernel_name_fn *found, void *data);
struct source_bpf *source_bpf_free(struct source_bpf *s);

/* ---- stacks ---- */

struct source_perf;

struct exact_target;

struct perf_target {
	pid_t pid;		/* the command, which has not executed yet */
	struct source_bpf *bpf; /* NULL: there are no kernel probes */
	bool use_ns_pids;	/* startline lives in a pid namespace */
	bool is_endless; /* nobody expects it to become ready: samples get fewer as time goes by */
	const char *shim_path; /* borrowed for the run; NULL: there is none */
	const struct exact_target
		*exact; /* the shim records every block there (heap/exact.h); NULL: it does not */
};

struct perf_settings {
	int rate_hz; /* of the timer; 0: as high as its cost allows, which is measured until source_perf_open();
		      * negative: there is none, nor snapshots but of blocks */
	uint64_t sample_bytes;	/* of the heap, that the shim tells of a block for; 0: of none */
	uint64_t wait_ns;	/* shorter waits have no stack; 0: the default, 1 ms */
	size_t ring_bytes;	/* of each ring; 0: the default */
	uint64_t debuginfod_ns; /* to fetch debug information for, at the end; 0: none is */
};

/* NULL: no memory. */
struct source_perf *source_perf_new(const struct perf_settings *settings);
/* META about what there is: without a timer snapshots may still come. */
int source_perf_open(struct source_perf *s, struct sink sink);
/* Samples the command from its first instruction on. */
int source_perf_begin(struct source_perf *s, const struct perf_target *target, struct sink sink);
/* Poll for reading, edge-triggered; -1: nothing to poll. */
int source_perf_fd(const struct source_perf *s);
/* Hands over what is in the rings and was some milliseconds old at @now. Returns how much, or a negative errno. */
int source_perf_drain(struct source_perf *s, uint64_t now, struct sink sink);
/* Whether stacks are being taken. */
bool source_perf_is_on(const struct source_perf *s);
/* Nobody wants to know any longer. */
void source_perf_ready(struct source_perf *s);
struct stack_snapshot;
/* Takes a block that the shim tells of by itself: as source_shim_blocks() hands it over. */
int source_perf_take_block(struct source_perf *s, const struct stack_snapshot *taken,
			   size_t n_bytes_max, struct sink sink);
/* It is ready: SITE of what allocated until now. */
int source_perf_tell_blocks(struct source_perf *s, struct sink sink);
/* Shims record no more blocks than those that are sampled, since just now. */
int source_perf_sample_from_now(struct source_perf *s, struct sink sink);
/* The run is over: hands over the rest. */
int source_perf_end(struct source_perf *s, struct sink sink);
/* FUNCTION, and DROPS. */
int source_perf_finish(struct source_perf *s, struct sink sink);
struct source_perf *source_perf_free(struct source_perf *s);
/* Whether the timer can be had here: NULL; else why not. *ret_remedy: what to type then, or "". *ret_ns:
 * what a sample costs. */
const char *source_perf_try(const char **ret_remedy, uint64_t *ret_ns);

/* ---- the shim's lanes ---- */

struct source_shim;

struct shim_settings {
	unsigned int flags; /* SHIM_*, see preload/settings.h */
	uid_t uid;	    /* the target's user: owns the session directory */
	gid_t gid;
	uint32_t exact;	       /* enum sl_exact_mode */
	uint64_t sample_bytes; /* a sample of the heap for so many, on average; 0: none */
};

/* Variables that bring the shim along: behind the command's own, and perhaps in front of them too. */
struct shim_environment {
	char *variables[2];
	bool is_in_front;
};

/* What is to be executed. */
struct shim_program {
	const char *path;
	char *const *argv;
	char *const *environment; /* NULL: ours */
	size_t pad_bytes;
};

/* Makes the private directory on tmpfs and removes stale ones of dead startlines. */
int source_shim_open(const struct shim_settings *settings, char *why, size_t why_size,
		     struct source_shim **ret);
/* What to add to the environment of @program, the LD_PRELOAD that is in there joined to ours. Its texts
 * have pad_bytes more than they need. NULL, with the reason in a COVER event sent to
 * @sink, when it must not be preloaded (static, sanitizer, 32-bit, setuid …). Owned by @s. */
const struct shim_environment *source_shim_environment(struct source_shim *s,
						       const struct shim_program *program,
						       struct sink sink);
/* A run begins: the peak of the tree is of that alone. */
void source_shim_begin(struct source_shim *s);
/* The file that is preloaded, under the name by which the loader opens it. Owned by @s. */
const char *source_shim_path(const struct source_shim *s);
/* Where a process says that it has the counters of its own allocator; to be believed of @pid alone. */
struct shim_allocator {
	uint32_t kind; /* enum sl_allocator_kind */
	uint64_t allocated_at, freed_at;
};
/* False: it has none, or has not said so. */
bool source_shim_allocator(const struct source_shim *s, pid_t pid, struct shim_allocator *ret);
/* Where the lanes are, of which each process with the shim has mapped one. Owned by @s. */
/* Has the shims record no more than samples from now on. */
void source_shim_end_exact(struct source_shim *s);
const char *source_shim_directory(const struct source_shim *s);
/* A descriptor that becomes readable when lanes have something (inotify, timer), or -1. */
int source_shim_fd(const struct source_shim *s);
/* Reads what is new in all lanes. Lanes of processes that ended are folded (HEAP, when = EXIT)
 * and removed. Returns the number of events or a negative errno. */
int source_shim_drain(struct source_shim *s, struct sink sink);
/* Hands over what the shims told of sampled blocks themselves, since no kernel probe does (bpf/block.h): of
 * each process in order. Ids are those of its own pid namespace. @n_bytes_max: so many
 * bytes behind the header can be read. To be called before source_shim_drain(), which may end
 * images. Returns how many, or what @take returned, if negative. */
int source_shim_blocks(struct source_shim *s,
		       int (*take)(void *data, const struct stack_snapshot *taken,
				   size_t n_bytes_max),
		       void *data);
/* HEAP for each live image. */
int source_shim_snapshot(struct source_shim *s, enum sl_when when, struct sink sink);
/* The last pass: everything left, DROPS, TALLY; removes the directory. */
int source_shim_finish(struct source_shim *s, struct sink sink);
struct source_shim *source_shim_free(struct source_shim *s);

/* ---- /proc ---- */

/* META facts about machine, kernel, libc and command line. */
int source_proc_facts(struct sink sink);
/* One HOST event. */
int source_proc_host(enum sl_when when, struct sink sink);
struct resident { /* bytes */
	uint64_t now, peak;
	uint64_t kinds[SL_MEMORY_KINDS]; /* of now */
};

/* USAGE of process @pid, for the tier without BPF; nothing when it is gone. @total (NULL: from
 * /proc, in ticks) gives CPU time, faults and switches more precisely, of the process and of the
 * children it waited for. @seen (NULL: nothing) is what was seen of the memory of a process that has
 * ended: /proc no longer knows. */
int source_proc_usage(pid_t pid, enum sl_when when, const struct rusage *total,
		      const struct resident *seen, struct sink sink);
/* CPU time of @pid so far, in ns (of the resolution of a scheduler's switch where the kernel keeps
 * it, else of a tick); 0 when it is gone. */
uint64_t source_proc_cpu(pid_t pid);
/* How many threads of @pid run, or wait for a CPU. */
int source_proc_running(pid_t pid);
/* When @pid was created, on the clock of all events, rounded down to a tick; 0: it is gone. */
uint64_t source_proc_start(pid_t pid);
/* False when @pid is gone. */
bool source_proc_rss(pid_t pid, struct resident *ret);

#endif
