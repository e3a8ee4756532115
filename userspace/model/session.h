/* SPDX-License-Identifier: MIT */
/* A session: what a recording means. Built from a trace by session_build(), or loaded from a
 * session document by session_read_json(); the two are the same to everyone downstream.
 *
 * Everything hangs in the session's arena and is freed by session_free(); there is nothing to
 * free one by one. Times are nanoseconds relative to the run's R0 (the command's execve entered
 * the kernel). A time, size or count that was not captured is UNKNOWN (printed "-", null in
 * JSON); it is never 0. Ids of processes are indices + 1 into run->processes; 0 means none.
 * Text from the target is kept as it came: printers escape it. */
#ifndef USERSPACE_MODEL_SESSION_H
#define USERSPACE_MODEL_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/arena.h"
#include "userspace/model/allocator.h"
#include "userspace/model/growth.h"
#include "userspace/model/resident.h"

#define UNKNOWN INT64_MIN

/* What one of them does not know, their sum does not, nor one that is too large. */
static inline int64_t sum_or_unknown(int64_t a, int64_t b)
{
	int64_t sum;
	return a == UNKNOWN || b == UNKNOWN || __builtin_add_overflow(a, b, &sum) ? UNKNOWN : sum;
}

struct trace;

enum phase { PHASE_EXEC, PHASE_LINK, PHASE_INIT, PHASE_MAIN, PHASE_CHILD, PHASE_COUNT };
enum activity { ACTIVITY_RUNNING, ACTIVITY_RUNNABLE, ACTIVITY_BLOCKED, ACTIVITY_COUNT };
enum cause {
	CAUSE_CPU,
	CAUSE_RUNQUEUE,
	CAUSE_THROTTLED,
	CAUSE_PAGE_FAULT,
	CAUSE_FILE_READ,
	CAUSE_FILE_WRITE,
	CAUSE_DISK,
	CAUSE_CONNECT,
	CAUSE_DNS,
	CAUSE_NETWORK,
	CAUSE_PIPE,
	CAUSE_LOCK,
	CAUSE_SLEEP,
	CAUSE_CHILD,
	CAUSE_SIGNAL,
	CAUSE_KERNEL,
	CAUSE_UNKNOWN,
	CAUSE_COUNT
};

/* Whether it is waiting for a CPU: none was free, or the quota of its control group was used up. Neither is
 * work, and both come and go by chance. But only of the first others are to blame for certain: a quota is
 * the group's own limit, and mostly the command's own work has used it up. */
bool cause_is_cpu_wait(enum cause cause);

/* The names of an enumeration's values, in order. */
struct name_table {
	const char *const *items;
	unsigned int n;
};
extern const struct name_table phase_names, activity_names, cause_names;
/* "unknown" where it is out of range: values may come from a stored document. */
const char *name_in(const struct name_table *names, unsigned int value);
int value_in(const struct name_table *names, const char *name); /* -1: it is not there */

/* Names as in the document: "exec", "running", "page_fault". The _of functions return -1 when
 * the name is not known. */
const char *phase_name(enum phase phase);
const char *activity_name(enum activity activity);
const char *cause_name(enum cause cause);
int phase_of(const char *name);
int activity_of(const char *name);
int cause_of(const char *name);

/* One piece of the critical path. Pieces follow each other without gap or overlap from 0 to
 * startup_total_ns. */
struct segment {
	int64_t start_ns, duration_ns;
	int64_t thread;	    /* tid */
	const char *detail; /* never NULL */
	int process;
	enum phase phase;
	enum activity state;
	enum cause cause;
	int64_t stack; /* blocked: of session->stacks, that waited; UNKNOWN: none was taken */
};

/* A function's part of a place in code; what was inlined there is a frame of its own. */
struct frame {
	const char *function; /* NULL: no symbol covers it */
	const char
		*module; /* its path as the process has it, "[kernel]", "[vdso]"; NULL: unknown */
	const char *build_id; /* hexadecimal, or NULL */
	int64_t offset;	      /* as the symbols of the module count; an address without a module */
	const char *file;     /* or NULL */
	int64_t line;
};

struct stack {
	int64_t *frames; /* places in session->frames, the innermost first */
	size_t n_frames;
	bool is_cut; /* what is further out could not be read, or was left out */
};

/* A part of a thread's time on a CPU, and the stack that stands for it. Those of a thread are in order
 * of time, and their weights add up to its time on a CPU until the end of startup. */
struct cpu_sample {
	int process;
	int64_t thread;
	enum phase phase;
	enum cause cause;
	int64_t stack; /* of session->stacks; UNKNOWN: none was taken near it */
	/* The stack is the part that two moments have in common: what its innermost function called
	 * between them is not known. */
	bool is_open;
	int64_t start_ns;  /* since when its stack stands for the thread */
	int64_t weight_ns; /* on a CPU */
	bool is_critical;  /* on the critical path */
};

struct text_list {
	const char **items; /* bytes may be anything but NUL */
	size_t n;
};

struct image {			    /* one execve, successful or not */
	int64_t time_ns;	    /* the call was made */
	int64_t done_ns;	    /* the image was in place, or the call failed */
	int64_t linked_ns, main_ns; /* R1, R2 of this image */
	const char *exe;
	struct text_list argv;
	int64_t argv_bytes; /* true length */
	bool is_truncated;
	const char *result; /* "ok" or the errno's name: "ENOENT" */
	bool is_static, is_secure, is_32bit;
};

#define HEAP_CALLS   8 /* as enum sl_heap_call */
#define HEAP_BUCKETS 48

/* Which blocks of a call site. */
enum site_part {
	SITE_TOTAL,	/* allocated in all */
	SITE_READY,	/* live at readiness */
	SITE_EXIT,	/* never freed */
	SITE_PEAK,	/* live when the process had most */
	SITE_TREE_PEAK, /* … the whole tree */
	SITE_TEMPORARY, /* freed by the next call of the thread that allocated it */
	SITE_PARTS
};
extern const struct name_table site_part_names;

/* Blocks by usable bytes: site_sums.h says how sure. Of READY, EXIT, PEAK and TREE_PEAK those of all sites add
 * up to what was counted. */
struct site_sum {
	bool is_known;
	int64_t blocks, bytes;
	int64_t sampled_bytes;	       /* of these, what samples stand for; the others were seen */
	int64_t error_bytes;	       /* its standard error */
	int64_t low_bytes, high_bytes; /* of bytes, with 95 % confidence */
	int64_t samples;	       /* blocks that were seen */
};

struct site {	       /* what a process allocated with one stack */
	int64_t stack; /* of session->stacks; UNKNOWN: not known, or what no sample stands for */
	int64_t lifetime_ns; /* mean, of what was freed; UNKNOWN: nothing was */
	struct site_sum sums[SITE_PARTS];
};

struct heap {
	bool is_known; /* false: everything else is meaningless (null in the document) */
	int64_t allocs, frees, bytes, peak_bytes, peak_error_bytes, ready_bytes, exit_bytes;
	int64_t calls[HEAP_CALLS];
	int64_t buckets[HEAP_BUCKETS];
	struct site *sites; /* the largest first */
	size_t n_sites;
	bool has_sites;	   /* false: nobody took stacks (null) */
	int64_t sites_cut; /* that are part of one with fewer frames, or none: there were too many */
};

struct syscall { /* all calls of one name by one process */
	const char *name;
	int64_t calls;
	int64_t errors;		  /* of these, failed */
	int64_t total_ns, cpu_ns; /* from entry to return; of that, on the CPU */
	int64_t ready_calls;	  /* until readiness */
};

/* What resident memory is made of, as the kernel counts it. */
struct resident_kinds {
	bool is_known;
	int64_t anonymous_bytes; /* heap, stacks, what was written of private mappings */
	int64_t file_bytes;	 /* mapped files */
	int64_t shared_bytes;	 /* shared anonymous memory, tmpfs */
};

struct process {
	int id;
	int parent; /* id, 0: the command itself or unknown */
	int64_t pid;
	const char *exe;       /* of the last successful exec, else the parent's; NULL: not known */
	struct text_list argv; /* likewise */
	const char *name;      /* that it gave itself, by a title or prctl; NULL: none */
	struct image *images;
	size_t n_images;
	int64_t start_ns, exit_ns;
	int64_t exit_code,
		exit_signal; /* UNKNOWN while it lives, and the one that does not apply */
	int64_t user_ns, system_ns, run_ns, peak_rss_bytes, ready_rss_bytes;
	struct resident_kinds peak_kinds; /* when it had most, as far as anybody looked */
	struct resident_kinds ready_kinds;
	struct resident_look looks[LOOK_COUNT];
	int64_t minor_faults, major_faults, read_bytes, write_bytes, read_chars, write_chars;
	int64_t voluntary_switches, involuntary_switches, net_rx_bytes, net_tx_bytes;
	int64_t threads_peak;
	bool is_attached; /* it ran before the recording began */
	struct syscall *syscalls;
	size_t n_syscalls;
	bool has_syscalls; /* false: nobody counted (null) */
	struct heap heap;
	struct allocator allocator;
	struct growth growth;
	const char *coverage_heap;   /* "counted" or why not: "static", "secure-exec", … */
	const char *coverage_kernel; /* "bpf" or "no bpf: REASON" */
	const char *own_allocator;   /* what it is known to use besides malloc, uncounted; NULL */
};

struct milestone {	  /* a rung of the ladder: docs/man/startline-report.1.md */
	const char *name; /* "exec" "linked" "main" "bind" "listen" "accept_ready" "notified"
			   * "first_accept" "first_byte" "quiet" */
	int64_t time_ns;  /* UNKNOWN: not seen, evidence says why */
	int process;
	const char *evidence; /* "epoll_wait" "edge-triggered, first accept" "static program" … */
	const char *source;   /* "bpf" "shim" "collector" "" */
};

struct listener {	      /* one listening socket */
	int process;	      /* who called listen, or first served it */
	const char *endpoint; /* "tcp 127.0.0.1:7777" "tcp [::]:80" "unix /run/x" "unix @name" */
	int64_t bind_ns, listen_ns, accept_ready_ns, first_accept_ns, first_byte_ns;
	int accept_ready_process;
	const char *evidence; /* how accept_ready was seen */
	bool is_main; /* the one that --ready was about, else the first: milestones and metrics are
		       * about it */
};

struct connection {
	int process;
	const char *peer;
	int64_t start_ns, duration_ns; /* connect called to established or failed */
	int64_t reply_ns;	       /* the first reply: last request byte to first reply byte */
	int64_t *replies_ns;	       /* all of them, in order */
	size_t n_replies;
	const char *result; /* "ok" "ECONNREFUSED" "EINPROGRESS" (never completed) … */
	int peer_process;
};

/* Where the program or its loader stands as a row among its libraries, it is for what is relocated
 * and initialised in them; only the loader has no path. */
#define LIBRARY_LOADER "[loader]"

struct library {
	int process;
	const char *path;				 /* as the loader opened it */
	int64_t start_ns;				 /* looked for, or first heard of */
	int64_t search_ns, map_ns, relocate_ns, init_ns; /* UNKNOWN: not seen by itself */
	const char *constructor; /* the function that took most of init; NULL: not known */
	int64_t constructor_ns;
	int64_t path_ns;	 /* of these, on the critical path and not waiting for a CPU */
	int64_t misses;		 /* files that it could have been, but that were not there */
	struct text_list missed; /* the directories of these, the first so many */
	bool is_late;		 /* loaded by the running program (dlopen) */
};

struct file { /* all opens of one path, as programs gave it */
	const char *path;
	int process; /* that opened it first */
	int64_t opens, misses;
	int64_t first_ns;	/* when it was first opened; UNKNOWN: only waited for */
	int64_t open_ns;	/* in calls that open it */
	int64_t waits, wait_ns; /* asleep, reading it or for a page of it */
};

/* One loading of a module of a language: the time of its thread, the critical path's included. */
struct language_module {
	int64_t id, parent; /* from 1, in order of threads and time; UNKNOWN: the program itself */
	const char *name, *language;
	const char *how; /* "probe": the interpreter tells; "files": by the files it opens */
	int process;
	int64_t thread, start_ns;
	/* Without and with what it loads. */
	int64_t self_ns, total_ns, self_cpu_ns, total_cpu_ns, self_path_ns, total_path_ns;
};

struct finding {
	const char *id; /* "early-listen" */
	int64_t cost_ns;
	const char *evidence, *remedy;
};

struct loss {		    /* records of one kind that a source could not write */
	const char *source; /* "bpf" "shim" */
	const char *kind;
	int64_t count;
};

struct run {
	/* exit */
	int64_t exit_code, exit_signal;
	const char *exit_reason; /* "exit" "signal" "ready" "timeout" "duration" "interrupted",
				  * "failed", "loaded": the load that was put on it had ended;
				  * "truncated": the recording ends before it */

	bool is_complete;	   /* no record was lost, proven by sequence numbers */
	const char *incomplete;	   /* why not, or NULL */
	const char *tainted;	   /* contention on the machine during the run, or NULL */
	int64_t overhead_ns;	   /* startline's own cost on the way to the end of startup */
	int64_t overhead_error_ns; /* 19 of 20 times it is within that of the truth */
	int64_t overhead_probes_ns, overhead_shim_ns,
		overhead_stacks_ns; /* of which; UNKNOWN: that source was not there */

	bool has_ready;
	int64_t ready_ns;
	const char *ready_level; /* "accept_ready" … */
	int ready_process;
	const char *ready_endpoint; /* or NULL */

	struct milestone *milestones;
	size_t n_milestones;
	int64_t startup_total_ns; /* R0 to ready, else to the end */
	int64_t startup_unknown_ns;
	struct segment *segments;
	size_t n_segments;
	bool has_segments; /* false: no scheduler events, so no breakdown (null) */
	bool has_link_phase, has_init_phase; /* false: these are part of main, unseen */
	struct finding *findings;
	size_t n_findings;
	struct process *processes;
	size_t n_processes;
	struct listener *listeners;
	size_t n_listeners;
	struct connection *connections;
	size_t n_connections;
	struct library *libraries;
	size_t n_libraries;
	int64_t libraries_cut; /* that are not among them: there were too many */
	bool has_libraries;
	int64_t file_opens, file_misses;
	struct file *files;
	size_t n_files;
	bool has_files;
	struct language_module *language_modules;
	size_t n_language_modules;
	bool has_language_modules;
	int64_t files_cut; /* opens of files that are not among these */
	struct cpu_sample *samples;
	size_t n_samples;
	bool has_samples; /* false: no stacks were recorded, session->no_stacks says why */
	/* Stacks that were taken until the end of startup: by the timer, at system calls, at page faults,
	 * and of long waits; those beyond what a document keeps; the period of the timer. */
	int64_t samples_timer, samples_call, samples_fault, samples_wait, samples_cut;
	int64_t sample_period_ns;
	struct loss *losses;
	size_t n_losses;
	int64_t lost_bpf, lost_shim; /* UNKNOWN: that source was not there */
	int64_t wall_ns;	     /* R0 to the end of the tree */
	int64_t cpu_speed;	     /* turns of a loop per ms, mean of the samples */
	int64_t cpus;		     /* that it was allowed to use */

	/* whole tree */
	int64_t peak_rss_bytes, peak_rss_error_bytes, peak_cgroup_bytes, ready_rss_bytes;
	/* Pages counted once, however many processes have them; shared: those that several have. */
	int64_t ready_pss_bytes, ready_pss_error_bytes, ready_shared_bytes;
	int64_t peak_pss_bytes, peak_pss_error_bytes; /* it may be higher by that */
	const char *pss_missing;		      /* why they are not known, or NULL */
	int64_t heap_peak_bytes, heap_peak_error_bytes;
	struct memory_phase *memory_phases; /* in order */
	size_t n_memory_phases;
	struct memory_point *memory_points; /* evenly spaced, up to the end */
	size_t n_memory_points;
	bool has_memory; /* false: not captured (null) */
	int64_t threads_peak;
	int64_t switches_summed; /* OFFCPU records replaced by sums */

	double *values; /* one per row of metrics[]; NAN: not captured. Filled once. */
	const struct session *session; /* that it is one of: has the frames of its stacks */
};

struct host { /* the machine; hosts.h says which facts must be equal */
	/* NULL: unknown */
	const char *cpu, *stepping, *microcode;	 /* model; "25.1.1": family, model, stepping */
	const char *cpu_quota;			 /* in CPUs, "1.5"; "none" */
	const char *governor, *turbo;		 /* "performance"; "on" or "off" */
	const char *virtual, *container, *image; /* "kvm", "none"; "docker", "none" */
	const char *kernel, *os;
	const char *libc, *libc_build_id, *loader_build_id;
	const char *fingerprint; /* the class of the machine */
	int64_t cpus, memory_bytes;
};

struct design {
	int64_t runs, warmup;
	struct text_list ready, probes;
	const char *heap, *until, *stacks;
};

struct probe { /* something that kernel probes tell, and what became of it there */
	const char *name;
	const char *mechanism;		  /* NULL: none works */
	const char *error;		  /* why not the first one; NULL: it is that */
	struct text_list metrics, causes; /* lost: NAN, and not to be seen */
	const char *lost, *remedy;	  /* in a line; NULL: nothing is lost */
};

struct session {
	struct arena *arena;
	const char *version;
	struct text_list command;
	struct host host;
	struct design design;
	struct probe *probes; /* of the kernel tier; none where it was not there */
	size_t n_probes;
	struct frame *frames; /* of all stacks */
	size_t n_frames;
	struct stack *stacks; /* of all runs */
	size_t n_stacks;
	const char *no_stacks, *no_stacks_remedy; /* why there are none, what to type; NULL */
	struct run *runs;
	size_t n_runs;	    /* warm-up runs are left out */
	const char **notes; /* sources that were missing, truncation, damage: one line each */
	size_t n_notes;
	struct series *series; /* one per row of metrics[] and per peer; see metrics.h */
	size_t n_series;
	struct session_step
		*steps; /* of a pipeline, whose metrics are their sums; it has no runs */
	size_t n_steps;
};

struct session_step {
	const char *name;
	struct session session; /* in the arena of the pipeline's, or borrowed */
};

/* Builds the meaning of @trace, which may be freed afterwards. Never fails on what a target
 * could have done to the trace: odd events are skipped. -ENODATA, logged: there is no run in
 * it. */
int session_build(const struct trace *trace, struct session **ret);
/* Only the runs of one arm of an interleaved recording ("base"); its command is what these ran. */
int session_build_arm(const struct trace *trace, const char *arm, struct session **ret);
bool session_has_arm(const struct trace *trace, const char *arm);
/* The one that is_main, or NULL. */
const struct listener *run_listener(const struct run *run);
/* A stack or frame by its place; NULL: there is none, which a stored document may say of any place. */
const struct stack *session_stack(const struct session *s, int64_t place);
const struct frame *session_frame(const struct session *s, int64_t place);
/* @text is not copied. -ENOMEM. */
int session_add_note(struct session *s, const char *text);
struct session *session_free(struct session *s); /* NULL */

#endif
